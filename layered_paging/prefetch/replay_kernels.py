"""The replay with prefetching, compiled; policies lru, llru, lfu, lfu-decay and static.

An event has the phases of the reference: judge the cache, drop late guesses, load absent members, admit all members, drop
what the buffer held for the event, note the guesses of the event that is now known, evict, prefetch.  Each is a function
below.  All arrays of ``Pages`` and ``Counted`` are modified in place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.compiled import bare_kernel
from ..engine.hooks import inlined, shared
from ..policies.spec import PolicySpec
from .account import Tally, Work, budget_error

__all__ = ["knows", "play"]

LRU, LLRU, LFU, DECAY, STATIC = range(5)
_CODES = {"lru": LRU, "llru": LLRU, "lfu": LFU, "lfu-decay": DECAY, "static": STATIC}
_DEFAULTS = {"llru": {"rounds": "visit", "same_layer": "far"}, "lfu": {"history": "all"}}
HITS, STAGED, MISSES, REFUSED, SKIPPED = range(5)  # places in ``counts``, see account.COUNTS
DEMAND, IN_TIME, LATE, LATER, EVICTED, UNUSED = range(6)  # places in ``loads``, see account.LOADS
NOW, READY, BUFFERED, OPENING, CLOSING = range(5)  # places in ``Pages.n``


class Plan(NamedTuple):
    """What is replayed; ``first`` has the number of pages behind the last layer."""

    experts: Any
    guesses: Any
    first: Any
    starts: Any
    capacities: Any
    load: Any
    compute: Any
    sizes: Any
    hit_time: int
    overlap: bool
    distance: int
    budget: int
    staging: int
    resets: bool


class Policy(NamedTuple):
    """The policy by its code, the factors of decay by age, and ranks."""

    code: int
    factor: Any
    rank: Any


class Pages(NamedTuple):
    """The caches, the buffer, the channels, and what is known of each page.

    ``arrival`` is when a page is there; ``waiting`` and ``staged`` the event that an unused page in a cache, or a page in the buffer,
    was guessed for (-1: none); ``wanted`` the event that it was last guessed for; ``guard`` the last event with it; ``last`` the event
    and the round of its last use; ``value`` what the policy counts.  ``place`` and ``started`` belong to events ahead, modulo the
    distance: the next guess, and how many were started.
    """

    resident: Any
    arrival: Any
    waiting: Any
    staged: Any
    wanted: Any
    guard: Any
    last: Any
    value: Any
    held: Any
    free: Any
    place: Any
    started: Any
    n: Any


class Counted(NamedTuple):
    """The arrays of a ``Tally``."""

    counts: Any
    loads: Any
    moved: Any
    stalls: Any
    misses: Any
    sums: Any


class Event(NamedTuple):
    """The present event: its number, round, layer, and the pool of its layer."""

    number: int
    round: int
    layer: int
    pool: int


def knows(spec: PolicySpec) -> bool:
    """Return whether the kernel plays this policy with these parameters."""
    if spec.base not in _CODES or not spec.cls.__module__.startswith("layered_paging.policies."):
        return False
    return all(_DEFAULTS.get(spec.base, spec.params).get(key) == value for key, value in spec.params.items())


def play(work: Work) -> Tally:
    """Replay and count; the same as the reference."""
    trace, tally = work.trace, Tally(work.trace.rounds)
    plan = Plan(
        work.experts.astype(np.int32),
        work.guesses.astype(np.int32),
        np.append(work.first, trace.pages),
        trace.sessions.astype(np.int64),
        np.array(work.capacities, np.int64),
        work.load,
        work.compute,
        work.sizes,
        work.time.hit,
        work.time.overlap,
        work.distance,
        work.budget,
        work.staging,
        work.resets,
    )
    counted = Counted(tally.counts, tally.loads, tally.bytes, tally.stall, tally.misses, tally.sums)
    pages = _pages(trace.pages, len(work.capacities), work.time.channels, work.distance)
    outcome = _play(plan, _policy(work), pages, counted)
    if outcome < 0:
        raise budget_error(-1 - outcome)
    tally.total[0] = pages.n[NOW]
    return tally


def _policy(work: Work) -> Policy:
    policy: Any = work.spec.make(work.instance(0))
    factor, rank = np.ones(1), np.zeros(work.trace.pages)
    if work.spec.base == "lfu-decay":
        length = min(work.trace.rounds, int(1100 * policy.half_life) + 2)
        factor = np.array([policy.factor(age) for age in range(length)])
        rank = np.array(policy.prior)
    elif work.spec.base == "static":
        rank = np.array(policy.ranks, np.float64)
    return Policy(_CODES[work.spec.base], factor, rank)


def _pages(pages: int, pools: int, channels: int, distance: int) -> Pages:
    def longs(n: int, value: int = 0) -> Any:
        return np.full(n, value, np.int64)

    absent = longs(pages, -1), longs(pages, -1), longs(pages, -1), longs(pages, -1)
    used = np.zeros((pages, 2), np.int64), np.zeros(pages)
    ahead = longs(distance + 1), longs(distance + 1)
    return Pages(
        np.zeros(pages, np.bool_), longs(pages), *absent, *used, longs(pools), longs(channels), *ahead, longs(5)
    )


@inlined
def _loaded(plan: Any, counted: Any, what: int, page: int) -> None:
    """Count a load by what became of it."""
    counted.loads[what] += 1
    counted.moved[what] += plan.sizes[page]


@inlined
def _channel(free: Any) -> int:
    """Return the channel that is free first."""
    best = 0
    for c in range(1, free.shape[0]):
        if free[c] < free[best]:
            best = c
    return best


@inlined
def _use(policy: Any, pages: Any, page: int, event: Any) -> None:
    """Tell the policy of a use."""
    last, value, factor = pages.last, pages.value, policy.factor
    if policy.code == DECAY:
        if value[page] > 0.0:
            value[page] *= factor[min(event.round - last[page, 1], factor.shape[0] - 1)]
        value[page] += 1.0
    elif policy.code == LFU:
        value[page] += 1.0
    last[page, 0] = event.number
    last[page, 1] = event.round


@inlined
def _score(policy: Any, pages: Any, page: int, event: Any, layers: int) -> Any:
    """Return what the policy evicts the least of; ties go to the oldest use, but for llru to the lowest page."""
    last = pages.last
    if policy.code == LLRU:
        layer = last[page, 0] % layers
        rounds = event.round - last[page, 1] - (1 if layer > event.layer else 0)
        distance = (layer - event.layer) % layers
        if distance == 0:
            distance = layers
        return -(rounds * (layers + 1.0) + distance)
    if policy.code == LFU:
        return pages.value[page]
    if policy.code == DECAY:
        age = min(event.round - last[page, 1], policy.factor.shape[0] - 1)
        return pages.value[page] * policy.factor[age] + policy.rank[page]
    return policy.rank[page]  # 0 for lru


@shared
def _evicted(plan: Any, policy: Any, pages: Any, counted: Any, event: Any, pool: int, sparing: bool) -> bool:
    """Evict a page of a pool, if need be none that an event ahead is guessed to want; return whether there was one."""
    layers = plan.experts.shape[1]
    low, high = 0, plan.sizes.shape[0]
    if plan.capacities.shape[0] > 1:
        low, high = plan.first[pool], plan.first[pool + 1]
    # members of the event stay; while ``sparing``, so does what is guessed for an event ahead
    best = -1
    least = 0.0
    for page in range(low, high):
        shielded = pages.guard[page] == event.number or (sparing and pages.wanted[page] > event.number)
        if not pages.resident[page] or shielded:
            continue
        score = _score(policy, pages, page, event, layers)
        older = policy.code != LLRU and pages.last[page, 0] < pages.last[best, 0]
        if best < 0 or score < least or (score == least and older):
            best = page
            least = score
    if best < 0:
        return False
    # a prefetched page that goes unused was loaded in vain
    pages.resident[best] = False
    pages.held[pool] -= 1
    if pages.waiting[best] >= 0:
        pages.waiting[best] = -1
        _loaded(plan, counted, EVICTED, best)
    return True


@shared
def _begin(plan: Any, pages: Any, counted: Any) -> None:
    """Begin a session with empty caches and all channels at rest."""
    _end(plan, pages, counted)
    pages.resident[:] = False
    pages.held[:] = 0
    pages.waiting[:] = -1
    pages.wanted[:] = -1
    pages.value[:] = 0.0
    pages.free[:] = pages.n[NOW]


@shared
def _end(plan: Any, pages: Any, counted: Any) -> None:
    """Count what was loaded and never used."""
    for page in range(pages.waiting.shape[0]):
        if pages.waiting[page] >= 0:
            _loaded(plan, counted, UNUSED, page)


@shared
def _judge(plan: Any, pages: Any, counted: Any, event: Any) -> int:
    """Note the members, and how good the cache is as a set; return how many members are complete."""
    now, base = pages.n[NOW], plan.first[event.layer]
    inside = members = complete = hits = 0
    # the layer's complete pages, used or not
    for page in range(base, plan.first[event.layer + 1]):
        if pages.resident[page] and pages.arrival[page] <= now:
            inside += 1
    for q in range(plan.experts.shape[2]):
        e = plan.experts[event.round, event.layer, q]
        if e < 0:
            continue
        page = base + e
        pages.guard[page] = event.number
        members += 1
        if (pages.resident[page] or pages.staged[page] >= 0) and pages.arrival[page] <= now:
            complete += 1
            if pages.resident[page]:
                hits += 1
    # the shares of the cache that are members, and of the members that are in the cache
    if inside > 0:
        counted.sums[0] += hits / inside
        counted.sums[1] += 1
    if members > 0:
        counted.sums[2] += hits / members
        counted.sums[3] += 1
    counted.counts[HITS] += hits
    counted.counts[STAGED] += complete - hits
    counted.counts[MISSES] += members - complete
    counted.misses[event.round] += members - complete
    return complete


@shared
def _skip(plan: Any, pages: Any, counted: Any, event: Any) -> None:
    """Count the guesses of the event that did not start in time."""
    slot = event.number % (plan.distance + 1)
    if event.number - plan.distance < pages.n[OPENING]:
        return
    seen = 0
    for q in range(plan.guesses.shape[2]):
        e = plan.guesses[event.round, event.layer, q]
        if e < 0:
            continue
        page = plan.first[event.layer] + e
        absent = not pages.resident[page] and pages.staged[page] < 0
        if seen >= pages.place[slot] and pages.started[slot] < plan.budget and absent:
            counted.counts[SKIPPED] += 1
        seen += 1


@shared
def _load_absent(plan: Any, pages: Any, counted: Any, event: Any) -> None:
    """Load absent members, each by the channel that is free first; note when all members are there."""
    now = pages.n[NOW]
    ready = now
    for q in range(plan.experts.shape[2]):
        e = plan.experts[event.round, event.layer, q]
        if e < 0:
            continue
        page = plan.first[event.layer] + e
        if not pages.resident[page] and pages.staged[page] < 0:
            c = _channel(pages.free)
            pages.free[c] = max(now, pages.free[c]) + plan.load[page]
            pages.arrival[page] = pages.free[c]
            _loaded(plan, counted, DEMAND, page)
        ready = max(ready, pages.arrival[page])
    pages.n[READY] = ready


@shared
def _admit(plan: Any, policy: Any, pages: Any, counted: Any, event: Any) -> None:
    """Put all members into the cache, and count what became of those that were prefetched."""
    now = pages.n[NOW]
    for q in range(plan.experts.shape[2]):
        e = plan.experts[event.round, event.layer, q]
        if e < 0:
            continue
        page = plan.first[event.layer] + e
        # a prefetched page is used here for the first time; one that was guessed for another event came for a later use
        what = IN_TIME if pages.arrival[page] <= now else LATE
        if pages.resident[page]:
            if pages.waiting[page] >= 0:
                _loaded(plan, counted, what if pages.waiting[page] == event.number else LATER, page)
                pages.waiting[page] = -1
        else:
            if pages.staged[page] >= 0:
                _loaded(plan, counted, what, page)
                pages.staged[page] = -1
                pages.n[BUFFERED] -= 1
            pages.resident[page] = True
            pages.held[event.pool] += 1
        _use(policy, pages, page, event)


@shared
def _empty_buffer(plan: Any, pages: Any, counted: Any, event: Any) -> None:
    """Drop what the buffer held for the event."""
    for q in range(plan.guesses.shape[2]):
        e = plan.guesses[event.round, event.layer, q]
        if e >= 0 and pages.staged[plan.first[event.layer] + e] >= 0:
            page = plan.first[event.layer] + e
            pages.staged[page] = -1
            pages.n[BUFFERED] -= 1
            _loaded(plan, counted, EVICTED, page)


@shared
def _note_guesses(plan: Any, pages: Any, event: Any) -> None:
    """Note the guesses of the event that is ``distance`` ahead, which are known now, if the session has it."""
    target = event.number + plan.distance
    if plan.budget == 0 or target >= pages.n[CLOSING]:
        return
    pages.place[target % (plan.distance + 1)] = 0
    pages.started[target % (plan.distance + 1)] = 0
    if plan.staging == 0:
        r, layer = target // plan.experts.shape[1], target % plan.experts.shape[1]
        for q in range(plan.guesses.shape[2]):
            if plan.guesses[r, layer, q] >= 0:
                pages.wanted[plan.first[layer] + plan.guesses[r, layer, q]] = target


@shared
def _prefetch(plan: Any, policy: Any, pages: Any, counted: Any, event: Any, limit: int) -> None:
    """Start guesses for the events ahead, the nearest first, while a channel is free before ``limit``."""
    if plan.budget == 0:
        return
    last = min(event.number + plan.distance, pages.n[CLOSING] - 1)
    for target in range(max(event.number + 1, pages.n[OPENING] + plan.distance), last + 1):
        if not _prefetch_for(plan, policy, pages, counted, event, target, limit):
            return


@shared
def _prefetch_for(plan: Any, policy: Any, pages: Any, counted: Any, event: Any, target: int, limit: int) -> bool:
    """Start guesses for one event ahead; return whether there may be room for another event's."""
    layers = plan.experts.shape[1]
    r, layer = target // layers, target % layers
    slot = target % (plan.distance + 1)
    pool = layer if plan.capacities.shape[0] > 1 else 0
    seen = 0
    for q in range(plan.guesses.shape[2]):
        if plan.guesses[r, layer, q] < 0:
            continue
        # guesses that were handled at an earlier event
        seen += 1
        if seen <= pages.place[slot]:
            continue
        if pages.started[slot] >= plan.budget:
            return True
        page = plan.first[layer] + plan.guesses[r, layer, q]
        if pages.resident[page] or pages.staged[page] >= 0:
            pages.place[slot] = seen
            continue
        # no channel, or no room in the buffer: try again at the next event
        c = _channel(pages.free)
        start = max(pages.n[NOW], pages.free[c])
        if start >= limit or (plan.staging > 0 and pages.n[BUFFERED] >= plan.staging):
            return False
        pages.place[slot] = seen
        if plan.staging > 0:
            pages.staged[page] = target
            pages.n[BUFFERED] += 1
        else:
            # into the cache, which may have to evict; where nothing may go the guess is refused
            if pages.held[pool] >= plan.capacities[pool] and not _evicted(
                plan, policy, pages, counted, event, pool, True
            ):
                counted.counts[REFUSED] += 1
                continue
            _use(policy, pages, page, event)
            pages.resident[page] = True
            pages.held[pool] += 1
            pages.waiting[page] = target
        pages.free[c] = start + plan.load[page]
        pages.arrival[page] = pages.free[c]
        pages.started[slot] += 1
    return True


@bare_kernel
def _play(plan: Plan, policy: Policy, pages: Pages, counted: Counted) -> int:
    """Replay; return 0, or -1 - round where an event does not fit."""
    rounds, layers, _ = plan.experts.shape
    n, starts = pages.n, plan.starts
    session = 0
    n[CLOSING] = (starts[1] if starts.shape[0] > 1 else rounds) * layers
    for r in range(rounds):
        if session + 1 < starts.shape[0] and starts[session + 1] == r:
            session += 1
            n[OPENING] = r * layers
            n[CLOSING] = (starts[session + 1] if session + 1 < starts.shape[0] else rounds) * layers
            if plan.resets:
                _begin(plan, pages, counted)
        for layer in range(layers):
            event = Event(r * layers + layer, r, layer, layer if plan.capacities.shape[0] > 1 else 0)
            complete = _judge(plan, pages, counted, event)
            _skip(plan, pages, counted, event)
            _load_absent(plan, pages, counted, event)
            _admit(plan, policy, pages, counted, event)
            if plan.staging > 0:
                _empty_buffer(plan, pages, counted, event)
            _note_guesses(plan, pages, event)
            while pages.held[event.pool] > plan.capacities[event.pool]:
                # what an event ahead is guessed to want goes only when nothing else is left
                gone = _evicted(plan, policy, pages, counted, event, event.pool, True)
                if not gone and not _evicted(plan, policy, pages, counted, event, event.pool, False):
                    return -1 - r
            ready = n[READY]
            service = plan.compute[layer] + plan.hit_time * complete
            _prefetch(plan, policy, pages, counted, event, ready + service if plan.overlap else ready)
            if not plan.overlap:
                for c in range(pages.free.shape[0]):
                    ready = max(ready, pages.free[c])
            counted.stalls[r] += ready - n[NOW]
            n[NOW] = ready + service
    _end(plan, pages, counted)
    return 0
