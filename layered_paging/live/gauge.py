"""The optimum of what was requested so far, kept up to date event by event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..core.instance import flag, integer
from ..errors import BudgetError, ParameterError

__all__ = ["PrefixOptimum"]


class PrefixOptimum:
    """The fewest misses with which the events so far can be served by one pool.

    Parameters
    ----------
    slots : int
        At least 0.
    bypass : bool
        Whether a just-loaded member may be dropped at once; otherwise all members stay until their event ends.
    held : iterable of int
        Pages held at the start, at most ``slots``.

    Attributes
    ----------
    misses : int
        Misses of the optimum of all events served.

    Notes
    -----
    Amortised O(log(slots + pages)) per request.  At most 3 * (slots + pages) + 64 numbers are kept, however many events
    there are.  Exact in integers: equal to ``lp.optimum`` after every event.

    **Intervals.**  Let page p be requested at event t, and before that last at event d.  The request hits if and only
    if p is held all the time between: then we say that the interval (d, t) is kept.  Under forced admission a kept
    interval takes a slot at each event s with d < s < t. There the members B_s take #B_s of the slots. So at most
    slots - #B_s kept intervals may pass over s.  Under bypass it takes a slot in each gap after the events
    d, ..., t - 1. At most ``slots`` kept intervals may share a gap.  Any choice that respects this can be played.
    So the optimum is the number of requests less the largest number of intervals that can be kept.

    **Greedy.**  Look at the intervals by ascending end and keep each one that still fits.  This is optimal.  Let O be
    an optimum that agrees with the greedy choice G on all intervals before I.  If G rejects I, then O cannot have it.
    If G keeps I and O does not, add I to O.  If that overfills some event, let v be the first such.  The intervals
    that both agree on and I fit at v, so O keeps another J over v, which ends no earlier than I.  J passes
    over everything that I passes over from v on, hence over all that is overfull.  Put I in the place of J: O is as
    large as before and agrees with G on I, too.  Intervals that end by t come first, so the choice up to t is optimal
    for the prefix up to t, whatever comes later.

    **Tokens.**  Every later interval that begins at d passes over all that lies between d and now.  So only
    m(d) matters: the least room there, ``slots`` if nothing lies between.  As m never falls with d, it is the number of
    tokens at or before d, for ``slots`` tokens in all.  The interval fits if and only if there is a token at or before
    its beginning d, and keeping it removes the latest of these: m falls by 1 from d on, and before d where it was
    equal to m(d).  When event t is over, forced admission leaves the oldest slots - #B_t tokens, and puts #B_t at t.
    Bypass puts as many at t as were removed.  Removals and a new greatest place are all that happens, so the token at or before d is
    found with a forest of parents.  Places without a token are forgotten from time to time.

    Examples
    --------
    >>> best = PrefixOptimum(2)
    >>> [best.serve([page]) for page in (0, 1, 2, 0, 1)]
    [1, 1, 1, 0, 1]
    >>> best.misses
    4
    """

    def __init__(self, slots: int, *, bypass: bool = False, held: Iterable[int] = ()) -> None:
        self.slots, self.bypass, self.misses = integer("slots", slots, 0), flag("bypass", bypass), 0
        self._tokens = [1, self.slots]  # by place; place 0 ends every search
        self._parent = [0, 1]
        self._last = dict.fromkeys(held, 1)  # place of the last use
        if len(self._last) > self.slots:
            raise BudgetError(f"held: at most {self.slots} pages fit into the slots; got {len(self._last)}")

    def restart(self) -> None:
        """Empty the cache, as at the start of a session; ``misses`` counts on."""
        self._tokens, self._parent, self._last = [1, self.slots], [0, 1], {}

    def serve(self, pages: Sequence[int]) -> int:
        """Serve one event and return how many more misses the optimum has.

        Raises
        ------
        ParameterError
            A page is there twice.
        BudgetError
            More pages than slots, and bypass is not allowed.  After an error nothing has changed.
        """
        if len(set(pages)) < len(pages):
            raise ParameterError(f"pages of an event must be distinct; got {list(pages)!r}"[:500])
        if len(pages) > self.slots and not self.bypass:
            raise BudgetError(f"an event of {len(pages)} pages needs as many slots; there are {self.slots}")
        last = self._last
        begins = sorted((last[page] for page in pages if page in last), reverse=True)
        kept = sum(self._take(begin) for begin in begins)
        if self.bypass:
            placed = kept
        else:
            placed = len(pages)
            for _ in range(placed - kept):
                self._take(len(self._tokens) - 1)
        now = len(self._tokens)
        self._tokens.append(placed)
        self._parent.append(now if placed else now - 1)
        last.update(dict.fromkeys(pages, now))
        if now > 2 * (self.slots + len(last)) + 64:
            self._forget()
        self.misses += len(pages) - kept
        return len(pages) - kept

    def _find(self, place: int) -> int:
        """Return the latest place with a token, this one or one before, or 0."""
        parent = self._parent
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    def _take(self, place: int) -> bool:
        """Remove the latest token at or before the place; return whether there was one."""
        place = self._find(place)
        if place == 0:
            return False
        self._tokens[place] -= 1
        if self._tokens[place] == 0:
            self._parent[place] = place - 1
        return True

    def _forget(self) -> None:
        """Number the places with tokens anew; only the order of tokens and last uses matters."""
        places = [place for place, tokens in enumerate(self._tokens) if tokens]
        number = {place: n for n, place in enumerate(places)}
        self._last = {page: number[found] for page, place in self._last.items() if (found := self._find(place))}
        self._tokens = [self._tokens[place] for place in places]
        self._parent = list(range(len(places)))
