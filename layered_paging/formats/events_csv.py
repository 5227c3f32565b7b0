"""Event tables (``.events.csv``): one row an event, its experts between spaces."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from ..core.registry import register
from ..core.trace import DECODE, Trace
from ..errors import FormatError
from .base import Format, Reading
from .common import WIDEST, afford, blocks, build, guarded, id_dtype, numbers, parse_json, repeated, whole
from .opening import Start, text

__all__ = ["EventsCsv"]

NEEDED = ("scheduler_step", "layer", "requested_experts")
_INTEGER = re.compile(r"\s*\d{1,18}\s*", re.ASCII)
_Rows = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def read(path: Path) -> Trace:
    with guarded(path), text(path) as stream:
        first = stream.readline(1 << 16).removeprefix(b"\xef\xbb\xbf").decode().rstrip("\r\n")
        names = [name.strip() for name in first.split(",")]
        for name in NEEDED:
            if names.count(name) != 1:
                raise FormatError(f"{path} line 1: must name the columns {', '.join(NEEDED)}; got {first[:200]!r}")
        parts = []
        for number, data in blocks(stream, path, 2, ended=names[-1] == "requested_experts"):
            parts.append(_rows(path, number, data, names))
            afford(path, "the rows", 2 * sum(column.nbytes for part in parts for column in part))
    if not parts:
        raise FormatError(f"{path}: must hold at least one event; there is only the header")
    step, layer, count, member = (np.concatenate([part[c] for part in parts]) for c in range(4))
    widths = _manifest(path)
    keys, round_of = np.unique(step, return_inverse=True)
    rounds, layers = len(keys), int(layer.max()) + 1
    top_k = max(1, int(count.max()))
    if widths is not None:
        if layers > widths[0]:
            at = int(np.argmax(layer >= widths[0]))
            raise FormatError(f"{path} line {at + 2}: 'layer' must be in 0..{widths[0] - 1}; got {layer[at]}")
        layers = widths[0]
    # the ids, and while they are checked and laid out two copies of them
    each = 3 * np.dtype(id_dtype(1 + int(member.max(initial=0)))).itemsize
    afford(path, f"{rounds} rounds of {layers} layers x {top_k} experts", rounds * layers * (8 + each * top_k))
    place = round_of * layers + layer
    owner = np.full(rounds * layers, -1, np.int64)
    owner[place] = np.arange(len(place))
    twice = np.flatnonzero(owner[place] != np.arange(len(place)))
    if twice.size:
        at = int(twice[0])
        raise FormatError(
            f"{path} line {int(owner[place[at]]) + 2}: scheduler_step and layer must differ from row to row; "
            f"line {at + 2} has the same"
        )
    event = np.repeat(np.arange(len(count)), count)
    rank = np.arange(len(member)) - np.repeat(np.cumsum(count) - count, count)
    limit = WIDEST if widths is None else widths[1]
    wrong = np.flatnonzero((member < 0) | (member >= limit))
    if wrong.size:
        at = int(wrong[0])
        raise FormatError(
            f"{path} line {int(event[at]) + 2}: 'requested_experts' must be in 0..{limit - 1}; got {member[at]}"
        )
    widest = int(member.max(initial=0)) + 1 if widths is None else widths[1]
    ids = np.full((rounds, layers, top_k), -1, id_dtype(widest))
    ids.reshape(-1, top_k)[place[event], rank] = member
    again = repeated(ids)
    if again is not None:
        at = int(owner[again[0] * layers + again[1]])
        raise FormatError(
            f"{path} line {at + 2}: 'requested_experts' must be distinct; got {member[event == at].tolist()}"
        )
    return build(path, ids, widest)


def _rows(path: Path, line: int, data: bytes, names: list[str]) -> _Rows:
    """Parse events in bulk, or one by one if they are not plain; return steps, layers, counts and all members."""
    at_step, at_layer, at_experts = (names.index(name) for name in NEEDED)
    fields = len(names)
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw == ord("\n"))
    commas = np.searchsorted(np.flatnonzero(raw == ord(",")), ends)
    plain = b"-" not in data and max(at_step, at_layer) < at_experts
    if plain and np.array_equal(commas, (fields - 1) * np.arange(1, len(ends) + 1)):
        spaces = np.diff(np.searchsorted(np.flatnonzero(raw == ord(" ")), ends), prepend=0)
        flat = numbers(data.replace(b"\n", b",").replace(b" ", b","), b"-1")
        if flat is not None and len(flat) == len(ends) * fields + spaces.sum() and whole(flat):
            values = flat.astype(np.int64)
            begin = np.cumsum(spaces + fields) - (spaces + fields)
            where = np.repeat(begin + at_experts, spaces + 1)
            where += np.arange(len(where)) - np.repeat(np.cumsum(spaces + 1) - (spaces + 1), spaces + 1)
            step, layer, member, count = values[begin + at_step], values[begin + at_layer], values[where], spaces + 1
            if (step >= 0).all() and (layer >= 0).all():
                empty = (count == 1) & (values[begin + at_experts] == -1)
                if (member < 0).sum() == empty.sum():
                    return step, layer, np.where(empty, 0, count), member[member >= 0]
    steps: list[int] = []
    layers: list[int] = []
    counts: list[int] = []
    members: list[int] = []
    try:
        reader = csv.reader((row + "\n" for row in data.decode().split("\n")[:-1]), strict=True)
        for row in reader:
            where_ = f"{path} line {line + reader.line_num - 1}"
            if len(row) != fields:
                raise FormatError(f"{where_}: must have the {fields} fields {','.join(names)}; got {len(row)}")
            event = row[at_experts].split()
            if any("\n" in field for field in row):
                raise FormatError(f"{where_}: a field must not hold a line break")
            for name, field in [("scheduler_step", row[at_step]), ("layer", row[at_layer])] + [
                ("requested_experts", expert) for expert in event
            ]:
                if not _INTEGER.fullmatch(field) or int(field) > WIDEST:
                    raise FormatError(f"{where_}: '{name}' must hold integers in 0..{WIDEST}; got {field[:40]!r}")
            steps.append(int(row[at_step]))
            layers.append(int(row[at_layer]))
            counts.append(len(event))
            members.extend(int(expert) for expert in event)
    except csv.Error as error:
        raise FormatError(f"{path} line {line + len(steps)}: not a CSV row; {error}") from None
    return (
        np.array(steps, np.int64),
        np.array(layers, np.int64),
        np.array(counts, np.int64),
        np.array(members, np.int64),
    )


def manifest_of(path: Path) -> Path:
    """Return where the manifest of an event table is: ``toy.events.csv`` has ``toy.manifest.json`` beside it."""
    stem = path.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".events")
    return path.with_name(f"{stem}.manifest.json")


def _manifest(path: Path) -> tuple[int, int] | None:
    """Return layers and experts from the manifest beside the file, or None where there is none."""
    beside = manifest_of(path)
    if not os.path.lexists(beside):
        return None
    if not beside.is_file():  # a pipe, say: what it holds would be guessed
        raise FormatError(f"{beside}: is there, but not a regular file")
    with guarded(beside):
        if beside.stat().st_size > 1 << 24:
            raise FormatError(f"{beside}: longer than {1 << 24} bytes")
        made = parse_json(str(beside), beside.read_bytes())
    model = made.get("model") if isinstance(made, dict) else None
    sizes = [model.get(key) for key in ("num_layers", "num_experts_per_layer")] if isinstance(model, dict) else [None]
    if not all(isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= WIDEST for n in sizes):
        raise FormatError(
            f"{beside}: 'model' must hold num_layers and num_experts_per_layer, each at least 1; got {sizes}"
        )
    return sizes[0], sizes[1]  # type: ignore[return-value]


def write(trace: Trace, stream: IO[bytes]) -> None:
    stream.write(b"event_index,scheduler_step,layer,requested_experts\n")
    step = max(1, (1 << 18) // (trace.layers * trace.top_k))
    event = 0
    for at in range(0, trace.rounds, step):
        lines = []
        for r, row in enumerate(trace.experts[at : at + step].tolist(), at):
            for j, members in enumerate(row):
                lines.append(f"{event},{r},{j},{' '.join([str(e) for e in members if e >= 0])}\n")
                event += 1
        stream.write("".join(lines).encode())


def _refuse(trace: Trace, path: Path) -> str | None:
    if len(trace.sessions) > 1:
        return "sessions have no place in it"
    if (trace.stage != DECODE).any():
        return "stages have no place in it, and every event is read as decode"
    for name in ("expert_bytes", "weights", "meta"):
        value = getattr(trace, name)
        if value is not None and len(value):
            return f"{name} has no place in it"
    widths = _manifest(path)
    layers, experts = widths or (trace.layers, int(trace.experts.max()) + 1)
    if layers != trace.layers or set(trace.n_experts) != {experts}:
        source = "the largest id + 1" if widths is None else manifest_of(path).name
        said = f"{layers} layers of {experts} experts"
        return f"it states no sizes, so {said} would be read from {source}; a manifest beside it must say otherwise"
    step = max(1, (1 << 22) // (trace.layers * trace.top_k))
    full = False
    for at in range(0, trace.rounds, step):
        present = trace.experts[at : at + step] >= 0
        if (present[:, :, 1:] & ~present[:, :, :-1]).any():
            return "missing entries must come last in their event"
        full = full or bool(present[:, :, -1].any())
    return None if full else f"it states no top_k, and no event has all {trace.top_k} members"


@register("format", "events_csv")
class EventsCsv(Format):
    """Event tables: one row an event, its experts between spaces."""

    suffixes = (".events.csv",)
    rank = 8

    def sniff(self, start: Start) -> bool:
        """Look for the column of requested experts."""
        return "requested_experts" in [name.strip() for name in start.line.split(",")]

    def read(self, path: Path, how: Reading) -> Trace:
        """Read rows, and the sizes from the manifest beside the file."""
        return read(path)

    def refuse(self, trace: Trace, path: Path) -> str | None:
        """Refuse what rows have no place for."""
        return _refuse(trace, path)

    def write(self, trace: Trace, stream: IO[bytes]) -> None:
        """Write one row an event."""
        write(trace, stream)
