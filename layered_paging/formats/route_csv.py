"""Route traces, version 1 (``.route.csv``): comments with the model's sizes, then one row an expert request.

Columns are found by their names, so that columns that a later writer adds do no harm.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .common import WIDEST, afford, blocks, build, guarded, id_dtype, numbers, parse_json, repeated, whole
from .opening import Start, text

__all__ = ["RouteCsv"]

MAGIC = "# route_trace v1"
NEEDED = ("turn", "phase", "step", "layer", "slot", "expert")
COLUMNS = ("turn", "phase", "step", "layer", "slot", "expert", "weight", "residency", "expert_bytes")
_MODEL = re.compile(r"# model=(.*) arch=(\S*) n_layer=(\d{1,9}) n_expert=(\d{1,9}) n_expert_used=(\d{1,9})\s*")
_LAYER = re.compile(r"# layer=(\d{1,9})(?: expert_bytes=(\d{1,18}))?(?: dense_bytes=(\d{1,18}))?\s*")
_FIELD = re.compile(rb"\s*-?\d{1,18}\s*")
_SIZE = re.compile(rb"\d{1,18}(?:\.0*)?")
_NAN = re.compile(rb"-?nan(?:\((?:ind|snan)\))?")  # as printf writes it, on Windows with its kind
_ROW, _WEIGHED = "%d,%d,%d,%d,%d,%d,,0,0\n", "%d,%d,%d,%d,%d,%d,%.9g,0,0\n"
_LONGEST = 1 << 20  # comment lines


def read(path: Path, how: Reading | None = None) -> Trace:
    how = how or Reading()
    with guarded(path), text(path) as stream:
        head, meta, sizes, line, columns = _header(path, stream)
        for name in [name for name in columns if name not in COLUMNS][:100]:
            how.assume(f"column {name}", "read past", "no column of this format")
        parts = []
        blank = None
        for number, data in blocks(stream, path, line):
            kept = data.rstrip()  # blank lines at the end are none
            if kept and blank is not None:
                raise FormatError(f"{path} line {blank}: must not be blank; rows follow")
            if blank is None and data.count(b"\n", len(kept)) > (1 if kept else 0):
                blank = number + (kept.count(b"\n") + 1 if kept else 0)
            if not kept:
                continue
            parts.append(_rows(path, number, kept + b"\n", columns))
            afford(path, "the rows", 2 * sum(one.nbytes for part in parts for one in part))
    if not parts:
        raise FormatError(f"{path}: must hold at least one request; there is only the header")
    turn, phase, step, layer, slot, expert = (np.concatenate([p[0][:, c] for p in parts]) for c in range(6))
    weight, said = (np.concatenate([p[c] for p in parts]) for c in (1, 2))
    layers, experts, used = head
    limits = ((turn, WIDEST), (phase, 2), (step, WIDEST), (layer, layers), (slot, used), (expert, experts))
    for name, (column, limit) in zip(NEEDED, limits, strict=True):
        wrong = np.flatnonzero((column < 0) | (column >= limit))
        if wrong.size:
            at = int(wrong[0])
            raise FormatError(f"{path} line {line + at}: '{name}' must be in 0..{limit - 1}; got {column[at]}")
    keys, round_of = np.unique(turn.astype(np.int64) << 32 | step, return_inverse=True)
    rounds = len(keys)
    afford(path, f"{rounds} rounds of {layers} layers x {used} experts", rounds * layers * used * 20)
    stage = np.empty(rounds, np.int8)
    stage[round_of] = phase
    mixed = np.flatnonzero(stage[round_of] != phase)
    if mixed.size:
        at = int(mixed[0])
        raise FormatError(f"{path} line {line + at}: 'phase' must be one for each turn and step; got 0 and 1")
    place = (round_of * layers + layer) * used + slot
    owner = np.full(rounds * layers * used, -1, np.int64)
    owner[place] = np.arange(len(place))
    twice = np.flatnonzero(owner[place] != np.arange(len(place)))
    if twice.size:
        at = int(twice[0])
        raise FormatError(
            f"{path} line {line + int(owner[place[at]])}: turn, step, layer and slot must differ; "
            f"line {line + at} has the same"
        )
    ids = np.full((rounds, layers, used), -1, id_dtype(experts))
    ids.reshape(-1)[place] = expert
    again = repeated(ids)
    if again is not None:
        rows = np.flatnonzero((round_of == again[0]) & (layer == again[1]))
        raise FormatError(
            f"{path} line {line + int(rows[-1])}: the experts of an event must be distinct; got {expert[rows].tolist()}"
        )
    weights = _gates(path, line, weight, ids, place, meta)
    if weights is None and np.isinf(weight).any() and not np.isinf(weight).all():
        how.assume("weights", "left out", "some rows say nan")
    _tell_bytes(how, line, said, layer, sizes)
    sessions = np.flatnonzero(np.diff(keys >> 32, prepend=-1))
    return build(path, ids, experts, sessions, stage, _sizes(path, sizes, layer), meta, weights)


def _gates(
    path: Path,
    line: int,
    weight: npt.NDArray[np.float64],
    ids: npt.NDArray[Any],
    place: npt.NDArray[np.int64],
    meta: dict[str, Any],
) -> npt.NDArray[np.float32] | None:
    """Return the weights in the shape of the ids, or None where rows lack theirs (infinity stands for 'nan')."""
    unknown = np.isinf(weight)  # the writer prints nan where its graph exposes no weight
    empty = np.isnan(weight)
    if empty.all() or unknown.all():
        return None
    if empty.any():
        at = int(np.flatnonzero(empty)[0])
        raise FormatError(f"{path} line {line + at}: 'weight' must be a number in every row or in none; it is empty")
    if unknown.any():
        meta["not_read"] = [*meta.get("not_read", []), f"weight ('nan' in {unknown.sum()} of {len(weight)} rows)"]
        return None
    wrong = np.flatnonzero(np.abs(weight) > np.finfo(np.float32).max)
    if wrong.size:
        at = int(wrong[0])
        raise FormatError(f"{path} line {line + at}: 'weight' must be a finite float32; got {weight[at]}")
    weights = np.zeros(ids.shape, np.float32)
    weights.reshape(-1)[place] = weight
    return weights


def _tell_bytes(
    how: Reading, line: int, said: npt.NDArray[np.float64], layer: npt.NDArray[np.int32], sizes: list[int] | None
) -> None:
    """Tell where rows say other bytes than the header does; 0 in a row says that it does not know them."""
    known = np.zeros(int(layer.max()) + 1) if sizes is None else np.array(sizes, np.float64)
    other = np.flatnonzero((said != 0) & (said != known[layer]))
    if other.size:
        at = int(other[0])
        header = "says none" if sizes is None else f"says {sizes[layer[at]]}"
        how.assume(
            "expert_bytes",
            "left out" if sizes is None or not any(sizes) else "those of the header",
            f"rows that say others: {other.size}; line {line + at} says {said[at]:.0f} for layer {layer[at]}, the header {header}",
        )


def _sizes(path: Path, sizes: list[int] | None, layer: npt.NDArray[np.int32]) -> list[int] | None:
    """Return the bytes of each layer's experts; 0 is right where a layer has none, and no page of it is asked for."""
    if sizes is None or not any(sizes):
        return None  # sizes of 0 for all say that the writer did not know them
    asked = np.bincount(layer, minlength=len(sizes)) > 0
    wrong = [j for j, size in enumerate(sizes) if size == 0 and asked[j]]
    if wrong:
        raise FormatError(
            f"{path}: 'expert_bytes' of layer {wrong[0]} must be at least 1, since it has requests; got 0"
        )
    least = min(size for size in sizes if size)
    return [size or least for size in sizes]


def _header(
    path: Path, stream: IO[bytes]
) -> tuple[tuple[int, int, int], dict[str, Any], list[int] | None, int, list[str]]:
    """Read the comments and the names of the columns; return sizes, meta, bytes, the next line's number, the names."""
    sizes: dict[int, int] = {}
    dense: dict[int, int] = {}
    meta: dict[str, Any] = {}
    head: tuple[int, int, int] | None = None
    line = 0
    while True:
        line += 1
        data = stream.readline(_LONGEST)
        if len(data) >= _LONGEST:
            raise FormatError(f"{path} line {line}: longer than {_LONGEST} bytes")
        row = data.removeprefix(b"\xef\xbb\xbf").decode().rstrip("\r\n")
        if not row.startswith("#"):
            break
        if row.startswith("# model="):
            match = _MODEL.fullmatch(row)
            if match is None or head is not None:
                raise FormatError(
                    f"{path} line {line}: must be '# model=... arch=... n_layer=... n_expert=... n_expert_used=...', once"
                )
            head = (int(match[3]), int(match[4]), int(match[5]))
            if match[1] or match[2]:
                meta |= {"model": match[1], "arch": match[2]}
        elif row.startswith("# layer="):
            match = _LAYER.fullmatch(row)
            if match is None or int(match[1]) in sizes or int(match[1]) in dense:
                raise FormatError(f"{path} line {line}: must be '# layer=J expert_bytes=B dense_bytes=B', once a layer")
            if match[2] is not None:
                sizes[int(match[1])] = int(match[2])
            if match[3] is not None:
                dense[int(match[1])] = int(match[3])
        elif row.startswith("# meta="):
            extra = parse_json(f"{path} line {line}", row.removeprefix("# meta="))
            if not isinstance(extra, dict):
                raise FormatError(f"{path} line {line}: 'meta' must be a JSON object; got {type(extra).__name__}")
            meta = {**meta, **extra}
    columns = [name.strip() for name in row.split(",")]
    if len(set(columns)) != len(columns) or not set(NEEDED) <= set(columns):
        raise FormatError(f"{path} line {line}: must name the columns {','.join(NEEDED)}, each once; got {row[:100]!r}")
    new = [name for name in columns if name not in COLUMNS]
    if new:
        meta["not_read"] = [f"column {name}" for name in new[:100]]
    if head is None or min(head) < 1:
        raise FormatError(f"{path}: must say '# model=...' with n_layer, n_expert and n_expert_used of at least 1")
    for name, found in (("expert_bytes", sizes), ("dense_bytes", dense)):
        if found and sorted(found) != list(range(head[0])):
            raise FormatError(f"{path}: '{name}' must be given for each of {head[0]} layers or none; got {len(found)}")
    if dense:
        meta["dense_bytes"] = [dense[j] for j in range(head[0])]
    return head, meta, [sizes[j] for j in range(head[0])] if sizes else None, line + 1, columns


def _rows(
    path: Path, line: int, data: bytes, columns: list[str]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Parse rows in bulk, or one by one if they are not plain; return the columns needed, the weights and the bytes.

    Bytes are 0 where a row says none.  A weight is NaN where the field is empty, and infinity where it says 'nan'.
    """
    at_needed = [columns.index(name) for name in NEEDED]
    at_weight, at_bytes = (columns.index(name) if name in columns else None for name in ("weight", "expert_bytes"))
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw == ord("\n"))
    commas = np.searchsorted(np.flatnonzero(raw == ord(",")), ends)
    if np.array_equal(commas, (len(columns) - 1) * np.arange(1, len(ends) + 1)):
        flat = numbers(data.replace(b"\n", b","), b"nan")
        if flat is not None and len(flat) == len(ends) * len(columns):
            table = flat.reshape(-1, len(columns))
            weight = np.full(len(table), np.nan) if at_weight is None else table[:, at_weight].copy()
            size = np.zeros(len(table)) if at_bytes is None else np.nan_to_num(table[:, at_bytes])
            plain = ((size >= 0) & (size < 1e18) & (size == np.floor(size))).all() and not np.isinf(weight).any()
            if plain and whole(table[:, at_needed]):
                return table[:, at_needed].astype(np.int32), weight, size
    rows, weights, sizes = [], [], []
    for at, row in enumerate(data.split(b"\n")[:-1]):
        where = f"{path} line {line + at}"
        fields = row.split(b",")
        if len(fields) != len(columns):
            raise FormatError(f"{where}: must have the {len(columns)} fields {','.join(columns)}; got {len(fields)}")
        needed = [fields[place] for place in at_needed]
        for name, field in zip(NEEDED, needed, strict=True):
            if not _FIELD.fullmatch(field) or abs(int(field)) > WIDEST:
                raise FormatError(f"{where}: '{name}' must be an integer of at most {WIDEST}; got {_said(field)}")
        rows.append([int(field) for field in needed])
        weights.append(_weight(where, b"" if at_weight is None else fields[at_weight].strip()))
        field = b"" if at_bytes is None else fields[at_bytes].strip()
        if field and not _SIZE.fullmatch(field):
            raise FormatError(f"{where}: 'expert_bytes' must be an integer of at least 0; got {_said(field)}")
        sizes.append(float(field or 0))
    return np.array(rows, np.int32).reshape(-1, 6), np.array(weights, np.float64), np.array(sizes, np.float64)


def _weight(where: str, field: bytes) -> float:
    if not field:
        return float("nan")
    if _NAN.fullmatch(field.lower()):
        return float("inf")
    try:
        weight = float(field)
    except ValueError:
        weight = float("inf")
    if not np.isfinite(weight):
        raise FormatError(f"{where}: 'weight' must be a finite number, or nan for none; got {_said(field)}")
    return weight


def _said(field: bytes) -> str:
    return repr(field[:40].decode(errors="backslashreplace"))


def write(trace: Trace, stream: IO[bytes]) -> None:
    meta = dict(trace.meta)
    named = _named(meta)
    model, arch = (meta.pop("model"), meta.pop("arch")) if named else ("", "")
    dense = meta.pop("dense_bytes") if _dense(meta, trace.layers) else None
    lines = [
        MAGIC,
        f"# model={model} arch={arch} n_layer={trace.layers} n_expert={trace.n_experts[0]} n_expert_used={trace.top_k}",
    ]
    for layer in range(trace.layers):
        size = "" if trace.expert_bytes is None else f" expert_bytes={trace.expert_bytes[layer]}"
        rest = "" if dense is None else f" dense_bytes={dense[layer]}"
        if size or rest:
            lines.append(f"# layer={layer}{size}{rest}")
    if meta:
        lines.append(f"# meta={json.dumps(meta, allow_nan=False)}")
    lines.append(",".join(COLUMNS))
    stream.write("".join(f"{line}\n" for line in lines).encode())
    turn = np.searchsorted(trace.sessions, np.arange(trace.rounds), side="right") - 1
    step = max(1, (1 << 18) // (trace.layers * trace.top_k))
    for at in range(0, trace.rounds, step):
        ids = trace.experts[at : at + step]
        at_round, j, q = np.nonzero(ids >= 0)
        columns: list[Any] = [
            turn[at + at_round],
            trace.stage[at + at_round],
            at + at_round,
            j,
            q,
            ids[at_round, j, q],
        ]
        rows = zip(*(column.tolist() for column in columns), strict=True)
        if trace.weights is None:
            text = "".join(_ROW % row for row in rows)
        else:
            gates = trace.weights[at : at + step][at_round, j, q].tolist()
            text = "".join(_WEIGHED % (*row, g) for row, g in zip(rows, gates, strict=True))
        stream.write(text.encode())


def _named(meta: dict[str, Any]) -> bool:
    """Say whether model and arch fit into the header as it is read."""
    model, arch = meta.get("model"), meta.get("arch")
    if not isinstance(model, str) or not isinstance(arch, str) or not (model or arch):
        return False
    line = f"# model={model} arch={arch} n_layer=1 n_expert=1 n_expert_used=1"
    match = _MODEL.fullmatch(line) if line.isprintable() else None
    return match is not None and (match[1], match[2]) == (model, arch)


def _dense(meta: dict[str, Any], layers: int) -> bool:
    dense = meta.get("dense_bytes")
    if not isinstance(dense, list) or len(dense) != layers:
        return False
    return all(isinstance(b, int) and not isinstance(b, bool) and 0 <= b < 10**18 for b in dense)


def _refuse(trace: Trace, path: Path) -> str | None:
    if len(set(trace.n_experts)) > 1:
        return "layers must have equally many experts"
    if trace.expert_bytes is not None and len(trace.expert_bytes) != trace.layers:
        return "expert_bytes must be one per layer; they are one per page"
    if trace.expert_bytes is not None and int(trace.expert_bytes.max()) >= 10**18:
        return "expert_bytes must be below 10^18"
    if len(json.dumps(trace.meta)) > _LONGEST // 2:
        return f"meta must be shorter than {_LONGEST // 2} characters"
    step = max(1, (1 << 22) // (trace.layers * trace.top_k))
    for at in range(0, trace.rounds, step):
        present = trace.experts[at : at + step] >= 0
        if not present.any(axis=(1, 2)).all():
            return "every round must hold a request, since a round without one leaves no row"
        if trace.weights is not None:
            part = trace.weights[at : at + step]
            if part.dtype != np.float32:
                return f"weights must be float32; they are {part.dtype}"
            if (part[~present] != 0).any():
                return "weights of missing entries must be 0, since they leave no row"
    return None


@register("format", "route_csv")
class RouteCsv(Format):
    """Route tables, version 1: comments with the model's sizes, then one row an expert request."""

    suffixes = (".route.csv",)
    rank = 9

    def sniff(self, start: Start) -> bool:
        """Look for the first comment or the names of the columns."""
        return start.data.startswith((MAGIC.encode(), ",".join(NEEDED).encode()))

    def read(self, path: Path, how: Reading) -> Trace:
        """Read comments and rows."""
        return read(path, how)

    def refuse(self, trace: Trace, path: Path) -> str | None:
        """Refuse what rows and comments have no place for."""
        return _refuse(trace, path)

    def write(self, trace: Trace, stream: IO[bytes]) -> None:
        """Write comments and rows."""
        write(trace, stream)
