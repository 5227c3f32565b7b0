"""Tables of routing in Parquet files of others: rows with layers and experts, or one file a layer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.trace import Trace
from ..errors import FormatError
from .base import Reading
from .cells import ArrowBlock, NotPlain, PlainBlock
from .common import brief, guarded
from .names import Beside, flat, normal, others, resolve
from .rows import Names, Rows, Table
from .table import noted

__all__ = ["KEY", "ParquetRows", "is_layer", "is_ours", "read_layers", "read_table"]

KEY = b"layered_paging"
IDS = ("indices", "experts", "expert_ids", "topk_ids", "topk_indices", "selected_experts")
GATES = ("scores", "weights", "gate_weights", "topk_weights")


def is_ours(path: Path, parquet: Any) -> bool:
    """Say whether a Parquet file bears our metadata."""
    with path.open("rb") as stream:
        return KEY in (parquet.ParquetFile(stream).metadata.metadata or {})


def _blocks(path: Path, file: Any, names: list[str]) -> Any:
    row = 0
    for batch in file.iter_batches(batch_size=1 << 16, columns=names):
        yield row, batch
        row += batch.num_rows


def _rows(path: Path, table: Table, row: int, batch: Any) -> Rows:
    known = [dict(names.known) for names in (table.layers, table.requests, table.phases)]
    try:
        return table.rows_of(ArrowBlock(batch))
    except NotPlain:
        table.layers.known, table.requests.known, table.phases.known = known
    columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    return table.rows_of(PlainBlock(path, columns, range(row, row + batch.num_rows)))


class ParquetRows:
    """The rows of a table whose columns name layers and experts, batch by batch, as often as they are asked for.

    Errors give the row, counted from 0, as the line.
    """

    def __init__(self, path: Path, parquet: Any, how: Reading) -> None:
        self.path, self.parquet, self.how = path, parquet, how
        self.table: Table | None = None
        self.names: list[str] = []

    def need(self) -> Table:
        """Return the table, once it is known."""
        if self.table is None:
            raise FormatError(f"{self.path}: must hold at least one row")
        return self.table

    def blocks(self) -> Iterator[Rows]:
        """Yield the rows of the file."""
        with self.path.open("rb") as stream:
            file = self.parquet.ParquetFile(stream, page_checksum_verification=True)
            if self.table is None:
                self.names = list(file.schema_arrow.names)
                self.table = self._table({field.name: str(field.type) for field in file.schema_arrow})
            for row, batch in _blocks(self.path, file, [name for _, name in flat(self.table.columns)]):
                yield _rows(self.path, self.table, row, batch)

    def _table(self, kinds: dict[str, str]) -> Table:
        words = [name for name, kind in kinds.items() if not kind.startswith(("int", "uint"))]
        parts = [name for name, kind in kinds.items() if kind.startswith(("float", "double", "halffloat", "list"))]
        if not self.how.columns and layer_columns(self.names) is not None:
            raise FormatError(
                f"{self.path}: a table must have a column of layers; there are {', '.join(self.names)[:200]} "
                "(where each file is a layer, name their folder)"
            )
        roles = resolve(self.path, self.names, self.how.columns, words, parts)
        if roles.get("token") in words:
            self.how.assume("tokens", "not by name", f"column {roles.pop('token')!r} holds no integers")
        lists = isinstance(roles["experts"], Beside) or kinds[roles["experts"]].startswith(
            ("list", "large_list", "fixed_size_list")
        )
        if lists:
            roles.pop("rank", None)
        return Table(self.path, roles, self.how, others=tuple(others(self.names, roles)), lists=lists)


def read_table(path: Path, parquet: Any, how: Reading) -> Trace:
    """Read all rows of a table of others."""
    source = ParquetRows(path, parquet, how)
    for rows in source.blocks():
        source.need().keep(rows)
    return source.need().trace(noted(source.need(), source.names, {}))


def layer_columns(names: Sequence[str]) -> tuple[str, str | None] | None:
    """Return the columns of ids and gates of a file that is one layer: it names neither layers nor tokens."""
    found = {normal(name): name for name in names}
    try:
        resolve(Path(), list(names), {})
        return None  # it names its layers
    except FormatError:
        ids = next((found[name] for name in IDS if name in found), None)
        gates = next((found[name] for name in GATES if name in found), None)
        return None if ids is None else (ids, gates)


def is_layer(path: Path) -> bool:
    """Say whether a file is Parquet with the routing of one layer."""
    with path.open("rb") as stream:
        if stream.read(4) != b"PAR1":
            return False
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        return False
    try:
        with path.open("rb") as stream:
            file = parquet.ParquetFile(stream)
            return KEY not in (file.metadata.metadata or {}) and layer_columns(file.schema_arrow.names) is not None
    except Exception as error:  # a damaged file is told by the reader of its own
        raise FormatError(f"{path}: is cut short or damaged; {brief(error)}") from None


def read_layers(folder: Path, files: Sequence[Path], how: Reading) -> Trace:
    """Read a folder of one Parquet file a layer (FLAME-MoE): row n of each file is token n."""
    import pyarrow
    import pyarrow.parquet as parquet

    numbers = [re.findall(r"\d{1,9}", file.name) for file in files]
    if not all(numbers) or len({found[-1] for found in numbers}) != len(files):
        raise FormatError(f"{folder}: files of one layer each must have the layer's number in their names, each once")
    layers = Names()
    table = Table(folder, {"token": "row", "layer": "file", "experts": "ids"}, how, layers, lists=True)
    lengths = {}
    for file, found in zip(files, numbers, strict=True):
        code = layers.known.setdefault(int(found[-1]), len(layers.known))
        row = 0
        with guarded(file), file.open("rb") as stream:
            try:
                opened = parquet.ParquetFile(stream, page_checksum_verification=True)
                names = layer_columns(opened.schema_arrow.names)
                assert names is not None
                ids, gates = names
                inner = Table(file, {"layer": ids, "experts": ids, **({"weight": gates} if gates else {})}, how)
                for at, batch in _blocks(file, opened, [name for name in names if name]):
                    rows = _layer_rows(inner, batch, code, at)
                    table.columns |= {"weight": gates} if gates else {}
                    table.keep(rows)
                    row = at + batch.num_rows
            except (pyarrow.ArrowException, NotPlain) as error:
                raise FormatError(f"{file}: must hold lists of ids; {brief(error) or 'some are null'}") from None
        lengths[file.name] = row
    if len(set(lengths.values())) > 1:
        raise FormatError(f"{folder}: files of one layer each must have equally many rows; got {str(lengths)[:200]}")
    how.assume("layers", f"{len(files)} files", "one file a layer, by the number in its name; row n is token n")
    return table.trace({"files": [file.name for file in files]})


def _layer_rows(table: Table, batch: Any, layer: int, at: int) -> Rows:
    block = ArrowBlock(batch)
    ids, counts = block.lists(table.columns["experts"])
    weights = None
    if "weight" in table.columns:
        weights, each = block.floats(table.columns["weight"])
        weights = weights.astype(np.float32) if np.array_equal(each, counts) else None
    return Rows(
        np.arange(at, at + block.rows), np.full(block.rows, layer, np.int32), None, None, ids.astype(np.int32),
        counts.astype(np.int32), None, weights,
    )  # fmt: skip
