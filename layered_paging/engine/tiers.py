"""Caches behind caches, and caches beside caches: tiers of memory, and devices with layers of their own.

The first tier sees every request and never asks what lies below it.  So its misses are those of a plain replay.

Rules of traffic are those of the first tier: a load that it does not keep is used and dropped, and stays where it was found.

* *Inclusive*: a lower tier sees the requests that the tier above missed, and nothing else.  A page may be in both.
* *Exclusive*: a page that a tier evicts moves down into the next one. A page that is found in a lower tier moves up and
  leaves it.  A page that no tier holds goes to the first one.  So no page is in two tiers.  To the policy of a lower tier, a
  page that moves down is a load. One that moves up is a hit, and then an eviction with one candidate.  What moves
  down may be dropped at once.

Devices share nothing: each holds some layers, and sees the requests of these alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..core.layout import Event, Time, lay_out, pools_of
from ..core.rules import Budget, Rules, Traffic, choice
from ..core.slices import of_layers
from ..core.trace import Trace
from ..errors import BudgetError, ParameterError, TraceError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from ..policies.step import Pool
from .result import Run
from .run import Wanted, informed, instance_of, replay_all
from .step import maker_of, steps
from .task import Task

if TYPE_CHECKING:
    from ..offline import Optimum

__all__ = ["SHARING", "Crossing", "Tier", "bounds", "by_device", "check_devices", "missed_by", "optima", "replay_tiers"]

Ints = npt.NDArray[np.int64]

SHARING = ("inclusive", "exclusive")


@dataclass(frozen=True)
class Tier:
    """One tier of memory: what it holds, and who rules it.

    Attributes
    ----------
    name : str
    policy : str or class
    slots, budget_bytes : int or None
        Exactly one of them.
    """

    name: str
    policy: str | type | PolicySpec
    slots: int | None = None
    budget_bytes: int | None = None


@dataclass(frozen=True)
class Crossing:
    """What happens at one tier: the boundary between it and what lies below.

    Attributes
    ----------
    tier : str
    policy : str
    requests : int
        That reach the tier.
    misses : int
        Of these; they are loaded from below.
    bytes_read : int or None
        Their bytes, where the trace knows sizes.
    moved_down : int or None
        Pages that came from the tier above, where tiers are exclusive.
    least : int or None
        Misses that no policy of this tier can undercut, given the tiers above as they are; only where tiers are inclusive.
    """

    tier: str
    policy: str
    requests: int
    misses: int
    bytes_read: int | None
    moved_down: int | None = None
    least: int | None = None

    @property
    def hits(self) -> int:
        """Requests that the tier answered."""
        return self.requests - self.misses


def replay_tiers(
    trace: Trace, tiers: Sequence[Tier], sharing: str = "inclusive", rules: Rules | None = None, *, seed: int = 0
) -> list[Crossing]:
    """Replay a trace through tiers of memory.

    Parameters
    ----------
    trace : Trace
    tiers : sequence of Tier
        The first one is asked first; at least one.
    sharing : {"inclusive", "exclusive"}
        See the module.
    rules : Rules, optional
        One shared pool, without quotas.  Rules of traffic are those of the first tier.
    seed : int
        For randomized policies.

    Returns
    -------
    list of Crossing
        One for each tier.

    Raises
    ------
    ParameterError
        No tier, or rules that tiers do not know.
    BudgetError
        An event does not fit into a tier.

    Notes
    -----
    One tier is the plain replay.  Inclusive tiers are replayed one after the other, compiled.  Exclusive ones are replayed
    by the reference loop, event by event.  Take one expert per event, forced admission and LRU in both. Exclusive tiers
    of a and b slots miss what one cache of a + b slots misses.

    Examples
    --------
    >>> trace = Trace([[0], [1], [2], [0], [1], [2]], n_experts=3)
    >>> two = [Tier("vram", "lru", 1), Tier("ram", "lru", 2)]
    >>> [(one.requests, one.misses) for one in replay_tiers(trace, two, "exclusive")]
    [(6, 6), (6, 3)]
    >>> [(one.requests, one.misses) for one in replay_tiers(trace, two)]
    [(6, 6), (6, 6)]
    """
    choice("sharing", sharing, SHARING)
    rules = rules or Rules()
    if not tiers:
        raise ParameterError("must be at least one; got none", parameter="tiers")
    if rules.per_layer:
        raise ParameterError("have one shared pool each: they go without per-layer pools and quotas", parameter="tiers")
    if len({tier.slots is None for tier in tiers}) > 1:
        raise ParameterError("must all be in slots, or all in bytes; got both", parameter="sizes")
    specs = [resolve(tier.policy) for tier in tiers]
    if sharing == "exclusive" and len(tiers) > 1:
        return _exclusive(trace, tiers, specs, rules, seed)
    found: list[Crossing] = []
    left: Trace | None = trace
    for tier, spec in zip(tiers, specs, strict=True):
        if left is None:
            found.append(Crossing(tier.name, spec.name, 0, 0, None if trace.page_bytes is None else 0, None, 0))
            continue
        with _named(f"tier {tier.name}"):
            run = replay_all(left, [Wanted(spec, tier.slots, tier.budget_bytes, seed)], rules, record=True)[0]
        (least,) = bounds(left, [tier], rules)
        found.append(Crossing(tier.name, spec.name, run.requests, run.misses, run.bytes_read, None, least))
        left = missed_by(left, run, rules)
        rules = rules.but(prefill="token", traffic=Traffic())  # what is left is merged already
    return found


def bounds(trace: Trace, tiers: Sequence[Tier], rules: Rules | None = None) -> list[int]:
    """Return, for each boundary, a number of loads from below that no policies of these tiers can undercut: see ``optima``.

    Examples
    --------
    >>> trace = Trace([[0], [1], [2], [0], [1], [2]], n_experts=3)
    >>> bounds(trace, [Tier("vram", "lru", 1), Tier("ram", "lru", 1)])
    [6, 4]
    """
    return [best.bounds[0] for best in optima(trace, tiers, rules)]


def optima(trace: Trace, tiers: Sequence[Tier], rules: Rules | None = None) -> list[Optimum]:
    """Return, for each boundary, the optimum of one cache as large as all tiers above it; its ``bounds[0]`` is a lower bound.

    Parameters
    ----------
    trace, tiers, rules
        As for ``replay_tiers``.

    Returns
    -------
    list of Optimum
        For loads into the first tier, into the first two together, and so on.

    Notes
    -----
    Proof.  Let S be what the first i tiers hold together after an event.  It has at most the sum of their capacities.  It
    holds the event's members, if admission is forced, as the first tier does. Under rules of traffic it need not, and the
    optimum is that of admission "bypass".  S gains only members of the event.  So these sets are a schedule of one cache of
    the summed capacity.  A member outside S is loaded across boundary i.  So the loads are at least the misses of that
    cache's optimum, whether tiers are inclusive or exclusive.

    Each has a ``certificate``.  In bytes, with pages of different sizes, the bound is below that optimum.

    What stays open: whether one schedule reaches all bounds at once.  With one expert per event, forced, exclusive tiers do,
    since the optimum's caches are nested (mattson-gecsei-slutz-traiger-1970).  Inclusive tiers hold pages twice and may be
    unable to.
    """
    from ..offline import optimum

    rules = rules or Rules()
    asked: dict[str, Any] = {
        "admission": rules.admission if rules.traffic.plain else "bypass",
        "reset": rules.reset,
        "events": rules.events,
        "prefill": rules.prefill,
    }
    found: list[Optimum] = []
    total = 0
    for tier in tiers:
        budget = Budget(tier.slots, tier.budget_bytes)
        total += budget.total
        size: dict[str, Any] = {"budget_bytes" if budget.in_bytes else "slots": total}
        found.append(optimum(trace, **size, **asked))
    return found


def missed_by(trace: Trace, run: Run, rules: Rules) -> Trace | None:
    """Return the requests of a trace that a recorded run missed, or None where it missed none.

    Sessions and stages stay, and so does the order of the members; merged prompts stay merged.

    Examples
    --------
    >>> trace = Trace([[0], [1], [0]], n_experts=2)
    >>> run = replay_all(trace, [Wanted(resolve("lru"), 2)], Rules(), record=True)[0]
    >>> missed_by(trace, run, Rules()).experts.ravel().tolist()
    [0, 1, -1]
    """
    grid = lay_out(trace, rules)
    if run.missed is None:
        raise ParameterError("a run must be recorded (record=True) to say what it missed")
    left = np.where(run.missed, grid.experts, -1).reshape(grid.shape[0], trace.layers, -1)
    if not run.missed.any():
        return None
    return Trace(left, trace.n_experts, grid.starts, grid.stage, trace.page_bytes)


def _exclusive(
    trace: Trace, tiers: Sequence[Tier], specs: Sequence[PolicySpec], rules: Rules, seed: int
) -> list[Crossing]:
    """Replay exclusive tiers, event by event."""
    grid, sizes = lay_out(trace, rules), trace.page_bytes
    below = rules.but(admission="bypass", traffic=Traffic())  # what moves down may be dropped at once
    tasks = []
    for n, (tier, spec) in enumerate(zip(tiers, specs, strict=True)):
        budget, ruled = Budget(tier.slots, tier.budget_bytes), below if n else rules
        with _named(f"tier {tier.name}"):
            ((_, total),) = pools_of(grid, trace, budget, ruled)
        told = informed(spec, None, trace, grid, rules)
        capacity, instance = instance_of(trace, told, total, budget)
        tasks.append(Task(grid, told, instance, capacity, ruled, sizes, budget.in_bytes, seed, n))
    lower = [_Lower(task) for task in tasks[1:]]
    make, ruled = maker_of(tasks[0])
    weights = sizes if tasks[0].in_bytes else None
    asked, missed, loaded, taken = (np.zeros(len(tiers), np.int64) for _ in range(4))
    for step in steps(grid, make, tasks[0].capacity, ruled, sizes=weights):
        missing, gone = step.misses, step.evicted
        asked[0] += len(step.event.pages)
        _count(0, missing, sizes, missed, loaded)
        for n, level in enumerate(lower, start=1):
            level.begin(step.event)
            asked[n] += len(missing)
            missing = level.raised(missing, step.event.time, step.dropped)
            _count(n, missing, sizes, missed, loaded)
        for n, level in enumerate(lower, start=1):
            taken[n] += len(gone)
            gone = level.sunk(gone, step.event.time)
    return [
        Crossing(
            tier.name, spec.name, int(asked[n]), int(missed[n]), None if sizes is None else int(loaded[n]),
            int(taken[n]) if n else None,
        )
        for n, (tier, spec) in enumerate(zip(tiers, specs, strict=True))
    ]  # fmt: skip


def _count(n: int, missing: Sequence[int], sizes: Ints | None, missed: Ints, loaded: Ints) -> None:
    """Count what a tier loads; ``missed`` and ``loaded`` are modified in place."""
    missed[n] += len(missing)
    if sizes is not None:
        loaded[n] += int(sizes[list(missing)].sum())


class _Lower:
    """A lower one of exclusive tiers."""

    def __init__(self, task: Task) -> None:
        self._make, rules = maker_of(task)
        self._reset, self._session = rules.reset, task.grid.number
        sizes = task.sizes if task.in_bytes else None
        self._pool = Pool(self._make(self._session), task.capacity, sizes=sizes, bypass=True)

    def begin(self, event: Event) -> None:
        """Begin a session where the event does."""
        if event.session == self._session:
            return
        self._session = event.session
        if self._reset == "session":
            self._pool.restart(self._make(event.session))
        elif self._reset == "cache":
            self._pool.clear(event.time)

    def raised(self, missing: Sequence[int], time: Time, dropped: Sequence[int]) -> tuple[int, ...]:
        """Let those that are here move up, but for those that are dropped above; return what is not here."""
        pool = self._pool
        found = [page for page in missing if page in pool.cache]
        for page in found:
            pool.policy.hit(page, time)
        for page in found:
            if page in dropped:
                continue
            if hasattr(pool.policy, "flush"):  # it has no say in single pages
                pool.cache.remove(page)
            else:
                pool.evict_one([page], time)
        return tuple([page for page in missing if page not in found])

    def sunk(self, pages: Sequence[int], time: Time) -> tuple[int, ...]:
        """Take what the tier above evicted; return what is evicted here."""
        self._pool.admit(pages, time)
        return self._pool.make_room(time)


def by_device(
    trace: Trace,
    devices: Sequence[Sequence[int]],
    budgets: Sequence[Budget],
    policy: str | type | PolicySpec,
    rules: Rules | None = None,
    *,
    seed: int = 0,
) -> list[Run]:
    """Replay devices that hold layers of their own, each with a pool of its own.

    Parameters
    ----------
    trace : Trace
    devices : sequence of sequences of int
        The layers of each device, ascending; every layer on exactly one.
    budgets : sequence of Budget
        One for each device.
    policy : str or class
    rules : Rules, optional
        Of each device; a policy sees its own layers alone, as if there were no others.
    seed : int

    Returns
    -------
    list of Run
        One for each device: what the trace of its layers gives alone.

    Raises
    ------
    ParameterError
        A layer is on no device or on two.
    TraceError
        A device is never asked.

    Examples
    --------
    >>> trace = Trace([[0, 0], [1, 0], [0, 0]], n_experts=2)
    >>> [run.misses for run in by_device(trace, [[0], [1]], [Budget(1), Budget(1)], "lru")]
    [3, 1]
    """
    check_devices(trace, devices)
    spec, runs = resolve(policy), []
    for layers, b in zip(devices, budgets, strict=True):
        with _named(f"the device of layer {layers[0]}" if layers else "a device"):
            runs += replay_all(
                of_layers(trace, layers), [Wanted(spec, b.slots, b.budget_bytes, seed)], rules or Rules()
            )
    return runs


def check_devices(trace: Trace, devices: Sequence[Sequence[int]]) -> None:
    """Raise ``ParameterError`` unless each layer of the trace is on exactly one device."""
    placed = sorted(j for layers in devices for j in layers)
    if placed != list(range(trace.layers)):
        twice = sorted({j for j in placed if placed.count(j) > 1})
        off = sorted(set(range(trace.layers)).difference(placed))
        beyond = [j for j in placed if j >= trace.layers]
        what = (
            f"layer {beyond[0]} is none"
            if beyond
            else f"layer {twice[0]} is on two"
            if twice
            else f"layer {off[0]} is on none"
        )
        raise ParameterError(f"must hold each of the {trace.layers} layers once; {what}", parameter="devices")


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Say whose budget or requests do not do."""
    try:
        yield
    except (BudgetError, TraceError) as error:
        raise type(error)(f"{what}: {error}") from None
