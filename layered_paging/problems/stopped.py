"""A search that was stopped: its bounds beside what theorems say at the size."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ..errors import LayeredPagingError
from ..policies.spec import PolicySpec
from .known import Bounds, Found, Value, classical, proved
from .stated import BEST, RANDOMIZED, Size

__all__ = ["SEARCH", "joined"]

SEARCH = "search"


def joined(
    subject: str | PolicySpec, size: Size, lower: Fraction | None = None, upper: Fraction | None = None
) -> Bounds:
    """Return the better of what a search found and what is proved, on each side; ties go to the search.

    Parameters
    ----------
    subject : str or PolicySpec
        ``best deterministic``, ``best randomized`` or a policy.
    size : Size
    lower, upper : Fraction, optional
        Of the search; none where it has none yet.

    Raises
    ------
    LayeredPagingError
        The search contradicts a theorem: one of them is wrong.

    Examples
    --------
    >>> found = joined("best randomized", Size(3, 4, 7), upper=Fraction(5, 2))
    >>> str(found), found.below, found.above
    ('137/60..5/2', 'theorem randomized_harmonic', 'search')
    """
    low: tuple[Value | None, str] = (lower, SEARCH if lower is not None else "")
    high: tuple[Value | None, str] = (upper, SEARCH if upper is not None else "")
    for found in _said(subject, size):
        if found.lower is not None and (low[0] is None or found.lower > low[0]):
            low = (found.lower, found.source)
        if found.upper is not None and (high[0] is None or found.upper < high[0]):
            high = (found.upper, found.source)
    if low[0] is not None and high[0] is not None and low[0] > high[0]:
        raise LayeredPagingError(
            f"{size}: at least {low[0]} ({low[1]}) and at most {high[0]} ({high[1]}): one is wrong"
        )
    return Bounds(low[0], high[0], low[1], high[1])


def _said(subject: str | PolicySpec, size: Size) -> Iterator[Found]:
    """Yield what theorems say, those about whole classes of policies included."""
    name = subject if isinstance(subject, str) else subject.name
    shipped = isinstance(subject, str) or not subject.properties.get("unregistered")
    if shipped:  # a class of one's own may be called as a shipped policy is
        yield from proved(name, size)
        yield from classical(name, size)
    layers, slots = size.layers, size.slots
    single = size.top_k == 1 and size.admission == "forced" and size.experts >= 2
    if isinstance(subject, str):
        return
    for found in proved(RANDOMIZED if subject.randomized else BEST, size):  # no policy is better than the best one
        yield Found(name, size, found.lower, None, found.source)
    if single and subject.properties.get("lazy") and slots < layers:
        yield Found(name, size, None, Fraction(layers - 1, layers - slots), "theorem any_few_slots")
    if single and subject.properties.get("marking") and not subject.randomized:
        yield Found(name, size, None, Fraction(slots), "theorem marking_upper")
    if single and subject.properties.get("conservative"):
        yield Found(name, size, None, Fraction(slots), "classical k (sleator-tarjan-1985)")
