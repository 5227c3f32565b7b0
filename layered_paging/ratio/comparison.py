"""``lp.table``: exact ratios of policies beside the bounds, ready for a paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..core.instance import flag
from ..core.tables import Tabular
from ..errors import ParameterError
from ..policies.names import resolve
from .best import optimal_ratio
from .given import competitive_ratio

__all__ = ["RatioTable", "lru_closed_form", "table"]


@dataclass(frozen=True)
class RatioTable(Tabular):
    """Ratios by size; see ``table``.

    Attributes
    ----------
    rows : list of dict
        ``layers``, ``experts``, ``slots``; ``k - l + 1``, ``k`` and ``H_k``; each policy's ratio as a Fraction, or the
        word ``unbounded``. ``best deterministic`` if it was asked for (None where the search did not end).
    """

    rows: list[dict[str, Any]]

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the rows."""
        return [dict(row) for row in self.rows]

    def __str__(self) -> str:
        return self.to_markdown().rstrip("\n")

    def __repr__(self) -> str:
        return f"<RatioTable: {len(self.rows)} sizes>"


def table(
    policies: Sequence[str | type],
    sizes: Iterable[tuple[int, int, int]],
    *,
    best: bool = False,
    tick: Callable[[str], None] = lambda what: None,
) -> RatioTable:
    """Return exact competitive ratios of policies at several sizes, beside k - l + 1, k and H_k.

    Parameters
    ----------
    policies : sequence of str or class
        Each needs a method ``state``.
    sizes : iterable of (layers, experts, slots)
    best : bool
        Also the best deterministic ratio, by a search that takes long beyond 8 pages.
    tick : callable
        Called with what is computed next.

    Raises
    ------
    ParameterError
        No policy or no size.
    PolicyError, NotRegistered
        As ``competitive_ratio`` does.

    Notes
    -----
    ``k - l + 1`` is a lower bound for every online policy where k >= l and k + 1 <= l n, and empty elsewhere.
    Every number is exact.

    Examples
    --------
    >>> print(table(["lru"], [(2, 2, 3), (2, 3, 4)]))
    | layers | experts | slots | k - l + 1 | k | H_k | lru |
    |---:|---:|---:|---:|---:|---:|---:|
    | 2 | 2 | 3 | 2 | 3 | 11/6 | 3 |
    | 2 | 3 | 4 | 3 | 4 | 25/12 | 4 |
    """
    for name, given in (("policies", policies), ("sizes", sizes)):
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise ParameterError(f"must be a list; got {given!r}", parameter=name)
    flag("best", best)
    specs, chosen = [resolve(policy) for policy in policies], list(sizes)
    if not specs or not chosen:
        raise ParameterError("a table needs at least one policy and one size (layers, experts, slots)")
    for size in chosen:
        if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 3:
            raise ParameterError(f"must be triples (layers, experts, slots); got {size!r}", parameter="sizes")
    rows = []
    for layers, experts, slots in chosen:
        row: dict[str, Any] = {
            "layers": layers,
            "experts": experts,
            "slots": slots,
            "k - l + 1": slots - layers + 1 if slots >= layers else None,
            "k": slots,
            "H_k": sum((Fraction(1, i) for i in range(1, slots + 1)), Fraction(0)),
        }
        for spec in specs:
            tick(f"{spec.name} at {layers} x {experts}, {slots} slots")
            value = competitive_ratio(spec, layers=layers, experts=experts, slots=slots).value
            row[spec.name] = "unbounded" if value is None else value
        if best:
            tick(f"the best policy at {layers} x {experts}, {slots} slots")
            bracket = optimal_ratio(layers=layers, experts=experts, slots=slots)
            row["best deterministic"] = bracket.upper if bracket.solved else None
        rows.append(row)
    return RatioTable(rows)


def lru_closed_form(layers: int, slots: int) -> Fraction:
    """Return LRU's ratio at every size with experts >= 2 and slots < layers * experts, a theorem.

    It is (l - 1)/(l - k) for k < l, and 2 - 1/l at k = l.  For k > l it is min(k, 2 (k - l) + 1) (claim ``theorem-lru-exact``).

    Examples
    --------
    >>> [str(lru_closed_form(3, k)) for k in range(1, 7)]
    ['1', '2', '5/3', '3', '5', '6']
    """
    if slots < layers:
        return Fraction(layers - 1, layers - slots)
    if slots == layers:
        return 2 - Fraction(1, layers)
    return Fraction(min(slots, 2 * (slots - layers) + 1))
