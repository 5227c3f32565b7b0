"""Parquet (``.parquet``): one row a round; needs pyarrow, the extra ``parquet``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, LayeredPagingError
from ..instance import integer
from ..trace import Trace
from .common import WIDEST, Format, afford, brief, build, guarded, id_dtype, meta_refused, parse_json

__all__ = ["FORMAT"]

KEY = b"layered_paging"
_FLOATS = ("float16", "float32", "float64")


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise FormatError("parquet needs pyarrow; install it with: pip install 'layered-paging[parquet]'") from None
    return pyarrow, pyarrow.parquet


def read(path: Path) -> Trace:
    pyarrow, parquet = _pyarrow()
    with guarded(path):
        try:
            return _read(path, parquet)
        except (pyarrow.ArrowException, KeyError, TypeError) as error:
            raise FormatError(f"{path}: is cut short or damaged; {brief(error)}") from None


def _read(path: Path, parquet: Any) -> Trace:
    with path.open("rb") as stream:
        file = parquet.ParquetFile(stream, page_checksum_verification=True)
        sizes = parse_json(f"{path}: metadata {KEY.decode()!r}", (file.metadata.metadata or {}).get(KEY, b"null"))
        if not isinstance(sizes, dict) or not {"layers", "n_experts", "top_k"} <= set(sizes):
            raise FormatError(f"{path}: must hold metadata {KEY.decode()!r} with layers, n_experts and top_k")
        try:
            layers, top_k = (integer(f"'{name}'", sizes[name], 1) for name in ("layers", "top_k"))
            given = sizes["n_experts"] if isinstance(sizes["n_experts"], list) else [sizes["n_experts"]]
            widest = max([integer("'n_experts'", n, 1) for n in given], default=1)
        except LayeredPagingError as error:
            raise FormatError(f"{path}: {str(error)[:200]}") from None
        if isinstance(sizes["n_experts"], list) and len(given) != layers:
            raise FormatError(
                f"{path}: n_experts must be one int, or one for each of {layers} layers; got {len(given)}"
            )
        if widest > WIDEST:
            raise FormatError(f"{path}: n_experts must be at most {WIDEST}; got {widest}")
        columns = file.schema_arrow.names
        for name in ("experts", "stage", "session"):
            if columns.count(name) != 1:
                raise FormatError(f"{path}: must have one column {name!r}; found {', '.join(columns[:20])}")
        rounds, gates = int(file.metadata.num_rows), "weights" in columns
        size = layers * top_k
        each = size * (2 * np.dtype(id_dtype(widest)).itemsize + 16 * gates) + 16
        afford(path, f"{rounds} rounds of {layers} layers x top_k {top_k}", rounds * each)
        if rounds == 0:
            raise FormatError(f"{path}: must hold at least one round; it has none")
        parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ("experts", "stage", "session", "weights")}
        seen = 0
        for batch in file.iter_batches(batch_size=max(1, (1 << 22) // size)):
            for name in parts:
                if name in columns:
                    width = size if name in ("experts", "weights") else None
                    parts[name].append(_column(path, name, batch.column(name), width, seen))
            seen += batch.num_rows
    if seen != rounds:
        raise FormatError(f"{path}: is cut short or damaged; it states {rounds} rows and holds {seen}")
    session = np.concatenate(parts["session"])
    jumps = np.diff(session, prepend=0)
    wrong = np.flatnonzero((jumps < 0) | (jumps > 1))
    if wrong.size:
        raise FormatError(
            f"{path}: 'session' must start with 0 and stay or rise by 1; got {session[wrong[0]]} in row {wrong[0]}"
        )
    ids = np.concatenate(parts["experts"])
    wrong = np.flatnonzero((ids < -1) | (ids >= widest))
    if wrong.size:
        raise FormatError(
            f"{path}: 'experts' must be in -1..{widest - 1}; got {ids[wrong[0]]} in row {wrong[0] // size}"
        )
    meta = sizes.get("meta")
    return build(
        path,
        ids.astype(id_dtype(widest), copy=False).reshape(-1, layers, top_k),
        sizes["n_experts"],
        np.flatnonzero(np.diff(session, prepend=-1)),
        np.concatenate(parts["stage"]),
        sizes.get("expert_bytes"),
        meta,
        np.concatenate(parts["weights"]).reshape(-1, layers, top_k) if gates else None,
    )


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
    pyarrow, parquet = _pyarrow()
    size = trace.layers * trace.top_k
    sizes = {
        "layers": trace.layers,
        "n_experts": list(trace.n_experts),
        "top_k": trace.top_k,
        "expert_bytes": None if trace.expert_bytes is None else trace.expert_bytes.tolist(),
        "meta": trace.meta,
    }
    fields = [
        ("session", pyarrow.int64()),
        ("stage", pyarrow.int8()),
        ("experts", pyarrow.list_(pyarrow.from_numpy_dtype(trace.experts.dtype), size)),
    ]
    if trace.weights is not None:
        fields.append(("weights", pyarrow.list_(pyarrow.from_numpy_dtype(trace.weights.dtype), size)))
    schema = pyarrow.schema(fields, metadata={KEY: json.dumps(sizes, allow_nan=False).encode()})
    number = np.searchsorted(trace.sessions, np.arange(trace.rounds), side="right") - 1
    step = max(1, (1 << 22) // size)
    with parquet.ParquetWriter(stream, schema, compression="zstd", write_page_checksum=True) as writer:
        for at in range(0, trace.rounds, step):
            columns = [
                pyarrow.array(number[at : at + step], pyarrow.int64()),
                pyarrow.array(trace.stage[at : at + step]),
            ]
            for array in (trace.experts, trace.weights):
                if array is not None:
                    flat = pyarrow.array(array[at : at + step].reshape(-1))
                    columns.append(pyarrow.FixedSizeListArray.from_arrays(flat, size))
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))


def _refuse(trace: Trace, path: Path) -> str | None:
    _pyarrow()
    if trace.weights is not None and trace.weights.dtype.name not in _FLOATS:
        return f"weights must be {', '.join(_FLOATS)}; they are {trace.weights.dtype}"
    return meta_refused(trace)


def _sniff(start: bytes) -> bool:
    return start.startswith(b"PAR1")


FORMAT = Format("parquet", (".parquet",), _sniff, read, write, _refuse)
