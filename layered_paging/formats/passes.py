"""Logs that go pass by pass: a layer's routing of all tokens of a forward pass, then the next layer's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.trace import DECODE, PREFILL, Trace
from ..errors import FormatError
from .base import Reading
from .common import afford
from .rows import Names, Rows, Table

__all__ = ["Passes"]


class Passes:
    """Forward passes collected in the order of the log.

    A pass ends where the layers do not rise, or where the log says so.  The tokens of a pass are consecutive rounds.

    Parameters
    ----------
    path : Path
        What messages name.
    how : Reading
    """

    def __init__(self, path: Path, how: Reading) -> None:
        self.path, self.how = path, how
        self.table = Table(path, {"experts": "experts"}, how, lists=True)
        self.names: Names = self.table.layers
        self.layer: list[int] = []
        self.begin: list[int] = []  # the pass of each record
        self.count: list[int] = []  # tokens of each record
        self.flat: list[npt.NDArray[Any]] = []
        self.sizes: list[npt.NDArray[Any]] = []
        self.weights: list[npt.NDArray[Any]] | None = []
        self.held = 0
        self.number = -1
        self.last: Any = None
        self.mark: Any = None

    def add(self, layer: Any, rows: Any, weights: Any = None, mark: Any = None, order: int | None = None) -> None:
        """Keep a layer's routing of a pass.

        Parameters
        ----------
        layer : int or str
            What the log calls the layer.
        rows : int array, shape (tokens, top_k), or list of lists
            Ids of experts, in router order.
        weights : optional
            Numbers of the same shape.
        mark : optional
            What the log calls the pass; another mark begins another pass.
        order : int, optional
            Place of the layer in the model, where its name is none.
        """
        place = layer if order is None else order
        if self.last is None or place <= self.last or mark != self.mark:
            self.number += 1
        self.last, self.mark = place, mark
        if isinstance(rows, np.ndarray):
            flat, sizes = rows.reshape(-1), np.full(len(rows), rows.shape[1], np.int32)
        else:
            sizes = np.array([len(row) for row in rows], np.int32)
            flat = np.array([one for row in rows for one in row], np.int32)
        self.layer.append(self.names.known.setdefault(layer, len(self.names.known)))
        self.begin.append(self.number)
        self.count.append(len(sizes))
        self.flat.append(flat)
        self.sizes.append(sizes)
        if weights is None:
            self.weights = None
        elif self.weights is not None:
            self.weights.append(np.array([one for row in weights for one in row], np.float32))
        self.held += flat.nbytes + sizes.nbytes + 200
        if len(self.layer) % 1024 == 0:
            afford(self.path, "the rows", 3 * self.held)

    def trace(self, meta: dict[str, Any], batch: str = "a pass of several tokens is prefill") -> Trace:
        """Make the trace; stages are by the number of tokens of a pass, which is noted."""
        if not self.layer:
            raise FormatError(f"{self.path}: must hold at least one row of routing")
        count, of = np.array(self.count), np.array(self.begin)
        longest = np.zeros(self.number + 1, np.int64)
        np.maximum.at(longest, of, count)
        first = np.cumsum(longest) - longest
        token = np.repeat(first[of] - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
        stage = np.repeat(np.where(longest > 1, PREFILL, DECODE), longest)
        self.table.columns = {"token": "pass", "layer": "layer", "experts": "experts"}
        rows = Rows(
            token,
            np.repeat(np.array(self.layer, np.int32), count),
            None,
            np.repeat(np.where(longest > 1, 0, 1)[of], count),
            np.concatenate(self.flat),
            np.concatenate(self.sizes),
            None,
            None if not self.weights else np.concatenate(self.weights),
        )
        if rows.weights is not None:
            self.table.columns["weight"] = "weight"
        self.table.phases.known = {"prefill": 0, "decode": 1}
        self.table.columns["phase"] = "pass"
        self.table.keep(rows)
        made = self.table.trace(meta)
        if len(set(longest.tolist())) == 1 and longest[0] > 1:
            batch = f"every pass has {int(longest[0])} tokens, as a batch of requests or training would; {batch}"
        if (stage == PREFILL).any():
            self.how.assume("stage", "by the size of a pass", batch)
            self.how.assume("tokens", "consecutive", "tokens of one pass are read as consecutive rounds of one request")
        return made
