"""The nemesis: a local search for a cycle of rounds on which a policy does badly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..core.arguments import kinds
from ..core.files import write_atomic
from ..core.instance import Instance, integer
from ..errors import ParameterError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from ..policies.stream import Stream
from .table import Table

__all__ = ["Nemesis", "cyclic_optimum", "nemesis"]

Cycle = list[list[int]]  # rounds of experts, one per layer
_MOST_CELLS = 1 << 20
_COINS = 0x5EED


@dataclass(frozen=True)
class Nemesis:
    """The worst cycle that a search found.

    Attributes
    ----------
    policy : str
    layers, experts, slots : int
    cycle : list of list of int
        Rounds of experts, one per layer; repeated for ever.
    cost : Fraction
        Misses of the policy per repetition: the mean of repetitions 9 to 24 (and of 8 seeds, if it is randomized).
    optimum : Fraction
        Misses of the optimum per repetition, exact; if it is 0 the ratio is unbounded.
    evaluations, seed : int
    """

    policy: str
    layers: int
    experts: int
    slots: int
    cycle: Cycle
    cost: Fraction
    optimum: Fraction
    evaluations: int
    seed: int

    @property
    def ratio(self) -> Fraction | None:
        """Cost / optimum; None where the optimum pays nothing."""
        return self.cost / self.optimum if self.optimum else None

    @property
    def pages(self) -> list[int]:
        """The requests of one cycle as pages."""
        return [j * self.experts + e for row in self.cycle for j, e in enumerate(row)]

    def save(self, path: str | Path) -> None:
        """Write the cycle and how it was found as JSON."""
        import json

        numbers = {"cost": self.cost, "optimum": self.optimum, "ratio": self.ratio}
        fields = {**vars(self), **{name: None if x is None else str(x) for name, x in numbers.items()}}
        write_atomic(path, json.dumps(fields).encode() + b"\n")


@kinds()
def nemesis(
    policy: str | type | PolicySpec,
    *,
    layers: int,
    experts: int,
    slots: int,
    rounds: int = 12,
    budget: int = 2000,
    restarts: int = 4,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Nemesis:
    """Search for a cycle of rounds with a large ratio; any policy, any slots, no guarantee.

    Parameters
    ----------
    policy : str, class or PolicySpec
    layers, experts, slots : int
    rounds : int
        Rounds of a cycle at the start; moves lengthen and shorten it.
    budget : int
        Evaluations in all.
    restarts : int
        The first start is a cyclic sequence, the others are random.
    seed : int
    progress : callable, optional
        Called with the number of evaluations done.

    Notes
    -----
    Hill climbing that accepts equal scores. A move changes one request, copies a request from elsewhere in its
    layer, or inserts or deletes a round.  A cycle is scored by the policy's misses in repetitions 3 to 6 and the
    exact optimum. A randomized policy is scored by the mean over 8 seeds.  The best cycle is shortened greedily at the end.

    Examples
    --------
    >>> found = nemesis("lru", layers=1, experts=3, slots=2, rounds=3, budget=60)
    >>> found.ratio
    Fraction(2, 1)
    """
    spec = resolve(policy)
    size, n, k = integer("layers", layers, 1), integer("experts", experts, 1), integer("slots", slots, 1)
    if k >= size * n:
        raise ParameterError(f"nemesis: the search needs k + 1 <= l * n; got l = {size}, n = {n}, k = {k}")
    Instance(size, n, integer("slots", k, 1, _MOST_CELLS))
    length = integer("rounds", rounds, 1, _MOST_CELLS // size, f"{_MOST_CELLS} requests of a cycle")
    total, starts = integer("budget", budget, 1, 10**9), integer("restarts", restarts, 1, 10**6)
    seed = integer("seed", seed, 0)
    rng = Stream(seed, _COINS)
    done = 0

    def score(cycle: Cycle) -> tuple[Fraction, Fraction]:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, total))
        return _score(spec, size, n, k, cycle)

    best: Cycle = []
    best_score = (Fraction(0), Fraction(1))
    for start in range(starts):
        width = min(n, -(-(k + 1) // size))
        here = (
            [[r % width] * size for r in range(width)]
            if start == 0
            else [[rng.below(n) for _ in range(size)] for _ in range(length)]
        )
        now = score(here)
        while done < total * (start + 1) // starts:
            other = _moved(here, n, 2 * length, rng)
            found = score(other)
            if not _better(now, found):
                here, now = other, found
        if not best or _better(now, best_score):
            best, best_score = here, now
    at = 0
    while at < len(best) and len(best) > 1:
        shorter = best[:at] + best[at + 1 :]
        found = score(shorter)
        if _better(best_score, found):
            at += 1
        else:
            best, best_score, at = shorter, found, 0
    best_score = _score(spec, size, n, k, best, (8, 24))
    return Nemesis(spec.name, size, n, k, best, *best_score, evaluations=done, seed=seed)


def cyclic_optimum(pages: Sequence[int], slots: int) -> Fraction:
    """Return the optimum's misses per repetition of a cycle that is repeated for ever, exactly.

    The furthest next use depends only on the cache and the place in the cycle.  So the cache at the start of a
    repetition comes back after finitely many of them.

    Examples
    --------
    >>> cyclic_optimum([0, 1, 2], 2)
    Fraction(3, 2)
    """
    period = len(pages)
    following = [next(d for d in range(1, period + 1) if pages[(t + d) % period] == pages[t]) for t in range(period)]
    due: dict[int, int] = {}
    seen: dict[frozenset[int], tuple[int, int]] = {}
    misses, turn = 0, 0
    while (state := frozenset(due)) not in seen:
        seen[state] = (turn, misses)
        for at, page in enumerate(pages):
            if page not in due:
                misses += 1
                if len(due) == slots:
                    del due[max(due, key=due.__getitem__)]
            due[page] = turn * period + at + following[at]
        turn += 1
    before, paid = seen[state]
    return Fraction(misses - paid, turn - before)


def _better(a: tuple[Fraction, Fraction], b: tuple[Fraction, Fraction]) -> bool:
    """Return whether cost / optimum is strictly larger in a; 0 / 0 counts as 0, any other c / 0 as infinite."""
    return _worth(a) > _worth(b)


def _worth(score: tuple[Fraction, Fraction]) -> tuple[bool, Fraction]:
    cost, optimum = score
    return (False, cost / optimum) if optimum else (cost > 0, cost)


def _score(
    spec: PolicySpec, layers: int, experts: int, slots: int, cycle: Cycle, repeats: tuple[int, int] = (2, 6)
) -> tuple[Fraction, Fraction]:
    """Return misses per repetition: the policy's in the window ``repeats``, and the optimum's."""
    once = [j * experts + e for row in cycle for j, e in enumerate(row)]
    start, stop = repeats
    seeds = 8 if spec.randomized else 1
    cost = 0
    for seed in range(seeds):
        table = Table(spec, layers=layers, experts=experts, slots=slots, seed=seed)
        cost += sum([table.serve(page) for page in once * stop][start * len(once) :])
    return Fraction(cost, seeds * (stop - start)), cyclic_optimum(once, slots)


def _moved(cycle: Cycle, experts: int, longest: int, rng: Stream) -> Cycle:
    rows = [list(row) for row in cycle]
    kind = rng.below(6)
    r, j = rng.below(len(rows)), rng.below(len(rows[0]))
    if kind == 0 and len(rows) > 1:
        del rows[r]
    elif kind == 1 and len(rows) < longest:
        rows.insert(r, list(rows[rng.below(len(rows))]))
    elif kind == 2:
        rows[r][j] = rows[rng.below(len(rows))][j]
    else:
        rows[r][j] = rng.below(experts)
    return rows
