"""Where an open problem stands: at which sizes it is known to hold, at which it is open, and whether it is refuted."""

from __future__ import annotations

from dataclasses import dataclass

from .known import Bounds, bounds
from .stated import Problem, Size

__all__ = ["Row", "Standing", "standing", "verdict"]


@dataclass(frozen=True)
class Row:
    """A size: what is said there (empty where a value is only to be found), what is known, and the verdict."""

    size: Size
    says: str
    known: Bounds
    verdict: str


@dataclass(frozen=True)
class Standing:
    """A problem with its sizes of at most ``pages`` pages."""

    problem: Problem
    pages: int
    rows: tuple[Row, ...]

    def count(self, verdict: str) -> int:
        """Return how many sizes have a verdict."""
        return sum(row.verdict == verdict for row in self.rows)


def verdict(problem: Problem, size: Size, known: Bounds) -> str:
    """Return ``holds``, ``refuted`` or ``open``: what the bounds say of a problem at a size."""
    low, high, value = known.lower, known.upper, problem.value(size)
    if problem.relation == "known":
        return "holds" if known.settled else "open"
    above = low is not None and (low >= value if problem.relation == "<" else low > value)
    below = high is not None and high < value
    if (above and problem.relation != ">=") or (below and problem.relation in ("=", ">=")):
        return "refuted"
    done = {
        "=": known.settled,
        "<=": high is not None and high <= value,
        "<": below,
        ">=": low is not None and low >= value,
    }
    return "holds" if done[problem.relation] else "open"


def standing(problem: Problem, pages: int = 10) -> Standing:
    """Return where a problem stands at its sizes of at most this many pages.

    Examples
    --------
    >>> from layered_paging.problems import named
    >>> found = standing(named("seven-thirds"), 9)
    >>> [(str(row.size), row.says, str(row.known), row.verdict) for row in found.rows]
    [('4 x 2, k = 5', '= 7/3', '7/3', 'holds'), ('3 x 3, k = 4', '= 7/3', '7/3', 'holds')]
    """
    rows = []
    for size in problem.sizes(pages):
        known = bounds(problem.subject, size)
        says = "" if problem.relation == "known" else f"{problem.relation} {problem.value(size)}"
        rows.append(Row(size, says, known, verdict(problem, size, known)))
    return Standing(problem, pages, tuple(rows))
