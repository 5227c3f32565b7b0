"""The open problems: where each is stated in Coq, at which sizes it says something, and what it says there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from .. import catalog
from ..core.registry import nearest
from ..errors import LayeredPagingError, NotRegistered

__all__ = ["BEST", "PROBLEMS", "RANDOMIZED", "Problem", "Size", "formal", "harmonic", "named"]

BEST, RANDOMIZED = "best deterministic", "best randomized"
FILE = "open_problems.v"


class Size(NamedTuple):
    """Layers of experts, slots, and what an event asks for.

    Examples
    --------
    >>> print(Size(2, 4, 5, 2, "bypass"))
    2 x 4, k = 5, m = 2, bypass
    """

    layers: int
    experts: int
    slots: int
    top_k: int = 1
    admission: str = "forced"

    def __str__(self) -> str:
        events = f", m = {self.top_k}" if self.top_k > 1 else ""
        return f"{self.layers} x {self.experts}, k = {self.slots}{events}{', bypass' * (self.admission == 'bypass')}"

    @property
    def pages(self) -> int:
        """Pages in all."""
        return self.layers * self.experts


@dataclass(frozen=True)
class Problem:
    """An open problem.

    Attributes
    ----------
    name : str
        As it is called here.
    constant : str
        The definition in ``proofs/open_problems.v``.
    subject : str
        Whose competitive ratio it is about: a policy, or the best deterministic or randomized one.
    says : str
        The statement in words.
    relation : str
        What the ratio is said to be of ``value``: ``=``, ``<=``, ``<``, ``>=``; or ``known``: only that it is to be found.
    covers : callable
        Whether it speaks of a size that is no theorem yet.
    value : callable
        The number at a size.
    """

    name: str
    constant: str
    subject: str
    says: str
    relation: str
    covers: Callable[[Size], bool]
    value: Callable[[Size], Fraction]

    @property
    def solver(self) -> str:
        """The command that computes a certificate, without the size."""
        if self.subject == RANDOMIZED:
            return "ratio --optimal --randomized"
        return "ratio --optimal" if self.subject == BEST else f"ratio {self.subject}"

    def sizes(self, pages: int) -> Iterator[Size]:
        """Yield the sizes of at most this many pages of which it speaks, small ones first."""
        for total in range(2, pages + 1):
            for layers in (x for x in range(1, total + 1) if total % x == 0):
                width = total // layers
                for slots in range(1, total):
                    for top_k in range(1, width + 1):
                        for admission in ("forced", "bypass"):
                            size = Size(layers, width, slots, top_k, admission)
                            if self.covers(size):
                                yield size


def harmonic(m: int) -> Fraction:
    """Return 1 + 1/2 + ... + 1/m."""
    return sum((Fraction(1, i) for i in range(1, m + 1)), Fraction(0))


def _single(size: Size) -> bool:
    return size.top_k == 1 and size.admission == "forced"


def _wide(size: Size) -> bool:
    return _single(size) and 2 <= size.layers <= size.slots < size.pages


def _closed(size: Size) -> Fraction:
    return harmonic(size.slots - size.layers + 1) + Fraction(size.layers - 1, size.slots + 1)


def _divides(size: Size) -> bool:
    width = (size.slots + 1) // size.layers
    return _wide(size) and width * size.layers == size.slots + 1 and 2 <= width < size.experts


def _few(size: Size) -> bool:
    last = size.slots == size.layers - 1 and size.layers >= 4
    return _single(size) and size.experts >= 2 and size.layers >= 3 and (size.slots == 2 or last)


def _middle(size: Size, below: int) -> bool:
    return _single(size) and size.experts >= 2 and size.layers < size.slots < below


def _lru_events(size: Size) -> Fraction:
    l, k, m = size.layers, size.slots, size.top_k  # noqa: E741  as in the statement
    return Fraction(min(k - l * (m - 1), 2 * (k - l * m) + 1))


def _events(size: Size, admission: str, least: int, members: int) -> bool:
    return (
        size.admission == admission
        and members <= size.top_k < size.experts
        and size.slots >= size.layers * size.top_k + least
    )


PROBLEMS = (
    Problem(
        "randomized-closed-form", "randomized_closed_form", RANDOMIZED,
        "For k >= l the best randomized ratio is at most H_(k-l+1) + (l-1)/(k+1), as where all pages but one fit.",
        "<=", lambda s: _wide(s) and s.slots + 1 < s.pages, _closed,
    ),
    Problem(
        "randomized-divides", "randomized_divides", RANDOMIZED,
        "Where l divides k + 1, and k + 1 >= 2 l, the best randomized ratio is H_(k-l+1) + (l-1)/(k+1).",
        "=", _divides, _closed,
    ),
    Problem(
        "randomized-below-harmonic", "randomized_below_harmonic", RANDOMIZED,
        "With at least two layers and two slots the best randomized ratio is below H_k.",
        "<", lambda s: _single(s) and min(s.layers, s.experts, s.slots) >= 2 and s.slots < s.pages - 1,
        lambda s: harmonic(s.slots),
    ),
    Problem(
        "randomized-attained", "randomized_attained", RANDOMIZED,
        "The best randomized ratio is a rational number that some policy has; known at a size once both bounds meet.",
        "known", lambda s: _single(s) and min(s.layers, s.experts) >= 2 and s.slots < s.pages - 1, lambda s: Fraction(0),
    ),
    Problem(
        "tightness", "tightness", BEST,
        "From k = l + 2 on some deterministic policy has the ratio k - l + 1 of the lower bound.",
        "=", lambda s: _wide(s) and s.layers + 2 <= s.slots < s.pages - 1, lambda s: Fraction(s.slots - s.layers + 1),
    ),
    Problem(
        "seven-thirds", "seven_thirds", BEST,
        "At k = l + 1 the best deterministic ratio is 7/3, from three layers and eight pages on.",
        "=", lambda s: _single(s) and s.layers >= 3 and s.experts >= 2 and s.pages >= 8 and s.slots == s.layers + 1,
        lambda s: Fraction(7, 3),
    ),
    Problem(
        "few-slots", "few_slots", BEST,
        "Below k = l the best deterministic ratio is l/(l-1) with two slots, and 2 with l - 1 slots from four layers on.",
        "=", _few, lambda s: Fraction(s.layers, s.layers - 1) if s.slots == 2 else Fraction(2),
    ),
    Problem(
        "llru-double", "llru_double", "llru",
        "For l < k <= 2l - 1 LLRU in its default form has the ratio 2 (k - l) + 1 of LRU.",
        "=", lambda s: _middle(s, 2 * s.layers), lambda s: Fraction(2 * (s.slots - s.layers) + 1),
    ),
    Problem(
        "llru-two-layers", "llru_two_layers", "llru",
        "With two layers LLRU in its default form has the ratio k + 1 from seven slots on.",
        "=", lambda s: _single(s) and s.layers == 2 and 7 <= s.slots < s.pages, lambda s: Fraction(s.slots + 1),
    ),
    Problem(
        "fifo-double", "fifo_double", "fifo",
        "For l < k < 2l - 1 FIFO has at least the ratio 2 (k - l) + 1 of LRU, as everywhere else.",
        ">=", lambda s: _middle(s, 2 * s.layers - 1), lambda s: Fraction(2 * (s.slots - s.layers) + 1),
    ),
    Problem(
        "lru-events", "lru_events", "lru",
        "On forced events of m >= 2 LRU has the ratio min(k - l (m - 1), 2 (k - l m) + 1) for k > l m.",
        "=", lambda s: _events(s, "forced", 1, 2) and s.slots < s.pages, _lru_events,
    ),
    Problem(
        "forced-events", "forced_events", BEST,
        "On forced events of m >= 2 some deterministic policy has the ratio k - l m + 1 of the lower bound, for k > l m.",
        "=", lambda s: _events(s, "forced", 1, 2) and s.slots < s.pages,
        lambda s: Fraction(s.slots - s.layers * s.top_k + 1),
    ),
    Problem(
        "bypass-events", "bypass_events", BEST,
        "With bypass some deterministic policy has the ratio k - l m + 2 of the lower bound, for k >= l m.",
        "=", lambda s: _events(s, "bypass", 0, 1) and s.slots < s.pages,
        lambda s: Fraction(s.slots - s.layers * s.top_k + 2),
    ),
)  # fmt: skip


def named(name: str) -> Problem:
    """Return the problem of this name.

    Raises
    ------
    NotRegistered
        There is none; the message gives the nearest one.
    """
    found = {problem.name: problem for problem in PROBLEMS}
    if name not in found:
        raise NotRegistered(f"unknown problem {name!r}; {nearest(name, list(found))}")
    return found[name]


def formal(problem: Problem) -> str:
    """Return the definition in Coq, as it stands in the file.

    Examples
    --------
    >>> formal(named("tightness")).splitlines()[0][:40]
    'Definition tightness : Prop := forall l '
    """
    text = (catalog.content_root() / "proofs" / FILE).read_text()
    match = re.search(rf"^Definition {problem.constant} : Prop :=.*?\.$", text, re.MULTILINE | re.DOTALL)
    if match is None:
        raise LayeredPagingError(f"{FILE}: the definition {problem.constant} is missing")
    return match[0]
