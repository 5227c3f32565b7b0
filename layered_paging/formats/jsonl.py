"""JSON Lines (``.jsonl``): a header, then one round a line; read and written in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.instance import integer
from ..core.parts import LongTrace, Part
from ..core.registry import register
from ..core.trace import DECODE, PREFILL, Trace
from ..errors import FormatError, LayeredPagingError
from .base import Format, Reading
from .common import BLOCK, WIDEST, afford, build, checked_head, guarded, id_dtype, parse_json, repeated
from .jsonl_writing import FLOATS, MAGIC, refuse, write, write_gz
from .opening import Start, text

__all__ = ["MAGIC", "Chunk", "Header", "chunks", "open_long"]

_HEADER_KEYS = ("format", "version", "layers", "n_experts", "top_k", "rounds", "expert_bytes", "weights", "meta")
_ROUND_KEYS = ("experts", "weights", "stage", "session")
# names that other writers give to an entry of ours: read past, they would change the meaning
_ALIASES = {
    "stage": ("phase", "is_prefill", "prefill"),
    "session": ("request", "request_id", "req_id", "rid", "turn", "conversation", "sequence", "seq_id"),
    "weights": ("gates", "gate", "scores", "probabilities"),
}


@dataclass(frozen=True)
class Header:
    """First line of the file: sizes, and what the lines below hold."""

    layers: int
    n_experts: tuple[int, ...]
    top_k: int
    rounds: int | None
    expert_bytes: Any
    weights: str | None
    meta: dict[str, Any]
    names: list[str] = field(default_factory=list)  # of the sessions read so far, where they have names
    not_read: dict[str, None] = field(default_factory=dict)  # unknown entries met so far


class Chunk(NamedTuple):
    """Some rounds in a row: ids and weights (rounds, layers, top_k), stages, sessions, and the first line's number."""

    experts: npt.NDArray[np.signedinteger[Any]]
    weights: npt.NDArray[np.floating[Any]] | None
    stage: npt.NDArray[np.int8]
    session: npt.NDArray[np.int64]
    line: int


def chunks(path: str | Path, rounds: int | None = None) -> Generator[Header | Chunk, None, None]:
    """Yield the header, then the rounds in chunks, checked, in bounded memory.

    Parameters
    ----------
    path : path
        A JSON Lines trace, possibly gzipped.
    rounds : int, optional
        Rounds of a chunk; default: about a quarter of a million ids.

    Raises
    ------
    FormatError
        A line breaks the format; the message says which and how.
    """
    file = Path(path)
    with guarded(file), text(file) as stream:
        header = _header(file, stream.readline(BLOCK))
        yield header
        size = header.layers * header.top_k
        afford(file, f"a round of {header.layers} layers x top_k {header.top_k}", size * 16)
        step = max(1, min(1 << 16, (1 << 18) // size)) if rounds is None else integer("rounds", rounds, 1)
        longest = 4096 + 64 * size
        line, seen = 2, 0
        blank: int | None = None
        sessions = _Sessions(header.names)
        while True:
            lines = list(islice(iter(lambda: stream.readline(longest), b""), step))
            if not lines:
                break
            for at, data in enumerate(lines):
                if len(data) >= longest:
                    raise FormatError(f"{file} line {line + at}: longer than {longest} bytes, too long for a round")
            after = line + len(lines)
            while lines and not lines[-1].strip():  # blank lines at the end are none
                lines.pop()
            if lines and blank is not None:
                raise FormatError(f"{file} line {blank}: must not be blank; rounds follow")
            if blank is None and line + len(lines) < after:
                blank = line + len(lines)
            if lines:
                seen += len(lines)
                yield _chunk(file, header, lines, line, sessions)
            line = after
    if header.rounds is not None and seen != header.rounds:
        raise FormatError(
            f"{file}: must hold the {header.rounds} rounds that line 1 states; the file ends after {seen}"
        )
    if not seen:
        raise FormatError(f"{file}: must hold at least one round; there is only the header")


def read(path: Path, how: Reading) -> Trace:
    stream = chunks(path)
    header = next(stream)
    assert isinstance(header, Header)
    parts: list[Chunk] = []
    held = 0
    for chunk in stream:
        assert isinstance(chunk, Chunk)
        held += chunk.experts.nbytes + (0 if chunk.weights is None else chunk.weights.nbytes)
        afford(path, "the trace", 2 * held)
        parts.append(chunk)
    meta = dict(header.meta)
    if header.names:
        meta["session_names" if "items" in meta else "items"] = [{"name": name} for name in header.names]
    if header.not_read:
        meta["not_read"] = list(header.not_read)
        for what in header.not_read:
            how.assume(what, "read past", "no entry of this format")
    session = np.concatenate([part.session for part in parts])
    weights = None
    if header.weights is not None:
        weights = np.concatenate([part.weights for part in parts if part.weights is not None])
    return build(
        path,
        np.concatenate([part.experts for part in parts]),
        header.n_experts,
        np.concatenate(([0], np.flatnonzero(np.diff(session)) + 1)),
        np.concatenate([part.stage for part in parts]),
        header.expert_bytes,
        meta,
        weights,
    )


def open_long(path: Path) -> LongTrace:
    """Return the trace in parts; what lies before the first round asked for is read all the same."""
    stream = chunks(path)
    header = next(stream)
    stream.close()
    assert isinstance(header, Header)
    head = checked_head(path, header.layers, header.n_experts, header.expert_bytes)

    def read(begin: int, end: int | None) -> Iterator[Part]:
        row = 0
        for chunk in chunks(path):
            if isinstance(chunk, Chunk):
                rows = slice(max(0, begin - row), None if end is None else max(0, end - row))
                row += len(chunk.session)
                if row > begin:
                    yield Part(chunk.experts[rows], chunk.stage[rows], chunk.session[rows])
                if end is not None and row >= end:
                    return

    def starts() -> npt.NDArray[np.int64]:
        found, row, before = [], 0, -1
        for part in read(0, None):
            found.append(np.flatnonzero(np.diff(part.session, prepend=before)) + row)
            row, before = row + len(part.session), int(part.session[-1])
        return np.concatenate(found)

    return LongTrace(str(path), header.layers, header.top_k, *head, header.rounds, read, starts)


def _header(path: Path, line: bytes) -> Header:
    where = f"{path} line 1"
    if len(line) >= BLOCK:
        raise FormatError(f"{where}: longer than {BLOCK} bytes")
    made = parse_json(where, line.removeprefix(b"\xef\xbb\xbf"))
    if not isinstance(made, dict) or made.get("format") != MAGIC:
        raise FormatError(f'{where}: must be an object with "format": "{MAGIC}"; got {_short(made)}')
    if made.get("version") != 1 or made["version"] is True:
        raise FormatError(f"{where}: 'version' must be 1; got {_short(made.get('version'))}")
    for key in made:
        if key not in _HEADER_KEYS:
            raise FormatError(
                f"{where}: unknown entry {key!r}; known are {', '.join(_HEADER_KEYS)} (meta takes what is yours)"
            )
    try:
        layers = integer("'layers'", made.get("layers"), 1)
        top_k = integer("'top_k'", made.get("top_k"), 1)
        rounds = None if made.get("rounds") is None else integer("'rounds'", made["rounds"], 1)
        widths = made.get("n_experts")
        each = widths if isinstance(widths, list) else [widths]
        given = [integer("'n_experts'", n, 1) for n in each]
    except LayeredPagingError as error:
        raise FormatError(f"{where}: {str(error)[:200]}") from None
    if isinstance(widths, list) and len(widths) != layers:
        raise FormatError(
            f"{where}: 'n_experts' must be one int, or one for each of {layers} layers; got {len(widths)}"
        )
    if max(given) > WIDEST:
        raise FormatError(f"{where}: 'n_experts' must be at most {WIDEST}; got {_short(widths)}")
    afford(path, f"{layers} layers", 64 * layers)
    if made.get("weights") not in (None, *FLOATS):
        raise FormatError(
            f"{where}: 'weights' must be null or one of {', '.join(FLOATS)}; got {_short(made['weights'])}"
        )
    sizes = made.get("expert_bytes")
    for size in sizes if isinstance(sizes, list) else [] if sizes is None else [sizes]:
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < 1 << 63:
            raise FormatError(f"{where}: 'expert_bytes' must be integers of at least 1; got {_short(size)}")
    meta = {} if made.get("meta") is None else made["meta"]
    if not isinstance(meta, dict):
        raise FormatError(f"{where}: 'meta' must be an object; got {_short(meta)}")
    widest = tuple(given) if isinstance(widths, list) else (given[0],) * layers
    return Header(layers, widest, top_k, rounds, sizes, made.get("weights"), meta)


def _short(value: Any) -> str:
    said = json.dumps(value)
    return said if len(said) <= 60 else f"{said[:57]}..."


class _Sessions:
    """The sessions of the lines so far: numbers from 0, or names; each in one piece."""

    def __init__(self, names: list[str]) -> None:
        self.number = -1
        self.names = names
        self.known: set[str] = set()

    def take(self, where: str, made: dict[str, Any]) -> int:
        """Return the number of a line's session, or say what is wrong with it."""
        given = made.get("session", self.names[-1] if self.names else max(0, self.number))
        if not isinstance(given, str) and (not isinstance(given, int) or isinstance(given, bool) or given < 0):
            raise FormatError(f"{where}: {_SESSIONS}; got {_short(given)} after {max(0, self.number)}")
        if self.number >= 0 and isinstance(given, str) != bool(self.names):
            raise FormatError(
                f"{where}: 'session' must be a name in every line or a number in every line; got {given!r}"
            )
        if isinstance(given, str):
            if not self.names or given != self.names[-1]:
                if given in self.known:
                    raise FormatError(_interleaved(where, given, self.names[-1]))
                self.known.add(given)
                self.names.append(given)
                self.number += 1
        else:
            if given < self.number:
                raise FormatError(_interleaved(where, given, self.number))
            if given > self.number + 1:
                raise FormatError(f"{where}: {_SESSIONS}; got {given} after {max(0, self.number)}")
            self.number = given
        return self.number


_SESSIONS = "'session' must start with 0 and stay or rise by 1, or be a name"


def _interleaved(where: str, given: object, after: object) -> str:
    return (
        f"{where}: session {given!r} comes back after {after!r}, so rounds of several requests are interleaved; sort the "
        "lines by session to replay each request alone, or write one line a step with the union of its batch"
    )


def _entries(where: str, header: Header, made: dict[str, Any]) -> None:
    """Read past entries that are none of ours, but refuse those that look like one of ours."""
    for key in made:
        if key in _ROUND_KEYS:
            continue
        near = [ours for ours, names in _ALIASES.items() if key.lower() in names and ours not in made]
        if not near and key not in header.not_read:
            near = get_close_matches(key.lower(), _ROUND_KEYS, 1, 0.8)
        if near:
            raise FormatError(
                f"{where}: unknown entry {key!r}, which may stand for {near[0]!r}; known are {', '.join(_ROUND_KEYS)}"
            )
        if len(header.not_read) < 100:
            header.not_read[key] = None


def _chunk(path: Path, header: Header, lines: list[bytes], line: int, sessions: _Sessions) -> Chunk:
    objects = [parse_json(f"{path} line {line + at}", data) for at, data in enumerate(lines)]
    shape = (len(lines), header.layers, header.top_k)
    for at, made in enumerate(objects):
        if not isinstance(made, dict) or "experts" not in made:
            raise FormatError(f"{path} line {line + at}: must be an object with 'experts'; got {_short(made)}")
        _entries(f"{path} line {line + at}", header, made)
    words = any(b"true" in data or b"false" in data for data in lines)  # NumPy would take them for 1 and 0
    rows = [made["experts"] for made in objects]
    ids = _quick(rows, shape, "i", words)
    limit = np.asarray(header.n_experts)[:, None]
    full = ids is not None
    if ids is None:
        ids = _ragged(rows, shape, words)
    if ids is None or (ids >= limit).any() or (ids < -1).any():
        padded = [_round(f"{path} line {line + at}", header, made["experts"]) for at, made in enumerate(objects)]
        ids = np.array(padded, np.int64).reshape(shape)
    ids = ids.astype(id_dtype(max(header.n_experts)))
    twice = repeated(ids)
    if twice is not None:
        event = [e for e in ids[twice].tolist() if e >= 0]
        raise FormatError(f"{path} line {line + twice[0]}: 'experts' must be distinct; got {event}")
    weights = None
    for at, made in enumerate(objects):
        if ("weights" in made) != (header.weights is not None):
            rule = "have" if header.weights is not None else "not have"
            raise FormatError(
                f"{path} line {line + at}: must {rule} 'weights', as line 1 says; entries are {list(made)}"
            )
    if header.weights is not None:
        values = _quick([made["weights"] for made in objects], shape, "fi", words) if full else None
        if values is None:
            gates = [
                _gates(f"{path} line {line + at}", header, made["experts"], made["weights"])
                for at, made in enumerate(objects)
            ]
            values = np.array(gates, np.float64).reshape(shape)
        with np.errstate(over="ignore"):
            weights = values.astype(header.weights)
        wrong = ~np.isfinite(weights) & (ids >= 0)
        if wrong.any():
            at, j, q = (int(x) for x in np.argwhere(wrong)[0])
            raise FormatError(
                f"{path} line {line + at}: 'weights' of layer {j} must be finite {header.weights} where an expert is; "
                f"got {values[at, j, q]} at rank {q}"
            )
    stage, number = [], []
    for at, made in enumerate(objects):
        where, g = f"{path} line {line + at}", made.get("stage", DECODE)
        if g not in (PREFILL, DECODE) or not isinstance(g, int) or isinstance(g, bool):
            raise FormatError(f"{where}: 'stage' must be 0 (prefill) or 1 (decode); got {_short(g)}")
        stage.append(g)
        number.append(sessions.take(where, made))
    return Chunk(ids, weights, np.array(stage, np.int8), np.array(number, np.int64), line)


def _quick(rows: list[Any], shape: tuple[int, int, int], kinds: str, words: bool) -> npt.NDArray[Any] | None:
    """Make an array at once where every list has its full length, else return None."""
    if words:
        return None
    try:
        array = np.array(rows)
    except (ValueError, OverflowError):
        return None
    if array.ndim == 2 and shape[2] == 1:
        array = array[:, :, None]
    if array.shape != shape or array.dtype.kind not in kinds:
        return None
    return array


def _ragged(rows: list[Any], shape: tuple[int, int, int], words: bool) -> npt.NDArray[Any] | None:
    """Make an array of ids at once where lists are short, filled up with -1, or return None where anything is odd."""
    if words or any(type(row) is not list or len(row) != shape[1] for row in rows):
        return None
    events = [event if type(event) is list else [event] for row in rows for event in row]
    lengths = np.fromiter(map(len, events), np.int64, len(events))
    if lengths.max() > shape[2]:
        return None
    members = list(chain.from_iterable(events))
    try:
        flat = np.array(members, dtype=None if members else np.int64)
    except (ValueError, OverflowError):
        return None
    if flat.ndim != 1 or flat.dtype.kind != "i":
        return None
    ids = np.full((len(events), shape[2]), -1, np.int64)
    ids[np.arange(shape[2]) < lengths[:, None]] = flat
    return ids.reshape(shape)


def _listed(where: str, name: str, header: Header, value: Any) -> list[list[Any]]:
    if not isinstance(value, list) or len(value) != header.layers:
        got = f"{len(value)} of them" if isinstance(value, list) else _short(value)
        raise FormatError(f"{where}: '{name}' must be a list of {header.layers} layers; got {got}")
    events = [event if isinstance(event, list) else [event] for event in value]
    for j, event in enumerate(events):
        if len(event) > header.top_k:
            raise FormatError(
                f"{where}: '{name}' of layer {j} must have at most top_k = {header.top_k} entries; got {len(event)}"
            )
    return events


def _round(where: str, header: Header, value: Any) -> list[list[int]]:
    """Return one round's ids padded to top_k, or say what is wrong with them."""
    events = _listed(where, "experts", header, value)
    for j, event in enumerate(events):
        for expert in event:
            if not isinstance(expert, int) or isinstance(expert, bool) or not -1 <= expert < header.n_experts[j]:
                raise FormatError(
                    f"{where}: 'experts' of layer {j} must be integers in 0..{header.n_experts[j] - 1}, or -1 for none; "
                    f"got {_short(expert)}"
                )
    return [event + [-1] * (header.top_k - len(event)) for event in events]


def _gates(where: str, header: Header, experts: Any, value: Any) -> list[list[float]]:
    """Return one round's weights padded to top_k; null stands for NaN."""
    events = _listed(where, "weights", header, value)
    padded = []
    for j, (event, ids) in enumerate(zip(events, _listed(where, "experts", header, experts), strict=True)):
        if len(event) != len(ids):
            raise FormatError(
                f"{where}: 'weights' of layer {j} must be one for each entry of 'experts'; got {len(event)} for {len(ids)}"
            )
        row = []
        for weight in event:
            if weight is not None and (isinstance(weight, bool) or not isinstance(weight, (int, float))):
                raise FormatError(f"{where}: 'weights' of layer {j} must be numbers or null; got {_short(weight)}")
            try:
                row.append(float("nan") if weight is None else float(weight))
            except OverflowError:
                raise FormatError(f"{where}: 'weights' of layer {j} must be finite; got {_short(weight)}") from None
        padded.append(row + [0.0] * (header.top_k - len(row)))
    return padded


@register("format", "jsonl")
class JsonLines(Format):
    """JSON Lines: a header, then one round a line."""

    suffixes = (".jsonl",)
    rank = 7

    def sniff(self, start: Start) -> bool:
        """Look for our own name in the first line."""
        return start.data.lstrip().startswith(b"{") and f'"{MAGIC}"' in start.line[:4096]

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all rounds."""
        return read(path, how)

    def open(self, path: Path, how: Reading) -> LongTrace:
        """Read rounds in chunks."""
        return open_long(path)

    def refuse(self, trace: Trace, path: Path) -> str | None:
        """Refuse what JSON cannot hold."""
        return refuse(trace, path)

    def write(self, trace: Trace, stream: IO[bytes]) -> None:
        """Write the header and one line a round."""
        write(trace, stream)


@register("format", "jsonl.gz")
class JsonLinesGz(JsonLines):
    """JSON Lines, gzipped."""

    suffixes = (".jsonl.gz",)

    def sniff(self, start: Start) -> bool:
        """Leave recognition to ``jsonl``, which reads packed files as well."""
        return False

    def write(self, trace: Trace, stream: IO[bytes]) -> None:
        """Write the header and one line a round, gzipped."""
        write_gz(trace, stream)
