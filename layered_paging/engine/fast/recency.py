"""A replay of ``lru`` and ``llru`` of its own: the cache as a bitmap over the requests of the trace.

The common loop takes 7 to 16 times as long for LRU, as it moves pages through linked lists, and more than 20 times as long for
LLRU, as it looks through all pages at each eviction (``python tests/benchmarks/kernels.py`` prints the ratios).  Three loops here:
LRU and LLRU where each event has one member, and either in every mode.

Every request has a *place*: its index in the laid-out trace.  A page that was requested is *live*
at the place of its last request until it is evicted or requested again.  One bit per place says what
is live; bits of places to come are set beforehand, so that serving a request only clears the bit of
the page's previous place.  Recency order is the order of places, so

* LRU evicts the first live place: the word that holds it is kept in a register, and a page is in
  the cache iff its last place is not before the first live one;
* LLRU evicts from the window of places that share the largest last-round index, which starts at
  the first live place and spans one round: a search in one or two words.

Resets cost O(1): everything before the present place is dead.  The page of a place is read from the
trace itself.  Memory: one bit per request and one integer per page.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.compiled import kernel, leading_zeros, trailing_zeros
from ...core.counts import Counts
from ...core.layout import Arrays, Grid, locked
from ...errors import ParameterError
from ..task import Task
from .past_use import discount, live, resumed

__all__ = ["play"]

_ONE, _SIX, _LOW, _FULL, _NONE = np.uint64(1), np.uint64(6), np.uint64(63), np.uint64(2**64 - 1), np.uint64(0)
_PAD, _PAD64 = 64, np.uint64(64)  # places start here, so that 0 can mean "never requested"


class Bits(NamedTuple):
    """The cache, modified in place: live bits by place, and the last place of each page (0: never requested)."""

    words: Any
    last: Any


class Tally(NamedTuple):
    """Where the loops count, modified in place; ``flags`` is empty if not asked for."""

    misses: Any
    by_layer: Any
    flags: Any


class Mode(NamedTuple):
    """How ``_events`` rules: ``convention`` -1 is LRU, else LLRU (bit 1: absolute rounds, bit 0: same layer near).

    ``unsorted``: members do not come in ascending page number within their layer.
    """

    in_bytes: bool
    bypass: bool
    layers: int
    convention: int
    unsorted: bool


def play(task: Task) -> Counts:
    """Replay one pool with LRU or LLRU; see ``past_use`` for parts of a longer trace.

    Raises
    ------
    ParameterError
        More than 2^32 requests at once, or 2^63 bytes.
    """
    task.check_bytes()
    grid, sizes, resets, before = task.grid, task.sizes, task.rules.resets, 0
    if task.carry is not None:
        grid, before = resumed(grid, task.carry, resets)
    rounds, columns, width = grid.shape
    places = rounds * columns * width + _PAD
    if places >= 1 << 32:
        raise ParameterError(f"a replay holds at most 2^32 requests at once; got {places - _PAD} (replay it in parts)")
    counts = Counts.zero(grid, task.record)
    flags = np.zeros((0, 0, 0), np.bool_) if counts.flags is None else counts.flags
    bits = Bits(np.full((places >> 6) + 4, _FULL, np.uint64), np.zeros(grid.pages, np.uint32))
    tally = Tally(counts.misses, counts.layer_misses, flags)
    mode = _mode_of(task, grid)
    single = width == 1 and not mode.unsorted and not task.record and not mode.bypass and sizes is None
    if single and task.capacity >= 1 and mode.convention < 0:
        lowest = _lru_single(grid.arrays(), resets, task.capacity, bits, tally)
        counts.missed_bytes = int(counts.misses.sum())
    elif single and task.capacity >= 1 and mode.convention < 2 and mode.layers <= 62:
        lowest = _llru_single(grid.arrays(), resets, task.capacity, bits, mode.convention == 0, tally)
        counts.missed_bytes = int(counts.misses.sum())
    else:
        known = locked(np.ones(grid.pages, np.int64) if sizes is None else sizes)
        counts.missed_bytes, lowest = _events(grid.arrays(), resets, task.capacity, bits, known, mode, tally)
    if task.carry is not None:
        discount(counts, grid, before, sizes)
        task.carry["past"] = live(grid, bits.last, bits.words, int(lowest))
    return counts


def _mode_of(task: Task, grid: Grid) -> Mode:
    layers, columns = len(np.unique(grid.layer)), grid.shape[1]
    unsorted = grid.ranked or columns != layers
    params = task.spec.params
    convention = 2 * (params.get("rounds", "visit") != "visit") + (params.get("same_layer", "far") != "far")
    if task.spec.base != "llru" or (layers == 1 and not unsorted):
        convention = -1
    return Mode(task.in_bytes, task.rules.bypass, layers, convention, unsorted)


@kernel
def _lru_single(grid: Arrays, resets: bool, slots: int, bits: Bits, tally: Tally) -> Any:
    """LRU on events of one member, without a branch on hit or miss.

    A page is in the cache iff its last place is not before ``tail``, the first live place.  Both ways
    on, with and without an eviction, are worked out before it is known which one is taken.
    """
    experts, first, layer, starts, stage = grid.experts, grid.first, grid.layer, grid.starts, grid.stage
    words, last, misses, by_layer = bits.words, bits.last, tally.misses, tally.by_layer
    rounds, columns, _ = experts.shape
    by_column = np.zeros(columns, np.int64)
    place = np.uint32(_PAD)
    base = _PAD64  # first place of the word that holds the tail
    word = _FULL  # its live bits
    tail = _PAD64
    total: Any = 0
    full_from = slots  # the number of misses at which the cache is full
    session = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if resets:  # everything before the present place is dead, and the cache is empty
                full_from = total + slots
                tail = np.uint64(place)
                base = tail & ~_LOW
                word = words[base >> _SIX] & (_FULL << (tail & _LOW))
        before = total
        for c in range(columns):
            e = experts[r, c, 0]
            if e < 0:  # no request: its place is dead, which matters to the register if its word is held there
                bit = _ONE << (np.uint64(place) & _LOW)
                words[place >> 6] &= ~bit
                if np.uint64(place) - base < _PAD64:
                    word &= ~bit
                    while word == _NONE:
                        base += _PAD64
                        word = words[base >> _SIX]
                    tail = base + trailing_zeros(word)
                place += np.uint32(1)
                continue
            page = np.uint32(first[c] + e)
            # the page's previous place dies; the new one is live already
            old = np.uint64(last[page])
            last[page] = place
            place += np.uint32(1)
            keep = ~(_ONE << (old & _LOW))
            words[old >> _SIX] &= keep
            missed = old < tail
            evict = missed and total >= full_from
            # the register and the tail without an eviction, and with one: the lowest live bit goes
            stays = word & (keep if old - base < _PAD64 else _FULL)
            leaves = stays & (stays - _ONE)
            tail_stays = base + trailing_zeros(stays)
            tail_leaves = base + trailing_zeros(leaves)
            total += missed
            by_column[c] += missed
            word = leaves if evict else stays
            tail = tail_leaves if evict else tail_stays
            # an empty register: the tail is in a later word
            while word == _NONE:
                base += _PAD64
                word = words[base >> _SIX]
                tail = base + trailing_zeros(word)
        misses[session, stage[r]] += total - before
    for c in range(columns):
        by_layer[layer[c]] += by_column[c]
    return tail


@kernel
def _llru_single(grid: Arrays, resets: bool, slots: int, bits: Bits, far: bool, tally: Tally) -> Any:
    """LLRU (rounds by visit) on events of one member, 2 to 62 layers.

    The pages of a round are distinct, so their last places are looked up for the whole round
    first; a page that a later miss of the round evicts is noticed when its turn comes.  The window of the
    largest last-round index goes from the first live place to the next place of the present layer.
    """
    experts, first, layer, starts, stage = grid.experts, grid.first, grid.layer, grid.starts, grid.stage
    words, last, misses, by_layer = bits.words, bits.last, tally.misses, tally.by_layer
    rounds, columns, _ = experts.shape
    words[0] = _NONE
    by_column = np.zeros(columns, np.int64)
    olds = np.zeros(columns, np.uint32)
    lives = np.zeros(columns, np.uint8)  # 0: not in the cache, 1: in it, 2: no request
    layers = np.uint64(columns)
    place = np.uint32(_PAD)
    tail = _PAD64  # no live place before it
    turn = _PAD64  # first place of the tail's round
    total = 0
    full_from = slots
    session = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if resets:
                full_from = total + slots
                last[:] = 0
                tail = np.uint64(place)
                turn = tail
        before = total
        # look up the last places of the whole round, and set the new ones
        now = np.uint64(place) - _ONE
        for c in range(columns):
            e = experts[r, c, 0]
            if e < 0:
                lives[c] = 2
                olds[c] = 0
                words[place >> 6] &= ~(_ONE << (np.uint64(place) & _LOW))
            else:
                page = np.uint32(first[c] + e)
                old = last[page]
                last[page] = place
                olds[c] = old
                lives[c] = np.uint8((words[old >> 6] >> (np.uint64(old) & _LOW)) & _ONE)
            place += np.uint32(1)
        # serve the requests; a page that was live at the lookup may have been evicted since
        for c in range(columns):
            now += _ONE
            old = np.uint64(olds[c])
            before_word = words[old >> _SIX]
            bit = before_word & (_ONE << (old & _LOW))
            words[old >> _SIX] = before_word ^ bit
            if lives[c] == 0 or bit == _NONE:
                if lives[c] == 2:
                    continue
                by_column[c] += 1
                total += 1
                if total > full_from:
                    # 64 places from the tail on, read across two words; the tail moves to the first live place
                    at = tail >> _SIX
                    shift = tail & _LOW
                    window = (words[at] >> shift) | ((words[at + _ONE] << _ONE) << (_LOW - shift))
                    while window == _NONE:
                        tail += _PAD64
                        at = tail >> _SIX
                        window = (words[at] >> shift) | ((words[at + _ONE] << _ONE) << (_LOW - shift))
                    begin = tail
                    skip = trailing_zeros(window)
                    tail += skip
                    # the round of the tail: it rarely moves by more than one
                    turn = turn + layers if tail >= turn + layers else turn
                    while tail >= turn + layers:
                        turn += layers
                    reach = turn + np.uint64(c) - tail  # places from the tail to the present layer's, modulo the layers
                    reach = reach + layers if reach >= layers else reach
                    if (
                        skip + reach > _LOW
                    ):  # the window does not fit behind the dead places: read it again from the tail
                        begin = tail
                        skip = _NONE
                        at = tail >> _SIX
                        shift = tail & _LOW
                        window = (words[at] >> shift) | ((words[at + _ONE] << _ONE) << (_LOW - shift))
                    # its last live place goes; the one at its end, of the present layer, goes last if that layer is near,
                    # or if it is the present request itself
                    inside = window & (_FULL >> (_LOW - skip - reach))
                    if not far or tail + reach == now:
                        others = inside & ~(_ONE << (skip + reach))
                        inside = others if others != _NONE else inside
                    victim = begin + _LOW - leading_zeros(inside)
                    words[victim >> _SIX] ^= _ONE << (victim & _LOW)
        misses[session, stage[r]] += total - before
    for c in range(columns):
        by_layer[layer[c]] += by_column[c]
    return _PAD64


@kernel
def _events(grid: Arrays, resets: bool, capacity: int, bits: Bits, sizes: Any, mode: Mode, tally: Tally) -> Any:
    """LRU or LLRU in every mode; return the bytes loaded, and the first place that is not dead."""
    experts, first, layer, starts, stage = grid.experts, grid.first, grid.layer, grid.starts, grid.stage
    words, last, misses, by_layer, flags = bits.words, bits.last, tally.misses, tally.by_layer, tally.flags
    layers, convention = mode.layers, mode.convention
    rounds, columns, width = experts.shape
    group = columns * width // layers  # places of one layer in one round
    words[0] = _NONE
    record = flags.shape[0] > 0
    place = _PAD
    base = _PAD  # places before it are dead
    tail = _PAD  # no live place before it
    held: Any = 0
    missed_bytes = 0
    session = 0
    for r in range(rounds):
        while session + 1 < starts.shape[0] and starts[session + 1] <= r:
            session += 1
            if resets:
                base = place
                tail = place
                held = 0
        missed = 0
        for c in range(columns):
            # the members move to new places, there or not
            begin = place
            count: Any = 0
            for q in range(width):
                e = experts[r, c, q]
                if e >= 0:
                    page = np.uint32(first[c] + e)
                    old = np.uint64(last[page])
                    last[page] = np.uint32(place)
                    bit = _ONE << (old & _LOW)
                    live = (words[old >> _SIX] & bit) != _NONE and old >= np.uint64(base)
                    words[old >> _SIX] &= ~bit
                    absent = 1 - np.int64(live)
                    count += absent
                    size = sizes[page]
                    missed_bytes += size * absent
                    held += (size if mode.in_bytes else 1) * absent
                    if record:
                        flags[r, c, q] = not live
                else:
                    words[np.uint64(place) >> _SIX] &= ~(_ONE << (np.uint64(place) & _LOW))
                place += 1
            missed += count
            by_layer[layer[c]] += count
            # evict until it fits
            limit = place if mode.bypass else begin  # victims lie before it
            while held > capacity:
                tail = _first_live(words, tail, limit)
                if tail == limit:
                    break
                if convention < 0:
                    victim = tail
                else:
                    victim = _victim(words, tail, limit, r * layers, c * layers // columns, layers, group, convention)
                    # ties go to the lowest page, which is the first of the group where members are sorted
                    if mode.unsorted:
                        victim = _lowest_page(words, victim, limit, experts, first, group)
                    else:
                        start = victim - (victim - _PAD) % group
                        victim = _first_live(words, max(start, tail), limit)
                words[np.uint64(victim) >> _SIX] &= ~(_ONE << (np.uint64(victim) & _LOW))
                held -= sizes[_page_of(victim, experts, first)] if mode.in_bytes else 1
        misses[session, stage[r]] += missed
    return missed_bytes, base


@kernel
def _page_of(place: int, experts: Any, first: Any) -> int:
    """Return the page requested at a place."""
    _, columns, width = experts.shape
    index = place - _PAD
    event = index // width
    r = event // columns
    c = event - r * columns
    return int(first[c] + experts[r, c, index - event * width])


@kernel
def _first_live(words: Any, place: int, limit: int) -> Any:
    """Return the first live place from ``place`` on and before ``limit``, else ``limit``."""
    at = np.uint64(place) >> _SIX
    word = words[at] & (_FULL << (np.uint64(place) & _LOW))
    while word == _NONE and (at << _SIX) < np.uint64(limit):
        at += _ONE
        word = words[at]
    found = np.int64((at << _SIX) + trailing_zeros(word))
    return min(found, limit)


@kernel
def _last_live(words: Any, low: int, high: int) -> Any:
    """Return the last live place in low..high-1, else -1."""
    if high <= low:
        return -1
    at = np.uint64(high - 1) >> _SIX
    end = np.uint64(low) >> _SIX
    word = words[at] & (_FULL >> (_LOW - (np.uint64(high - 1) & _LOW)))
    while word == _NONE and at > end:
        at -= _ONE
        word = words[at]
    if word == _NONE:
        return -1
    found = np.int64((at << _SIX) + _LOW - leading_zeros(word))
    return found if found >= low else -1


@kernel
def _victim(words: Any, tail: int, limit: int, base: int, now: int, layers: int, group: int, convention: int) -> Any:
    """Return a live place of the page that LLRU evicts, or of its companions in the same layer and round.

    Groups (the places of one layer in one round) are numbered through the rounds; the present
    one is ``base + now``.  The candidates of largest R lie in one round of groups from the first live
    one on; D then orders them: the present layer first (or last, if near), then the layers already
    passed from the nearest back, and around.
    """
    oldest = (tail - _PAD) // group
    if convention < 2:  # R counts visits of the page's own layer: the window ends at the present layer
        end = base + now - (base + now - oldest) // layers * layers
        low = end - layers + 1
        split = end
    else:  # R counts rounds: the window is a round of the model
        low = oldest // layers * layers
        end = low + layers - 1
        split = low + now
    far = (convention & 1) == 0
    top = _PAD + (split + (1 if far else 0)) * group
    start = max(tail, _PAD + low * group)
    found = _last_live(words, start, min(limit, top))
    if found < 0 and split < end:
        found = _last_live(words, max(start, _PAD + (split + 1) * group), min(limit, _PAD + (end + 1) * group))
    if found < 0:
        found = _last_live(words, max(start, _PAD + split * group), min(limit, _PAD + (split + 1) * group))
    return found


@kernel
def _lowest_page(words: Any, victim: Any, limit: int, experts: Any, first: Any, group: int) -> Any:
    """Return the live place of the lowest page among those of the victim's layer and round."""
    begin = victim - (victim - _PAD) % group
    best = victim
    page = _page_of(victim, experts, first)
    place = _first_live(words, begin, min(limit, begin + group))
    while place < min(limit, begin + group):
        other = _page_of(place, experts, first)
        if other < page:
            page = other
            best = place
        place = _first_live(words, place + 1, min(limit, begin + group))
    return best
