"""A policy as a finite automaton, found by running its reference class.

A state is (layer of the next event, label of every page).  The labels are what the policy's ``state`` method says.  If the
policy is symmetric, the pages of each layer are renamed so that the tuple is the least.  If it is also ``turning``, the layers are turned round so that the layer of the next event comes first.
"""

from __future__ import annotations

import copy
import copyreg
import functools
import gc
import resource
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import lcm, prod
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.instance import Instance
from ..core.layout import quotas
from ..errors import BudgetError, GraphTooLarge, ParameterError, PolicyError
from ..policies.spec import PolicySpec, Time
from ..policies.step import Pool

__all__ = [
    "Automaton",
    "Live",
    "build",
    "labels_of",
    "labels_of_cloud",
    "start",
    "start_cloud",
    "stateful",
    "step",
    "step_cloud",
]


@dataclass
class Live:
    """Running policies, one for each pool, and what their caches hold."""

    policies: list[Any]
    slots: tuple[int, ...]
    caches: list[tuple[int, ...]]
    clock: int = 0


@dataclass
class Automaton:
    """A policy's states and moves as arrays.

    Attributes
    ----------
    layer : int64 array, shape (states,)
        Layer of the next event, 0 throughout if ``turns``; state 0 is the empty cache at layer 0.
    labels : list of tuples of int (randomized: of pairs of such a tuple and its probability)
        One label per page: twice the policy's, and 1 more if it is resident.
    events : list, one entry a layer, of lists of tuples of pages
    next, misses : int64 arrays, shape (states, events)
        Misses in units of 1 / ``scale`` (expected ones, for a randomized policy).
    moved : int8 array, shape (states, events, pages)
        Place i of the next state holds the page that was at place ``moved[s, e, i]``.
    turns : bool
        Whether the layers are turned round: places count from the layer of the next event.
    """

    instance: Instance
    symmetric: bool
    layer: npt.NDArray[np.int64]
    labels: list[tuple[Any, ...]]
    events: list[list[tuple[int, ...]]]
    next: npt.NDArray[np.int64]
    misses: npt.NDArray[np.int64]
    moved: npt.NDArray[np.int8]
    scale: int = 1
    turns: bool = False

    def spread(self) -> Iterator[tuple[int, int, list[int]]]:
        """Yield the states without the turning, as they are reached: number, layer, and the page at each place."""
        layers, pages = self.instance.layers, self.instance.pages
        if not self.turns:
            yield from ((state, layer, list(range(pages))) for state, layer in enumerate(self.layer.tolist()))
            return
        wide = pages // layers
        seen = np.zeros((len(self.labels), layers), np.bool_)
        seen[0, 0] = True
        now = np.zeros(1, np.int64)
        for turn in range(1, layers * (len(self.labels) + 1)):
            now = np.unique(self.next[now])
            now = now[~seen[now, turn % layers]]
            if not len(now):
                break
            seen[now, turn % layers] = True
        for state, turn in np.argwhere(seen).tolist():
            yield state, turn, [(i + turn * wide) % pages for i in range(pages)]


def start(spec: PolicySpec, instance: Instance, pool: str) -> Live:
    """Return the policy with an empty cache.

    Raises
    ------
    BudgetError
        With ``pool="per-layer"``, a layer without a slot.
    """
    slots = quotas(instance.slots, instance.layers) if pool == "per-layer" else (instance.slots,)
    if min(slots) < 1:
        raise BudgetError(
            f"needs a slot for each of the {instance.layers} layers; got {instance.slots}",
            parameter="pool",
            value="per-layer",
        )
    policies = [spec.make(Instance(instance.layers, instance.experts, k)) for k in slots]
    return Live(policies, tuple(slots), [()] * len(slots))


def step(
    live: Live, event: Sequence[int], instance: Instance, bypass: bool = False, consume: bool = False
) -> tuple[Live, int]:
    """Return what a live policy becomes by an event, and its misses.

    ``live`` stays as it was, unless ``consume`` says that nobody looks at it again: that spares a copy.
    """
    time = Time(live.clock, *divmod(live.clock, instance.layers))
    at = time.layer if len(live.policies) > 1 else 0
    policy = live.policies[at] if consume else _clone(live.policies[at])
    pool = Pool(policy, live.slots[at], bypass=bypass)
    pool.cache = set(live.caches[at])
    missed = len(pool.serve(event, time).misses)
    policies, caches = list(live.policies), list(live.caches)
    policies[at], caches[at] = pool.policy, tuple(sorted(pool.cache))
    return Live(policies, live.slots, caches, live.clock + 1), missed


_WHOLE = (int, np.integer)


def labels_of(live: Live, instance: Instance) -> tuple[int, ...]:
    """Return the label of each page: twice what the policy states, and 1 more if it is resident."""
    clock = live.clock - 1
    time = Time(clock, *divmod(clock, instance.layers))
    pages = range(instance.pages)
    labels = [0] * len(pages)
    for policy, cache in zip(live.policies, live.caches, strict=True):
        said = policy.state(cache, time)
        if type(said) is not dict and not isinstance(said, Mapping):
            raise PolicyError(
                f"{type(policy).__name__}.state must map pages to ints of at least 0; got {type(said).__name__}"
            )
        for page, label in said.items():
            if type(label) is int and label >= 0 and page in pages:
                labels[page] = 2 * label
                continue
            if not (isinstance(label, _WHOLE) and label >= 0 and page in pages):
                raise PolicyError(
                    f"{type(policy).__name__}.state must map pages 0..{instance.pages - 1} to ints of at least 0; "
                    f"got {page!r}: {label!r}"
                )
            labels[page] = 2 * int(label)
        for page in cache:
            labels[page] += 1
    return tuple(labels)


class _Dice:
    """Stands for a policy's random numbers: plays a script of outcomes and notes how many there were of each."""

    def __init__(self) -> None:
        self.script: list[int] = []
        self.sides: list[int] = []

    def __deepcopy__(self, memo: Any) -> _Dice:
        return self

    def below(self, n: int) -> int:
        self.sides.append(n)
        if len(self.sides) > len(self.script):
            self.script.append(0)
        return self.script[len(self.sides) - 1]

    def place(self, among: Iterable[Any]) -> Fraction:
        others = sorted(set(among))
        at = self.below(len(others) + 1)
        low = others[at - 1] if at else others[0] - 2 if others else Fraction(0)
        return Fraction(low + (others[at] if at < len(others) else low + 2)) / 2

    def __getattr__(self, name: str) -> Any:
        raise PolicyError(
            f"exact expected costs need a policy that draws by rng.below and rng.place only; it asks for rng.{name}"
        )


@dataclass
class Cloud:
    """A randomized policy: its live forms, each with its probability."""

    dice: _Dice
    forms: list[tuple[Live, Fraction]]


def start_cloud(spec: PolicySpec, instance: Instance, pool: str) -> Cloud:
    """Return a randomized policy with an empty cache."""
    dice = _Dice()
    fixed = PolicySpec(spec.name, spec.base, spec.cls, {**spec.params, "rng": dice}, {})
    return Cloud(dice, [(start(fixed, instance, pool), Fraction(1))])


def step_cloud(cloud: Cloud, event: Sequence[int], instance: Instance, bypass: bool = False) -> tuple[Cloud, Fraction]:
    """Return what a randomized policy becomes by an event, and its expected misses."""
    dice, expected = cloud.dice, Fraction(0)
    merged: dict[tuple[int, ...], tuple[Live, Fraction]] = {}
    for form, chance in cloud.forms:
        script: list[int] | None = []
        missed = 0
        while script is not None:
            dice.script, dice.sides = script, []
            live, missed = step(form, event, instance, bypass)
            share = chance / prod(dice.sides) if dice.sides else chance
            key = labels_of(live, instance)
            merged[key] = (live, share + merged[key][1] if key in merged else share)
            script = dice.script
            while script and script[-1] + 1 == dice.sides[len(script) - 1]:
                script.pop()
            script = [*script[:-1], script[-1] + 1] if script else None
        if missed:  # what is absent does not depend on chance, and the shares sum to that of the form
            expected += chance * missed
    return Cloud(dice, list(merged.values())), expected


def labels_of_cloud(cloud: Cloud, instance: Instance) -> tuple[Any, ...]:
    """Return the labels of all forms with their probabilities, sorted."""
    return tuple(sorted((labels_of(live, instance), chance) for live, chance in cloud.forms))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Disable the garbage collector: with millions of live states its scans take as long as the exploration."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _resident() -> int:
    """Return the bytes of memory in use now (the most so far, where that is not told)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def stateful(spec: PolicySpec) -> None:
    """Raise ``PolicyError`` unless the policy has a method ``state``."""
    if not callable(getattr(spec.cls, "state", None)):
        raise PolicyError(
            "an exact ratio needs a policy with a method state(resident, time), which returns a dict from pages to ints: "
            f"all that the future depends on; {spec.name!r} has none"
        )


@_no_collection()
def build(
    spec: PolicySpec,
    instance: Instance,
    *,
    pool: str = "shared",
    top_k: int = 1,
    bypass: bool = False,
    limit: int = 2_000_000,
    memory: int = 8 << 30,
    tick: Callable[[int], None] = lambda states: None,
) -> Automaton:
    """Explore all states of a policy from the empty cache.

    Raises
    ------
    PolicyError
        The policy has no ``state`` method, or draws random numbers other than by ``rng.below`` and ``rng.place``.
    ParameterError
        More than ``limit`` states, or more than fit into ``memory`` bytes: too large, or the policy's
        states are not finitely many.
    """
    stateful(spec)
    symmetric = top_k == 1 and bool(getattr(spec.cls, "symmetric", False)) and not spec.randomized
    # not inherited: a subclass may well treat one layer otherwise
    turns = symmetric and pool == "shared" and len(set(instance.experts)) == 1 and bool(vars(spec.cls).get("turning"))
    events = [list(combinations(instance.pages_of(j), top_k)) for j in range(instance.layers)]
    wide = max(map(len, events))
    pages = instance.pages
    empty = (0,) * pages
    lives: list[Any] = [start_cloud(spec, instance, pool) if spec.randomized else start(spec, instance, pool)]
    labels: list[tuple[Any, ...]] = [((empty, Fraction(1)),) if spec.randomized else empty]
    go: Any = step_cloud if spec.randomized else step
    look: Any = labels_of_cloud if spec.randomized else labels_of
    orders: list[tuple[int, ...]] = [tuple(range(pages))]  # place -> page of the live policy
    known = {(0, labels[0]): 0}
    layer = [0]
    nexts: list[list[int]] = []
    misses: list[list[Any]] = []
    moved: list[list[list[int]]] = []
    at = 0
    begun = _resident()
    while at < len(labels):
        here, order = lives[at], orders[at]
        lives[at] = None
        place = {page: i for i, page in enumerate(order)}
        row: tuple[list[int], list[Any], list[list[int]]] = ([], [], [])
        after = 0 if turns else (layer[at] + 1) % instance.layers
        blocks = [order[block.start : block.stop] for block in map(instance.pages_of, range(instance.layers))]
        blocks = blocks[1:] + blocks[:1] if turns else blocks
        for event in events[layer[at]]:
            live, missed = go(here, sorted(order[i] for i in event), instance, bypass)
            raw = look(live, instance)
            perm = list(range(pages))
            if symmetric:
                perm = [page for block in blocks for page in sorted(block, key=lambda page: (raw[page], place[page]))]
            key = (after, tuple(raw[page] for page in perm) if symmetric else raw)
            if key not in known:
                known[key] = len(labels)
                labels.append(key[1])
                layer.append(after)
                lives.append(live)
                orders.append(tuple(perm))
                if len(labels) > limit:
                    raise ParameterError(
                        f"{spec.name!r} has more than {limit:,} states here: too large, or not finitely many"
                    )
            row[0].append(known[key])
            row[1].append(missed)
            row[2].append([place[page] for page in perm])
        short = wide - len(row[0])
        nexts.append(row[0] + [-1] * short)
        misses.append(row[1] + [0] * short)
        moved.append(row[2] + [[0] * pages] * short)
        at += 1
        if at % 1000 == 0:
            tick(at)
            if _resident() - begun > memory:
                raise GraphTooLarge(
                    f"the states of {spec.name!r} do not fit into {memory:,} bytes of memory: {len(labels):,} so far"
                )
    scale = lcm(1, *(Fraction(x).denominator for line in misses for x in line))
    return Automaton(
        instance,
        symmetric,
        np.array(layer, np.int64),
        labels,
        events,
        np.array(nexts, np.int64),
        np.array([[int(x * scale) for x in line] for line in misses], np.int64),
        np.array(moved, np.int8),
        scale,
        turns,
    )


_BOXES = (dict, list, set)
_ATOMS = frozenset((type(None), int, str, bool, float, Fraction, Instance, _Dice))  # the dice are shared


def _clone(policy: Any) -> Any:
    """Return an independent copy: attribute by attribute where all are plain, else ``copy.deepcopy``.

    Raises
    ------
    PolicyError
        An attribute is a function made inside the policy, which any copy would share.
    """
    fields = getattr(policy, "__dict__", None)
    if fields is None:
        return copy.deepcopy(policy)
    for name, value in fields.items():
        cells = (value.__closure__ or ()) if isinstance(value, FunctionType) else ()
        if any(cell.cell_contents is policy or type(cell.cell_contents) in _BOXES for cell in cells):
            raise PolicyError(
                f"{type(policy).__name__}.{name} is a function that holds on to one policy, and exact ratios play copies; "
                "write it as a method"
            )
    boxes = [id(value) for value in fields.values() if type(value) in _BOXES]
    if len(set(boxes)) < len(boxes):  # two names of one thing stay two names of one thing
        return copy.deepcopy(policy)
    cls: Any = type(policy)
    if _ordinary(cls):
        twin = object.__new__(cls)
        twin.__dict__.update(fields)
    else:
        twin = copy.copy(policy)
    for name, value in fields.items():
        kind = type(value)
        if kind in _ATOMS or _plain(value):
            continue
        if kind in _BOXES and _all_plain(value.values() if kind is dict else value):
            setattr(twin, name, value.copy())
        else:
            return copy.deepcopy(policy)
    return twin


@functools.cache
def _ordinary(cls: Any) -> bool:
    """Whether ``copy.copy`` takes over the fields of an object of this class, and does nothing else."""
    changed = [name for name in ("__reduce_ex__", "__reduce__", "__getstate__", "__new__", "__setattr__")
               if getattr(cls, name) is not getattr(object, name)]  # fmt: skip
    more = [name for name in ("__copy__", "__setstate__", "__getnewargs__", "__getnewargs_ex__") if hasattr(cls, name)]
    slots = [base for base in cls.__mro__ if vars(base).get("__slots__")]
    return not (changed or more or slots or cls in copyreg.dispatch_table)


def _all_plain(values: Iterable[Any]) -> bool:
    kinds = {*map(type, values)}
    return kinds <= _ATOMS or all(map(_plain, values))


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_plain, value))
    return type(value) in _ATOMS
