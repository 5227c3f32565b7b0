"""Furthest next use, compiled, in one forward pass.

**Slots.**  A request hits under the optimum iff the interval since the page's last use can be
kept. Furthest next use keeps intervals greedily in the order of their ends (ties: highest
page first).  So it can be decided when the interval *ends*, without looking ahead.

Points of time carry a capacity (see ``model``): point t is the event t itself if admission is
forced, the gap before event t if it is bypass.  Let m(a) be the least capacity left over the
points from a up to the present.  It grows with a, in steps. The steps are kept as bits, one at
each unit of growth, so that m(a) is the number of bits up to a.  An interval from a can be kept
iff there is such a bit, and then the last of them goes away.  A new point of capacity c cuts the
number of bits to c, last ones first, or fills it up to c with bits of its own.  Finding the last
bit before a place is one look at a word, seldom more.  There are two levels of summary words.  They may say
that an empty word holds bits, and are corrected when that is noticed.

**Prices.**  The intervals dropped at event t all contain the last full point before the first
bit; call it s(t).  It is full of intervals that end by t, so it stays full, and s never falls.
Go backwards over the drops. Give point s(t) the price 1 unless the last point priced so far
lies before the end of the intervals dropped at t.  Then every dropped interval contains a priced
point. A kept interval contains one at most. If it contained s(t) and a later priced point it
would end after t, but s(t) is full without it. And priced points are full.  So by complementary
slackness the prices prove the schedule optimal.

**Bytes.**  With pages of unequal size furthest next use is a heuristic.  ``play_bytes`` sets a
bit at the next request of every page held that has one, and evicts from the highest bit down.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.compiled import kernel, leading_zeros, trailing_zeros

__all__ = ["Asked", "Tally", "next_uses", "play_bytes", "play_sets", "play_singles", "prices"]

_ONE = np.uint64(1)
_SIX = np.uint64(6)
_TWELVE = np.uint64(12)
_LOW = np.uint64(63)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_NONE = _ALL


class Asked(NamedTuple):
    """What is asked for: experts in one flat array, ``width`` places an event, negative where there is none.

    ``first`` holds the first page of each column; ``starts`` the first round of each session, ``stage`` the stage of each
    round. ``resets`` says whether a session begins with an empty cache.
    """

    members: Any
    width: int
    first: Any
    starts: Any
    stage: Any
    resets: bool


class Tally(NamedTuple):
    """Where misses are counted, modified in place: flags (one per place, or none), by session and stage, by column."""

    missed: Any
    by_session: Any
    by_column: Any


@kernel
def _words(size: int) -> Any:
    """Return words for ``size`` bits, and two levels of summaries."""
    words = (size >> 6) + 2
    return (
        np.zeros(words, np.uint64),
        np.zeros((words >> 6) + 2, np.uint64),
        np.zeros((words >> 12) + 2, np.uint64),
    )


@kernel
def _note(middle: Any, high: Any, i: Any) -> None:
    """Note in the summaries that word ``i`` may hold bits."""
    middle[i >> _SIX] |= _ONE << (i & _LOW)
    high[i >> _TWELVE] |= _ONE << ((i >> _SIX) & _LOW)


@kernel
def _word_before(low: Any, middle: Any, high: Any, i: Any) -> Any:
    """Return the highest word below word ``i`` that holds a bit, or ``_NONE``."""
    while True:
        # bits below i in its own word of summaries, or in the next lower word that has any
        j = i >> _SIX
        rest = middle[j] & ((_ONE << (i & _LOW)) - _ONE)
        if rest == 0:
            h = j >> _SIX
            above = high[h] & ((_ONE << (j & _LOW)) - _ONE)
            while above == 0:
                if h == 0:
                    return _NONE
                h -= _ONE
                above = high[h]
            j = (h << _SIX) + (_LOW - leading_zeros(above))
            rest = middle[j]
            if rest == 0:
                high[h] &= ~(_ONE << (j & _LOW))
                i = j << _SIX
                continue
        # a summary that was wrong is corrected, and the search goes on below
        i = (j << _SIX) + (_LOW - leading_zeros(rest))
        if low[i] != 0:
            return i
        middle[j] &= ~(_ONE << (i & _LOW))


@kernel
def _start(bits: Any, start: int, events: int, width: int) -> Any:
    """Return the words with these bits set, and the place of event 0: a multiple of 64, at least ``start``."""
    base = ((start + 63) >> 6) << 6
    low, middle, high = _words(base + (events + 2) * width)
    for s in bits:
        low[s >> 6] |= _ONE << np.uint64(s & 63)
        _note(middle, high, np.uint64(s >> 6))
    return low, middle, high, np.uint64(base)


@kernel
def play_singles(
    asked: Asked, slots: int, bypass: bool, warm: Any, last: Any, record: bool, full: Any, tally: Tally
) -> bool:
    """Play events of one member each; arguments as for ``play_sets``.  Stop with False at an empty event."""
    members, _, first, starts, stage, resets = asked
    missed, by_session, by_column = tally
    columns = np.uint64(first.shape[0])
    room = slots if bypass else slots - 1
    # each event brings one point; ``last[page] - 1`` is the place of the first point after the page's last use
    low, middle, high, here = _start(np.arange(room), room, members.shape[0], 1)
    ahead = np.uint64(1 if bypass else 2)
    for page in warm:
        last[page] = here + ahead - _ONE
    floor = np.uint64(0)
    opening = np.uint64(0)
    earliest = np.uint64(0)
    base = here
    session = 0
    at = np.uint64(0)
    for r in range(stage.shape[0]):
        if session + 1 < starts.shape[0] and starts[session + 1] == r:
            session += 1
            if resets:
                opening = here + ahead - _ONE
                floor = opening
        misses = 0
        for c in range(columns):
            # the new point's word will hold a bit: say so in the summaries
            if here & _LOW == 0:
                _note(middle, high, here >> _SIX)
            e = members[at]
            if e < 0:
                return False
            else:
                page = np.uint64(first[c] + e)
                # ``limit - 1`` is the first point of the interval since the last use; one that begins below ``floor`` finds no bit
                limit = np.uint64(last[page])
                last[page] = here + ahead
                miss = 1
                if limit > floor:
                    if limit == here + _ONE and not bypass:
                        miss = 0  # asked for at the event before: nothing lies between
                    else:
                        place = limit - _ONE
                        i = place >> _SIX
                        # the last bit up to the first point: if there is one, the interval is kept and the bit moves to the new point
                        word = low[i] & (_ALL >> (_LOW - (place & _LOW)))
                        if word == 0:
                            i = _word_before(low, middle, high, i)
                            word = low[i] if i != _NONE else word
                        if word != 0:
                            low[i] &= ~(_ONE << (_LOW - leading_zeros(word)))
                            low[here >> _SIX] |= _ONE << (here & _LOW)
                            miss = 0
                        else:
                            floor = limit
                misses += miss
                by_column[c] += miss
                if record:
                    missed[at] = miss == 1
                    # an interval was dropped: s(t) is the point before the first bit
                    if miss == 1 and limit > opening:
                        earliest = _first_bit(low, earliest, here)
                        full[at] = np.int64(earliest - base) - 1 + (1 if bypass else 0)
            at += _ONE
            here += _ONE
        by_session[session, stage[r]] += misses
    return True


@kernel
def _first_bit(low: Any, place: Any, stop: Any) -> Any:
    """Return the place of the first bit from ``place`` on, at most ``stop``."""
    i = place >> _SIX
    word = low[i] & (_ALL << (place & _LOW))
    while word == 0 and i < stop >> _SIX:
        i += _ONE
        word = low[i]
    return stop if word == 0 else min(stop, (i << _SIX) + trailing_zeros(word))


@kernel
def play_sets(
    asked: Asked,
    slots: int,
    bypass: bool,
    warm: Any,
    last: Any,
    record: bool,
    full: Any,
    tally: Tally,
    bits: Any,
    start: int,
) -> Any:
    """Play events of up to ``width`` members; return the words of bits, and the place after the last event.

    ``warm`` are the pages held at the start; ``last`` holds zeros, one per page.  Misses are added to ``tally``.
    With ``record``, ``tally.missed`` says which requests missed, and
    ``full[t]`` is the point s(t) where event t dropped an interval (it must come filled with -1).
    ``bits`` are the places of the bits at first, ascending: 0..slots-1, or what is left of the events before;
    ``last`` then holds the ends of intervals. All lie below ``start`` but for those set aside for the next event.
    """
    members, width, first, starts, stage, resets = asked
    missed, by_session, by_column = tally
    columns = np.uint64(first.shape[0])
    wide = np.uint64(width)
    events = members.shape[0] // width
    low, middle, high, here = _start(bits, start, events, width)
    held = bits.shape[0]
    ahead = wide if bypass else wide + wide
    for page in warm:
        last[page] = here + ahead - wide
    floor = np.uint64(0)
    opening = np.uint64(0)
    earliest = np.uint64(0)
    base = here
    session = 0
    at = np.uint64(0)
    event = np.uint64(0)
    for r in range(stage.shape[0]):
        if session + 1 < starts.shape[0] and starts[session + 1] == r:
            session += 1
            if resets:
                opening = here + ahead - wide
                floor = opening
        misses = 0
        for c in range(columns):
            # the members, last place first: the order of furthest next use among equals
            present = 0
            column = 0
            dropped = False
            for q in range(wide):
                e = members[at + (wide - _ONE - q)]
                if e >= 0:
                    present += 1
                    page = np.uint64(first[c] + e)
                    limit = np.uint64(last[page])
                    last[page] = here + ahead
                    miss = 1
                    if limit > floor:
                        # asked for at the event before: nothing lies between
                        if limit == here + wide and not bypass:
                            miss = 0
                        else:
                            place = limit - _ONE
                            i = place >> _SIX
                            word = low[i] & (_ALL >> (_LOW - (place & _LOW)))
                            if word == 0:
                                i = _word_before(low, middle, high, i)
                                word = low[i] if i != _NONE else word
                            if word != 0:
                                # kept: the last bit up to its first point goes, so the points from there on have one less to spare
                                low[i] &= ~(_ONE << (_LOW - leading_zeros(word)))
                                held -= 1
                                miss = 0
                            else:
                                # dropped: no interval that begins as early as this one finds a bit later
                                floor = limit
                    column += miss
                    if record:
                        missed[at + (wide - _ONE - q)] = miss == 1
                        if miss == 1 and limit > opening:
                            dropped = True
            misses += column
            by_column[c] += column
            # s(t): the last point before the first bit
            if record and dropped:
                earliest = _first_bit(low, earliest, here)
                if earliest < base:
                    full[event] = -1
                else:
                    full[event] = np.int64((earliest - base) // wide) - 1 + (1 if bypass else 0)
            # the present point: cut the number of bits to its capacity, last ones first, or fill it up
            cap = slots if bypass else max(0, slots - present)
            if held > cap:
                i = here >> _SIX
                while held > cap:
                    if low[i] == 0:
                        i = _word_before(low, middle, high, i)
                    low[i] &= ~(_ONE << (_LOW - leading_zeros(low[i])))
                    held -= 1
            if held < cap:
                place = here
                while held < cap:
                    if place == here or place & _LOW == 0:
                        _note(middle, high, place >> _SIX)
                    low[place >> _SIX] |= _ONE << (place & _LOW)
                    place += _ONE
                    held += 1
            at += wide
            here += wide
            event += _ONE
        by_session[session, stage[r]] += misses
    return low, here, floor


@kernel
def prices(full: Any, bypass: bool, out: Any) -> None:
    """Fill ``out`` (zeros, one per point) with the prices that the module's text describes."""
    last = full.shape[0] + 1
    for t in range(full.shape[0] - 1, -1, -1):
        s = full[t]
        if s >= 0 and last >= (t + 1 if bypass else t):
            out[s] = 1
            last = s


@kernel
def next_uses(asked: Asked, reverse: bool, pages: int) -> Any:
    """Return for every place of an event the place + 1 of the next request of the same page, 0 for none.

    ``reverse`` numbers the members of an event backwards; with ``resets`` no next use lies in a later session.
    """
    members, width, first, starts, _, resets = asked
    columns = first.shape[0]
    # backwards over the events; last[page] is the place + 1 of its next request, ``stop`` the end of the session
    last = np.zeros(pages, np.int64)
    out = np.zeros(members.shape[0], np.int64)
    session = starts.shape[0] - 1
    here = members.shape[0]
    stop = here
    for r in range(members.shape[0] // (width * columns) - 1, -1, -1):
        for c in range(columns - 1, -1, -1):
            here -= width
            for q in range(width):
                e = members[here + q]
                if e >= 0:
                    at = here + (width - 1 - q if reverse else q)
                    later = last[first[c] + e]
                    out[at] = later if later <= stop else 0
                    last[first[c] + e] = at + 1
        if resets and starts[session] == r:
            stop = here
            session -= 1
    return out


@kernel
def play_bytes(
    asked: Asked, capacity: int, bypass: bool, reverse: bool, sizes: Any, following: Any, tally: Tally
) -> int:
    """Play pages of unequal sizes by furthest next use; return the bytes loaded.

    ``following`` comes from ``next_uses`` with the same ``reverse``; ``tally.missed`` is filled if it is not empty.
    """
    members, width, first, starts, stage, resets = asked
    missed, by_session, by_column = tally
    columns = first.shape[0]
    low, middle, high = _words(members.shape[0] + 1)
    held = 0
    loaded = 0
    session = 0
    at = 0
    top = np.uint64(0)  # no bit lies in a later word
    for r in range(stage.shape[0]):
        if session + 1 < starts.shape[0] and starts[session + 1] == r:
            session += 1
            if resets:
                held = 0
        for c in range(columns):
            before = held
            inside = 0
            for q in range(width):
                e = members[at + q]
                if e < 0:
                    continue
                size = sizes[first[c] + e]
                inside += size
                here = np.uint64(at + (width - 1 - q if reverse else q) + 1)
                if (low[here >> _SIX] >> (here & _LOW)) & _ONE:
                    low[here >> _SIX] &= ~(_ONE << (here & _LOW))
                    before -= size
                else:
                    loaded += size
                    by_session[session, stage[r]] += 1
                    by_column[c] += 1
                    if missed.shape[0]:
                        missed[at + q] = True
            held = before  # bytes of the pages held that are outside the event and used again
            kept = 0  # bytes of the members that are used again
            for q in range(width):
                place = at + (width - 1 - q if reverse else q)
                if members[at + q] >= 0 and following[place] > 0:
                    kept += sizes[first[c] + members[at + q]]
            if bypass:
                top = max(top, _insert(members, width, following, low, middle, high, at, reverse))
                held += kept
                inside = 0
                kept = 0
            while held + inside > capacity and held > 0:
                if low[top] == 0:
                    top = _word_before(low, middle, high, top)
                bit = _LOW - leading_zeros(low[top])
                low[top] &= ~(_ONE << bit)
                gone = np.int64((top << _SIX) + bit) - 1
                t = gone // width
                j = gone - t * width
                victim = t * width + (width - 1 - j if reverse else j)
                held -= sizes[first[t % columns] + members[victim]]
            if not bypass:
                top = max(top, _insert(members, width, following, low, middle, high, at, reverse))
            held += kept
            at += width
    return loaded


@kernel
def _insert(members: Any, width: int, following: Any, low: Any, middle: Any, high: Any, at: int, reverse: bool) -> Any:
    """Set a bit at the next use of every member of an event; return the highest word touched."""
    top = np.uint64(0)
    for q in range(width):
        place = at + (width - 1 - q if reverse else q)
        if members[at + q] >= 0 and following[place] > 0:
            then = np.uint64(following[place])
            low[then >> _SIX] |= _ONE << (then & _LOW)
            _note(middle, high, then >> _SIX)
            top = max(top, then >> _SIX)
    return top
