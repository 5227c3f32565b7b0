"""The replay with prefetching, compiled; policies lru, llru, lfu, lfu-decay and static."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import kernel
from ..policies.spec import PolicySpec
from .account import Tally, Work, budget_error

__all__ = ["knows", "play"]

LRU, LLRU, LFU, DECAY, STATIC = range(5)
_CODES = {"lru": LRU, "llru": LLRU, "lfu": LFU, "lfu-decay": DECAY, "static": STATIC}
_DEFAULTS = {"llru": {"rounds": "visit", "same_layer": "far"}, "lfu": {"history": "all"}}


def knows(spec: PolicySpec) -> bool:
    """Return whether the kernel plays this policy with these parameters."""
    if spec.base not in _CODES or not spec.cls.__module__.startswith("layered_paging.policies."):
        return False
    return all(_DEFAULTS.get(spec.base, spec.params).get(key) == value for key, value in spec.params.items())


def play(work: Work) -> Tally:
    """Replay and count; the same as the reference."""
    trace, tally = work.trace, Tally(work.trace.rounds)
    policy: Any = work.spec.make(work.instance(0))
    factor, rank = np.ones(1), np.zeros(trace.pages)
    if work.spec.base == "lfu-decay":
        length = min(trace.rounds, int(1100 * policy.half_life) + 2)
        factor = np.array([policy.factor(age) for age in range(length)])
        rank = np.array(policy.prior)
    elif work.spec.base == "static":
        rank = np.array(policy.ranks, np.float64)
    outcome = _play(
        _CODES[work.spec.base],
        factor,
        rank,
        work.experts.astype(np.int32),
        work.guesses.astype(np.int32),
        np.append(work.first, trace.pages),
        trace.sessions.astype(np.int64),
        np.array(work.capacities, np.int64),
        work.load,
        work.compute,
        work.sizes,
        work.time.hit,
        np.zeros(work.time.channels, np.int64),
        work.time.overlap,
        work.distance,
        work.budget,
        work.staging,
        work.resets,
        tally.counts,
        tally.loads,
        tally.bytes,
        tally.stall,
        tally.misses,
        tally.total,
        tally.sums,
    )
    if outcome < 0:
        raise budget_error(-1 - outcome)
    return tally


@kernel
def _use(code: int, page: int, event: int, r: int, factor: Any, last: Any, value: Any) -> None:
    if code == DECAY:
        if value[page] > 0.0:
            value[page] *= factor[min(r - _round(last, page), factor.shape[0] - 1)]
        value[page] += 1.0
    elif code == LFU:
        value[page] += 1.0
    last[page, 0] = event
    last[page, 1] = r


@kernel
def _round(last: Any, page: int) -> int:
    return last[page, 1]  # type: ignore[no-any-return]


@kernel
def _victim(
    code: int, low: int, high: int, event: int, r: int, layer: int, layers: int, factor: Any, rank: Any,
    last: Any, value: Any, resident: Any, guard: Any, wanted: Any, sparing: bool, newest: int,
) -> int:  # fmt: skip
    """Return the page of ``low``..``high`` - 1 to evict, or -1; ``sparing``: none that is wanted by an event ahead."""
    best = -1
    least = 0.0
    for page in range(low, high):
        if not resident[page] or guard[page] == event or page == newest or (sparing and wanted[page] > event):
            continue
        if code == LLRU:
            at = last[page, 0] % layers
            rounds = r - last[page, 1]
            if at > layer:
                rounds -= 1
            distance = (at - layer) % layers
            if distance == 0:
                distance = layers
            score = -(rounds * (layers + 1.0) + distance)
        elif code == LFU:
            score = value[page]
        elif code == DECAY:
            score = value[page] * factor[min(r - last[page, 1], factor.shape[0] - 1)] + rank[page]
        elif code == STATIC:
            score = rank[page]
        else:
            score = 0.0
        if best >= 0:
            if score > least:
                continue
            if score == least and (code == LLRU or last[page, 0] >= last[best, 0]):
                continue
        best = page
        least = score
    return best


@kernel
def _channel(free: Any) -> int:
    best = 0
    for c in range(1, free.shape[0]):
        if free[c] < free[best]:
            best = c
    return best


@kernel
def _play(
    code: int, factor: Any, rank: Any, experts: Any, guesses: Any, first: Any, starts: Any, capacities: Any, load: Any,
    compute: Any, sizes: Any, hit_time: int, free: Any, overlap: bool, distance: int, budget: int, staging: int,
    resets: bool, counts: Any, loads: Any, moved: Any, stalls: Any, misses: Any, total: Any, sums: Any,
) -> int:  # fmt: skip
    rounds, layers, width = experts.shape
    most = guesses.shape[2]
    pages = sizes.shape[0]
    shared = capacities.shape[0] == 1
    resident = np.zeros(pages, np.bool_)
    held = np.zeros(capacities.shape[0], np.int64)
    arrival = np.zeros(pages, np.int64)
    waiting = np.full(pages, -1, np.int64)
    staged = np.full(pages, -1, np.int64)
    wanted = np.full(pages, -1, np.int64)
    guard = np.full(pages, -1, np.int64)
    last = np.zeros((pages, 2), np.int64)
    value = np.zeros(pages)
    place = np.zeros(distance + 1, np.int64)
    started = np.zeros(distance + 1, np.int64)
    buffered = 0
    now = 0
    session = 0
    opening = 0
    closing = (starts[1] if starts.shape[0] > 1 else rounds) * layers
    for r in range(rounds):
        if session + 1 < starts.shape[0] and starts[session + 1] == r:
            session += 1
            opening = r * layers
            closing = (starts[session + 1] if session + 1 < starts.shape[0] else rounds) * layers
            if resets:
                for page in range(pages):
                    if waiting[page] >= 0:
                        loads[5] += 1
                        moved[5] += sizes[page]
                resident[:] = False
                held[:] = 0
                waiting[:] = -1
                wanted[:] = -1
                value[:] = 0.0
                free[:] = now
        for layer in range(layers):
            event = r * layers + layer
            base = first[layer]
            pool = 0 if shared else layer
            low = 0 if shared else base
            high = pages if shared else first[layer + 1]
            # how good the cache is as a set
            inside = 0
            for page in range(base, first[layer + 1]):
                if resident[page] and arrival[page] <= now:
                    inside += 1
            members = 0
            complete = 0
            hits = 0
            for q in range(width):
                if experts[r, layer, q] < 0:
                    continue
                page = base + experts[r, layer, q]
                guard[page] = event
                members += 1
                if (resident[page] or staged[page] >= 0) and arrival[page] <= now:
                    complete += 1
                    if resident[page]:
                        hits += 1
            if inside > 0:
                sums[0] += hits / inside
                sums[1] += 1
            if members > 0:
                sums[2] += hits / members
                sums[3] += 1
            counts[0] += hits
            counts[1] += complete - hits
            counts[2] += members - complete
            misses[r] += members - complete
            slot = event % (distance + 1)
            if event - distance >= opening:
                spent = started[slot]
                seen = 0
                for q in range(most):
                    if guesses[r, layer, q] < 0:
                        continue
                    page = base + guesses[r, layer, q]
                    if seen >= place[slot] and spent < budget and not resident[page] and staged[page] < 0:
                        counts[4] += 1
                    seen += 1
            ready = now
            for q in range(width):
                if experts[r, layer, q] < 0:
                    continue
                page = base + experts[r, layer, q]
                if not resident[page] and staged[page] < 0:
                    c = _channel(free)
                    free[c] = max(now, free[c]) + load[page]
                    arrival[page] = free[c]
                    loads[0] += 1
                    moved[0] += sizes[page]
                ready = max(ready, arrival[page])
            for q in range(width):
                if experts[r, layer, q] < 0:
                    continue
                page = base + experts[r, layer, q]
                what = 1 if arrival[page] <= now else 2
                if resident[page]:
                    if waiting[page] >= 0:
                        if waiting[page] != event:
                            what = 3
                        loads[what] += 1
                        moved[what] += sizes[page]
                        waiting[page] = -1
                else:
                    if staged[page] >= 0:
                        loads[what] += 1
                        moved[what] += sizes[page]
                        staged[page] = -1
                        buffered -= 1
                    resident[page] = True
                    held[pool] += 1
                _use(code, page, event, r, factor, last, value)
            if staging > 0:
                for q in range(most):
                    if guesses[r, layer, q] >= 0:
                        page = base + guesses[r, layer, q]
                        if staged[page] >= 0:
                            staged[page] = -1
                            buffered -= 1
                            loads[4] += 1
                            moved[4] += sizes[page]
            end = min(event + distance, closing - 1)
            if budget > 0 and event + distance == end:
                place[end % (distance + 1)] = 0
                started[end % (distance + 1)] = 0
                if staging == 0:
                    tr, tl = end // layers, end % layers
                    for q in range(most):
                        if guesses[tr, tl, q] >= 0:
                            wanted[first[tl] + guesses[tr, tl, q]] = end
            while held[pool] > capacities[pool]:
                gone = _victim(
                    code,
                    low,
                    high,
                    event,
                    r,
                    layer,
                    layers,
                    factor,
                    rank,
                    last,
                    value,
                    resident,
                    guard,
                    wanted,
                    True,
                    -1,
                )
                if gone < 0:
                    gone = _victim(
                        code, low, high, event, r, layer, layers, factor, rank, last, value, resident, guard, wanted,
                        False, -1,
                    )  # fmt: skip
                if gone < 0:
                    return -1 - r
                resident[gone] = False
                held[pool] -= 1
                if waiting[gone] >= 0:
                    waiting[gone] = -1
                    loads[4] += 1
                    moved[4] += sizes[gone]
            service = compute[layer] + hit_time * complete
            limit = ready + service if overlap else ready
            target = event + 1 if budget > 0 else end + 1
            while target <= end:
                if target - distance < opening:
                    target += 1
                    continue
                tr, tl = target // layers, target % layers
                slot = target % (distance + 1)
                into = 0 if shared else tl
                seen = 0
                full = False
                for q in range(most):
                    if guesses[tr, tl, q] < 0:
                        continue
                    seen += 1
                    if seen <= place[slot]:
                        continue
                    if started[slot] >= budget:
                        break
                    page = first[tl] + guesses[tr, tl, q]
                    if resident[page] or staged[page] >= 0:
                        place[slot] = seen
                        continue
                    c = _channel(free)
                    start = max(now, free[c])
                    if start >= limit or (staging > 0 and buffered >= staging):
                        full = True
                        break
                    place[slot] = seen
                    if staging > 0:
                        staged[page] = target
                        buffered += 1
                    else:
                        gone = -1
                        if held[into] >= capacities[into]:
                            lo = 0 if shared else first[tl]
                            hi = pages if shared else first[tl + 1]
                            gone = _victim(
                                code, lo, hi, event, r, layer, layers, factor, rank, last, value, resident, guard,
                                wanted, True, page,
                            )  # fmt: skip
                            if gone < 0:
                                counts[3] += 1
                                continue
                            resident[gone] = False
                            held[into] -= 1
                            if waiting[gone] >= 0:
                                waiting[gone] = -1
                                loads[4] += 1
                                moved[4] += sizes[gone]
                        _use(code, page, event, r, factor, last, value)
                        resident[page] = True
                        held[into] += 1
                        waiting[page] = target
                    free[c] = start + load[page]
                    arrival[page] = free[c]
                    started[slot] += 1
                if full:
                    break
                target += 1
            if not overlap:
                for c in range(free.shape[0]):
                    ready = max(ready, free[c])
            stalls[r] += ready - now
            now = ready + service
    for page in range(pages):
        if waiting[page] >= 0:
            loads[5] += 1
            moved[5] += sizes[page]
    total[0] = now
    return 0
