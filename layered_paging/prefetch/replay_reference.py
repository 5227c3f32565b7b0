"""The replay with prefetching, slow and obvious.  What the compiled kernel must equal."""

from __future__ import annotations

from collections.abc import Iterable

from ..policies.spec import Time
from ..policies.step import Pool
from .account import COUNTS, LOADS, Tally, Work, budget_error

__all__ = ["play"]


def play(work: Work) -> Tally:
    """Replay and count."""
    return _Replay(work).run()


class _Replay:
    def __init__(self, work: Work) -> None:
        self.work, self.tally = work, Tally(work.trace.rounds)
        self.layers = work.trace.layers
        self.now = 0
        self.free = [0] * work.time.channels
        self.arrival: dict[int, int] = {}  # of pages in a cache or in the buffer
        self.waiting: dict[int, int] = {}  # unused prefetched page in a cache -> event that it was guessed for
        self.staged: dict[int, int] = {}  # page in the buffer -> event that it was guessed for
        self.wanted: dict[int, int] = {}  # page -> event that it was last guessed for
        self.pools: list[Pool] = []

    def run(self) -> Tally:
        work, tally = self.work, self.tally
        starts = work.trace.sessions.tolist()
        ends = [*starts[1:], work.trace.rounds]
        for session, (a, b) in enumerate(zip(starts, ends, strict=True)):
            if session == 0 or work.resets:
                self._begin(session)
            self.opening, self.closing = a * self.layers, b * self.layers
            self.place = {self.opening + i: 0 for i in range(self.closing - self.opening)}  # next guess of an event
            self.started = dict.fromkeys(self.place, 0)
            for r in range(a, b):
                for layer in range(self.layers):
                    self._event(r, layer)
        for page in self.waiting:
            self._loaded("unused", page)
        tally.total[0] = self.now
        return tally

    def _begin(self, session: int) -> None:
        work = self.work
        for page in self.waiting:
            self._loaded("unused", page)
        self.waiting, self.staged, self.wanted, self.arrival = {}, {}, {}, {}
        self.free = [self.now] * work.time.channels
        self.pools = [
            Pool(work.spec.make(work.instance(at), work.seed, session, at), capacity)
            for at, capacity in enumerate(work.capacities)
        ]

    def _pool(self, layer: int) -> Pool:
        return self.pools[0 if self.work.shared else layer]

    def _count(self, what: str, number: int = 1) -> None:
        self.tally.counts[COUNTS.index(what)] += number

    def _loaded(self, what: str, page: int) -> None:
        self.tally.loads[LOADS.index(what)] += 1
        self.tally.bytes[LOADS.index(what)] += self.work.sizes[page]

    def _load(self, page: int, channel: int, start: int) -> None:
        self.free[channel] = self.arrival[page] = start + int(self.work.load[page])

    def _guessed(self, event: int) -> list[int]:
        r, layer = divmod(event, self.layers)
        return [int(self.work.first[layer]) + int(e) for e in self.work.guesses[r, layer] if e >= 0]

    def _event(self, r: int, layer: int) -> None:
        work, tally = self.work, self.tally
        event = r * self.layers + layer
        time, begin, pool = Time(event, r, layer), self.now, self._pool(layer)
        members = [int(work.first[layer]) + int(e) for e in work.experts[r, layer] if e >= 0]
        self._score_cache(layer, members, pool.cache, begin)
        known = event - work.distance >= self.opening
        for page in self._guessed(event)[self.place[event] :] if known else ():
            if self.started[event] < work.budget and page not in pool.cache and page not in self.staged:
                self._count("skipped")
        present = [p for p in members if p in pool.cache]
        from_buffer = [p for p in members if p in self.staged]
        complete = [p for p in present + from_buffer if self.arrival[p] <= begin]
        self._count("hits", sum(p in pool.cache for p in complete))
        self._count("staged", sum(p in self.staged for p in complete))
        self._count("misses", len(members) - len(complete))
        tally.misses[r] += len(members) - len(complete)
        for page in members:
            if page not in pool.cache and page not in self.staged:
                channel = self.free.index(min(self.free))
                self._load(page, channel, max(begin, self.free[channel]))
                self._loaded("demand", page)
        ready = max([begin, *(self.arrival[p] for p in members)])
        for page in present:
            target = self.waiting.pop(page, None)
            if target is not None:
                ontime = "in_time" if self.arrival[page] <= begin else "late"
                self._loaded(ontime if target == event else "later", page)
        for page in from_buffer:
            self._loaded("in_time" if self.arrival[page] <= begin else "late", page)
            del self.staged[page]
        pool.admit(members, time)
        for page in [p for p, target in self.staged.items() if target <= event]:
            self._loaded("evicted", page)
            del self.staged[page]
        if work.budget > 0 and not work.staging and event + work.distance < self.closing:
            for page in self._guessed(event + work.distance):
                self.wanted[page] = event + work.distance
        while len(pool.cache) > pool.capacity:
            candidates = pool.cache - set(members)
            if not candidates:
                raise budget_error(r)
            idle = {p for p in candidates if self.wanted.get(p, -1) <= event}
            self._evict(pool, idle or candidates, time)
        service = int(work.compute[layer]) + work.time.hit * len(complete)
        if work.time.overlap:
            self._prefetch(event, time, set(members), ready + service)
        else:
            self._prefetch(event, time, set(members), ready)
            ready = max(ready, *self.free)
        tally.stall[r] += ready - begin
        self.now = ready + service

    def _score_cache(self, layer: int, members: list[int], cache: set[int], begin: int) -> None:
        sums, first = self.tally.sums, int(self.work.first[layer])
        held = {p for p in cache if first <= p < first + self.work.trace.n_experts[layer] and self.arrival[p] <= begin}
        if held:
            sums[0] += len(held & set(members)) / len(held)
            sums[1] += 1
        if members:
            sums[2] += len(held & set(members)) / len(members)
            sums[3] += 1

    def _evict(self, pool: Pool, candidates: Iterable[int], time: Time) -> None:
        gone = pool.evict_one(sorted(candidates), time)
        if self.waiting.pop(gone, None) is not None:
            self._loaded("evicted", gone)

    def _prefetch(self, event: int, time: Time, members: set[int], limit: int) -> None:
        work = self.work
        last = min(event + work.distance, self.closing - 1)
        ahead = [t for t in range(event + 1, last + 1) if t - work.distance >= self.opening]
        if work.budget == 0:
            return
        for target in ahead:
            pool, guessed = self._pool(target % self.layers), self._guessed(target)
            while self.place[target] < len(guessed) and self.started[target] < work.budget:
                page = guessed[self.place[target]]
                if page in pool.cache or page in self.staged:
                    self.place[target] += 1
                    continue
                channel = self.free.index(min(self.free))
                start = max(self.now, self.free[channel])
                if start >= limit:
                    return
                if work.staging:
                    if len(self.staged) >= work.staging:
                        return
                    self.staged[page] = target
                else:
                    room = pool.cache - members - {p for p in pool.cache if self.wanted.get(p, -1) > event}
                    self.place[target] += 1
                    if len(pool.cache) >= pool.capacity and not room:
                        self._count("refused")
                        continue
                    pool.policy.miss(page, time)
                    if len(pool.cache) >= pool.capacity:
                        self._evict(pool, room, time)
                    pool.cache.add(page)
                    self.waiting[page] = target
                self._load(page, channel, start)
                self.started[target] += 1
