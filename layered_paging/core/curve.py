"""Misses at every number of slots, as an array that leaves as a table, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .tables import Tabular, as_html

__all__ = ["MissCurve"]


class MissCurve(np.ndarray[tuple[int], np.dtype[np.int64]], Tabular):
    """Misses at every number of slots: entry s of an int64 array; -1 where s is not legal.

    It has the ways out of a result (``to_frame``, ``to_latex`` and others), with a row for each legal number of slots.
    Parts of it and what is computed with it are plain arrays.

    Examples
    --------
    >>> curve = MissCurve.of(np.array([-1, 6, 4]))
    >>> print(curve.to_csv())
    slots,misses
    1,6
    2,4
    <BLANKLINE>
    >>> curve[1:]
    array([6, 4])
    """

    @classmethod
    def of(cls, misses: npt.NDArray[np.int64]) -> MissCurve:
        """Return the curve of an array of one dimension, which is shared and not copied."""
        return np.asarray(misses, dtype=np.int64).view(cls)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Return what is computed with a curve, which is no curve."""
        return array[()] if return_scalar else np.asarray(array)

    def __getitem__(self, key: Any) -> Any:
        """Return an entry, or a part as a plain array."""
        return self.view(np.ndarray)[key]

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))

    def to_rows(self) -> list[dict[str, Any]]:
        """Return slots and misses wherever the number of slots is legal."""
        return [{"slots": slots, "misses": misses} for slots, misses in enumerate(self.tolist()) if misses >= 0]

    def _repr_html_(self) -> str:
        return as_html(*self._columns(), title="misses at every number of slots")
