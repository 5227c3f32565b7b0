"""What a policy costs where it runs: nanoseconds and bytes, in the compiled replay and in a plain-Python engine.

``RecencyList`` and ``LayerLists`` are LRU and LLRU as such an engine would hold them: in ordered
dictionaries, so that a victim is found without looking at all pages.  They choose as the registered policies do.
"""

from __future__ import annotations

import time
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ..core.instance import Instance
from ..core.trace import Trace
from ..engine.run import replay
from ..policies.names import resolve
from ..policies.spec import Policy, Time
from ..policies.step import Pool

__all__ = ["LayerLists", "RecencyList", "hook_costs", "kernel_bytes", "timed"]


class RecencyList:
    """LRU: one list of pages in the order of their last request; a victim in O(1) beside ties."""

    def __init__(self, instance: Instance) -> None:
        self._last: OrderedDict[int, int] = OrderedDict()

    def hit(self, page: int, time: Time) -> None:
        """Move the page to the end."""
        self._last[page] = time.clock
        self._last.move_to_end(page)

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return and drop the first page; of those that came together the lowest."""
        gone = _lowest_of_the_oldest(self._last)
        del self._last[gone]
        return gone


class LayerLists:
    """LLRU (visit, far): a list for each layer; the victim is the oldest page of one of them, O(layers)."""

    def __init__(self, instance: Instance) -> None:
        self._lists: list[OrderedDict[int, int]] = [OrderedDict() for _ in range(instance.layers)]

    def hit(self, page: int, time: Time) -> None:
        """Move the page to the end of its layer's list."""
        pages = self._lists[time.layer]
        pages[page] = time.round
        pages.move_to_end(page)

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return and drop the page of largest last-round index, then relative layer distance."""
        here, layers = time.layer, len(self._lists)
        best, chosen = (-1, -1), self._lists[here]
        for layer, pages in enumerate(self._lists):
            if not pages:
                continue
            last = next(iter(pages.values()))
            if layer == here and last == time.round:
                continue  # nothing but the event itself
            order = (time.round - last - (layer > here), (layer - here) % layers or layers)
            if order > best:
                best, chosen = order, pages
        gone = _lowest_of_the_oldest(chosen)
        del chosen[gone]
        return gone


def _lowest_of_the_oldest(pages: OrderedDict[int, int]) -> int:
    oldest = next(iter(pages.values()))
    lowest = next(iter(pages))
    for page, last in pages.items():
        if last != oldest:
            break
        lowest = min(lowest, page)
    return lowest


def timed(call: Callable[[], object], repeat: int = 7) -> float:
    """Return the least of ``repeat`` times, in seconds of this process, after one call that may compile."""
    call()
    spans = []
    for _ in range(repeat):
        start = time.process_time()
        call()
        spans.append(time.process_time() - start)
    return min(spans)


def kernel_bytes(policy: str) -> float:
    """Return how much the numpy arrays of a replay grow for each page, those of the replay itself among them.

    What a kernel allocates inside is not seen.  The kernels of LRU and LLRU keep 4 bytes per page that way.  They keep a bit
    for each request of the trace instead of a list.
    """
    peaks = []
    for experts in (1024, 2048):
        trace = Trace([[n % 2] * 8 for n in range(600)], n_experts=experts)  # longer than what a policy remembers
        replay(trace, policy, 16)
        tracemalloc.start()
        replay(trace, policy, 16)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return (peaks[1] - peaks[0]) / (8 * 1024)


def hook_costs(
    policy: str | type, trace: Trace, slots: int, rounds: int = 60, repeat: int = 3
) -> tuple[float, float, float]:
    """Return bytes a page, and nanoseconds a hit and a miss, of a policy's class called by a plain loop.

    The loop keeps the sorted candidates, which it hands to the policy; its own time is not counted.  The least of several passes.
    """
    spec = resolve(policy)
    tracemalloc.start()
    grown: Policy = spec.make(Instance(8, 512, 4096))
    before = tracemalloc.get_traced_memory()[0]
    for page in range(4096):
        grown.miss(page, Time(page, 0, page // 512))
    size = (tracemalloc.get_traced_memory()[0] - before) / 4096
    tracemalloc.stop()
    part = trace.experts[:rounds].tolist()
    passes = [_served(spec.make(trace.instance(slots)), part, trace.first_page.tolist(), slots) for _ in range(repeat)]
    return size, min(hit for hit, _ in passes), min(miss for _, miss in passes)


class _Timed:
    """A policy whose answers are timed, in the time of this thread alone."""

    def __init__(self, policy: Policy) -> None:
        clock = time.thread_time_ns
        self._policy, self._clock = policy, clock
        self._idle = min(-(clock() - clock()) for _ in range(100))  # what looking at the clock takes
        self.hits = self.misses = 0  # nanoseconds; evictions are part of the misses

    def hit(self, page: int, at: Time) -> None:
        """Time a hit."""
        begun = self._clock()
        self._policy.hit(page, at)
        self.hits += max(0, self._clock() - begun - self._idle)

    def miss(self, page: int, at: Time) -> None:
        """Time a miss."""
        begun = self._clock()
        self._policy.miss(page, at)
        self.misses += max(0, self._clock() - begun - self._idle)

    def victim(self, candidates: Sequence[int], at: Time) -> int:
        """Time an eviction."""
        begun = self._clock()
        page = self._policy.victim(candidates, at)
        self.misses += max(0, self._clock() - begun - self._idle)
        return page


def _served(chooser: Policy, rounds: list[list[list[int]]], first: list[int], slots: int) -> tuple[float, float]:
    """Serve the rounds; return nanoseconds per hit and per miss."""
    timed = _Timed(chooser)
    pool, hits, misses = Pool(timed, slots), 0, 0
    for r, tokens in enumerate(rounds):
        for j, members in enumerate(tokens):
            outcome = pool.serve(sorted(first[j] + e for e in members if e >= 0), Time(r * len(tokens) + j, r, j))
            hits += len(outcome.hits)
            misses += len(outcome.misses)
    return timed.hits / max(1, hits), timed.misses / max(1, misses)
