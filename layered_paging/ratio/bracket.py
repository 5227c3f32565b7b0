"""What is known of the best ratio: two bounds, and their certificates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from ..certificate import Certificate
from ..core.tables import Tabular

__all__ = ["Bracket"]


@dataclass(eq=False)
class Bracket(Tabular):
    """Bounds on the best ratio that any policy can have; equal when solved.

    Attributes
    ----------
    lower : Fraction
        No policy has a smaller ratio.
    upper : Fraction or None
        Some policy has this ratio; None if the search was stopped before it found one.
    nodes : int
        Positions of the game, or nodes of the linear program.
    complete : bool
        Whether the search came to its end.
    statement : dict
        Size and kind, as in the certificate.
    """

    lower: Fraction
    upper: Fraction | None
    nodes: int
    complete: bool
    statement: dict[str, Any]
    _prove: Callable[[], Certificate] = field(repr=False)

    @property
    def solved(self) -> bool:
        """Whether both bounds meet."""
        return self.lower == self.upper

    @cached_property
    def certificate(self) -> Certificate:
        """Both sides, for ``layered_paging.certify``; computed on first access."""
        return self._prove()

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row: the size, both bounds, whether they meet."""
        size = {key: self.statement.get(key) for key in ("layers", "experts", "slots")}
        return [{**size, "lower": self.lower, "upper": self.upper, "solved": self.solved}]

    def __repr__(self) -> str:
        return f"<Bracket: {self.lower}>" if self.solved else f"<Bracket: {self.lower} .. {self.upper}>"
