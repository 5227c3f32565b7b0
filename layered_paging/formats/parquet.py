"""Parquet (``.parquet``): one row a round; needs pyarrow, the extra ``parquet``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.instance import integer
from ..core.parts import PART, LongTrace, Part
from ..core.registry import register
from ..core.trace import Trace
from ..core.words import install
from ..errors import FormatError, LayeredPagingError, ParameterError
from .base import Format, Reading
from .common import WIDEST, afford, brief, build, check_part, checked_head, guarded, id_dtype, meta_refused, parse_json
from .in_parts import in_parts
from .opening import Start, plain
from .parquet_table import KEY, ParquetRows, is_ours, read_table

__all__ = ["Parquet", "open_long", "write_long"]

_FLOATS = ("float16", "float32", "float64")


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise FormatError(f"parquet needs pyarrow; {install('parquet', 'pyarrow')}") from None
    return pyarrow, pyarrow.parquet


def read(path: Path, how: Reading) -> Trace:
    pyarrow, parquet = _pyarrow()
    with _plainly(path, pyarrow), plain(path) as whole:
        if not is_ours(whole, parquet):
            return read_table(whole, parquet, how)
        if how.given():
            raise ParameterError(
                f"{path} is our own Parquet, which takes none of the options for logs: {', '.join(how.given())}"
            )
        return _read(whole, parquet)


def _read(path: Path, parquet: Any) -> Trace:
    with path.open("rb") as stream:
        file, sizes = _opened(path, stream, parquet)
        rounds, gates = int(file.metadata.num_rows), "weights" in file.schema_arrow.names
        each = sizes.ids * (2 * np.dtype(sizes.dtype).itemsize + 16 * gates) + 16
        afford(path, f"{rounds} rounds of {sizes.layers} layers x top_k {sizes.top_k}", rounds * each)
        found = list(_batches(path, file, sizes, 0, rounds, gates))
    return build(
        path,
        np.concatenate([part.experts for part, _ in found]),
        sizes.n_experts,
        np.flatnonzero(np.diff(np.concatenate([part.session for part, _ in found]), prepend=-1)),
        np.concatenate([part.stage for part, _ in found]),
        sizes.expert_bytes,
        sizes.meta,
        np.concatenate([weights for _, weights in found if weights is not None]) if gates else None,
    )


def open_long(path: Path) -> LongTrace:
    """Return the trace in parts; row groups before the first round asked for are not read."""
    pyarrow, parquet = _pyarrow()

    def read(begin: int, end: int | None) -> Iterator[Part]:
        with _plainly(path, pyarrow), path.open("rb") as stream:
            file, sizes = _opened(path, stream, parquet)
            afford(path, f"a round of {sizes.layers} layers x top_k {sizes.top_k}", 16 * sizes.ids)
            last = int(file.metadata.num_rows) if end is None else end
            for part, _ in _batches(path, file, sizes, begin, last, False):
                check_part(path, part, sizes.limits, begin)
                begin += len(part.session)
                yield part

    def starts() -> npt.NDArray[np.int64]:
        with _plainly(path, pyarrow), path.open("rb") as stream:
            return np.concatenate(list(_session_starts(path, _opened(path, stream, parquet)[0])))

    with _plainly(path, pyarrow), path.open("rb") as stream:
        file, sizes = _opened(path, stream, parquet)
        rounds = int(file.metadata.num_rows)
        head = checked_head(path, sizes.layers, sizes.n_experts, sizes.expert_bytes)
    return LongTrace(str(path), sizes.layers, sizes.top_k, *head, rounds, read, starts)


@contextlib.contextmanager
def _plainly(path: Path, pyarrow: Any) -> Iterator[None]:
    with guarded(path):
        try:
            yield
        except (pyarrow.ArrowException, KeyError, TypeError) as error:
            raise FormatError(f"{path}: is cut short or damaged; {brief(error)}") from None


class _Sizes(NamedTuple):
    layers: int
    top_k: int
    n_experts: Any  # as the file has it: one int or a list
    widest: int
    expert_bytes: Any
    meta: Any

    @property
    def ids(self) -> int:
        return self.layers * self.top_k

    @property
    def dtype(self) -> type[np.int16] | type[np.int32]:
        return id_dtype(self.widest)

    @property
    def limits(self) -> npt.NDArray[np.int64]:
        return np.broadcast_to(np.asarray(self.n_experts, np.int64), (self.layers,))[:, None]


_ENTRIES = ("version", "layers", "n_experts", "top_k", "expert_bytes", "meta")


def _opened(path: Path, stream: IO[bytes], parquet: Any) -> tuple[Any, _Sizes]:
    file = parquet.ParquetFile(stream, page_checksum_verification=True)
    sizes = parse_json(f"{path}: metadata {KEY.decode()!r}", (file.metadata.metadata or {}).get(KEY, b"null"))
    if not isinstance(sizes, dict) or not {"layers", "n_experts", "top_k"} <= set(sizes):
        raise FormatError(f"{path}: must hold metadata {KEY.decode()!r} with layers, n_experts and top_k")
    unknown = [name for name in sizes if name not in _ENTRIES]
    if unknown or sizes.get("version", 1) != 1 or sizes.get("version") is True:
        what = f"'version' must be 1; got {sizes.get('version')!r}"[:200]
        if unknown:
            what = f"unknown entry {unknown[0][:60]!r}; known are {', '.join(_ENTRIES)} (meta takes what is yours)"
        raise FormatError(f"{path}: metadata {KEY.decode()!r}: {what}")
    try:
        layers, top_k = (integer(f"'{name}'", sizes[name], 1) for name in ("layers", "top_k"))
        given = sizes["n_experts"] if isinstance(sizes["n_experts"], list) else [sizes["n_experts"]]
        widest = max([integer("'n_experts'", n, 1) for n in given], default=1)
    except LayeredPagingError as error:
        raise FormatError(f"{path}: {str(error)[:200]}") from None
    if isinstance(sizes["n_experts"], list) and len(given) != layers:
        raise FormatError(f"{path}: n_experts must be one int, or one for each of {layers} layers; got {len(given)}")
    if widest > WIDEST:
        raise FormatError(f"{path}: n_experts must be at most {WIDEST}; got {widest}")
    columns = file.schema_arrow.names
    for name in ("experts", "stage", "session"):
        if columns.count(name) != 1:
            raise FormatError(f"{path}: must have one column {name!r}; found {', '.join(columns[:20])}")
    if file.metadata.num_rows == 0:
        raise FormatError(f"{path}: must hold at least one round; it has none")
    return file, _Sizes(layers, top_k, sizes["n_experts"], widest, sizes.get("expert_bytes"), sizes.get("meta"))


def _batches(
    path: Path, file: Any, sizes: _Sizes, begin: int, end: int, gates: bool
) -> Iterator[tuple[Part, npt.NDArray[Any] | None]]:
    """Yield the rows begin..end-1 with their weights, if there are ``gates``; sessions and the range of ids are checked."""
    size = sizes.ids
    columns = ["session", "stage", "experts"] + ["weights"] * gates
    counts = [file.metadata.row_group(g).num_rows for g in range(file.metadata.num_row_groups)]
    ends = np.cumsum(counts)
    groups = np.flatnonzero((ends > begin) & (ends - counts < end)).tolist()
    row = int(ends[groups[0]] - counts[groups[0]]) if groups else 0
    before = -1
    step = min(max(1, PART // size), 1 << 20)
    for batch in file.iter_batches(batch_size=step, row_groups=groups, columns=columns):
        session = _column(path, "session", batch.column("session"), None, row).astype(np.int64)
        jumps = np.diff(session, prepend=session[0] if row and before < 0 else max(before, 0))
        wrong = np.flatnonzero((jumps < 0) | (jumps > 1))
        if not row and session[0] != 0:
            wrong = np.zeros(1, np.int64)
        if wrong.size:
            raise FormatError(
                f"{path}: 'session' must start with 0 and stay or rise by 1; got {session[wrong[0]]} in row {row + wrong[0]}"
            )
        before = int(session[-1])
        ids = _column(path, "experts", batch.column("experts"), size, row)
        wrong = np.flatnonzero((ids < -1) | (ids >= sizes.widest))
        if wrong.size:
            raise FormatError(
                f"{path}: 'experts' must be in -1..{sizes.widest - 1}; got {ids[wrong[0]]} in row {row + wrong[0] // size}"
            )
        stage = _column(path, "stage", batch.column("stage"), None, row)
        weights = _column(path, "weights", batch.column("weights"), size, row) if gates else None
        rows = slice(max(0, begin - row), min(batch.num_rows, end - row))
        row += batch.num_rows
        if rows.start < rows.stop:
            shape = (-1, sizes.layers, sizes.top_k)
            experts: Any = ids.astype(sizes.dtype, copy=False).reshape(shape)
            part = Part(experts[rows], stage[rows], session[rows])
            yield part, None if weights is None else weights.reshape(shape)[rows]
    if end == file.metadata.num_rows and row != end:
        raise FormatError(f"{path}: is cut short or damaged; it states {end} rows and holds {row}")


def _session_starts(path: Path, file: Any) -> Iterator[npt.NDArray[np.int64]]:
    before, row = -1, 0
    for batch in file.iter_batches(batch_size=1 << 20, columns=["session"]):
        session = _column(path, "session", batch.column("session"), None, row).astype(np.int64)
        yield np.flatnonzero(np.diff(session, prepend=before)) + row
        before, row = int(session[-1]), row + len(session)


def _column(path: Path, name: str, column: Any, width: int | None, row: int) -> npt.NDArray[Any]:
    where = f"{path}: column {name!r}"
    if column.null_count:
        raise FormatError(f"{where} must hold no nulls; found {column.null_count} from row {row} on")
    if width is None:
        values = column.to_numpy(zero_copy_only=False)
    else:
        if not hasattr(column, "flatten"):
            raise FormatError(f"{where} must hold lists of {width} numbers; it is {column.type}")
        flat = column.flatten()
        lengths = np.asarray(column.value_lengths().to_numpy(zero_copy_only=False))
        if (lengths != width).any():
            at = int(np.flatnonzero(lengths != width)[0])
            raise FormatError(
                f"{where} must hold lists of layers x top_k = {width} numbers; got {lengths[at]} in row {row + at}"
            )
        if flat.null_count:
            raise FormatError(f"{where} must hold no nulls; found {flat.null_count} from row {row} on")
        values = flat.to_numpy(zero_copy_only=False)
    kind = "f" if name == "weights" else "iu"
    array = np.asarray(values)
    if array.dtype.kind not in kind:
        raise FormatError(f"{where} must hold {'floats' if kind == 'f' else 'integers'}; it is {column.type}")
    return array


def write(trace: Trace, stream: IO[bytes]) -> None:
    number = np.searchsorted(trace.sessions, np.arange(trace.rounds), side="right") - 1
    step = max(1, PART // (trace.layers * trace.top_k))

    def rows() -> Iterator[tuple[npt.NDArray[Any], ...]]:
        for at in range(0, trace.rounds, step):
            here = slice(at, at + step)
            gates = () if trace.weights is None else (trace.weights[here],)
            yield (number[here], trace.stage[here], trace.experts[here], *gates)

    _write(trace, stream, trace.meta, trace.experts.dtype, rows(), trace.weights)


def write_long(trace: LongTrace, stream: IO[bytes]) -> None:
    """Write a trace in parts, without weights and meta; ids of one byte where they fit."""
    dtype = np.dtype(np.int8 if max(trace.n_experts) <= 127 else id_dtype(max(trace.n_experts)))
    rows = ((part.session, part.stage, part.experts.astype(dtype)) for part in trace.parts())
    _write(trace, stream, {}, dtype, rows, None)


def _write(
    trace: Trace | LongTrace,
    stream: IO[bytes],
    meta: dict[str, Any],
    dtype: np.dtype[Any],
    rows: Iterator[tuple[npt.NDArray[Any], ...]],
    weights: npt.NDArray[Any] | None,
) -> None:
    pyarrow, parquet = _pyarrow()
    size = trace.layers * trace.top_k
    sizes = {
        "layers": trace.layers,
        "n_experts": list(trace.n_experts),
        "top_k": trace.top_k,
        "expert_bytes": None if trace.expert_bytes is None else trace.expert_bytes.tolist(),
        "meta": meta,
    }
    fields = [
        ("session", pyarrow.int64()),
        ("stage", pyarrow.int8()),
        ("experts", pyarrow.list_(pyarrow.from_numpy_dtype(dtype), size)),
    ]
    if weights is not None:
        fields.append(("weights", pyarrow.list_(pyarrow.from_numpy_dtype(weights.dtype), size)))
    schema = pyarrow.schema(fields, metadata={KEY: json.dumps(sizes, allow_nan=False).encode()})
    with parquet.ParquetWriter(stream, schema, compression="zstd", write_page_checksum=True) as writer:
        for session, stage, *lists in rows:
            columns = [pyarrow.array(session, pyarrow.int64()), pyarrow.array(stage)]
            for array in lists:
                flat = pyarrow.array(array.reshape(-1))
                columns.append(pyarrow.FixedSizeListArray.from_arrays(flat, size))
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))


@register("format", "parquet")
class Parquet(Format):
    """Parquet, this project's own (one row a round) and tables of others; needs pyarrow, the extra ``parquet``."""

    suffixes = (".parquet",)
    takes = ("columns", "tokens", "n_experts")
    rank = 10

    def sniff(self, start: Start) -> bool:
        """Look for the magic number."""
        return start.data.startswith(b"PAR1")

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all row groups."""
        return read(path, how)

    def open(self, path: Path, how: Reading) -> LongTrace:
        """Read row groups as they are asked for; tables of others where rows come in order of tokens."""
        pyarrow, parquet = _pyarrow()
        with _plainly(path, pyarrow):
            if is_ours(path, parquet):
                return open_long(path)
            return in_parts(ParquetRows(path, parquet, how), how, lambda: self.read(path, how))

    def refuse(self, trace: Trace, path: Path) -> str | None:
        """Refuse weights of other types than float16, float32 and float64."""
        _pyarrow()
        if trace.weights is not None and trace.weights.dtype.name not in _FLOATS:
            return f"weights must be {', '.join(_FLOATS)}; they are {trace.weights.dtype}"
        return meta_refused(trace)

    def write(self, trace: Trace, stream: IO[bytes]) -> None:
        """Write one row a round."""
        write(trace, stream)
