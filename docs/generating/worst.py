"""The worst cycle of a policy as a picture: proved where an exact ratio can be had, found by a search elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import layered_paging as lp
from layered_paging.adversary import Nemesis, nemesis
from layered_paging.core.registry import Entry
from layered_paging.report import figure

SIZE = (2, 3, 3)  # layers, experts, slots
SMALLER = {"online-min": (2, 2, 3)}  # policies whose states are too many at SIZE for a page
SHOWN = 12  # events of the repeated part that are drawn at least
TRIED = 1000  # sequences that a search tries
REPEATED = 12  # times that a sequence is played to a policy that learns to predict it
SEEDS = 8


@dataclass(frozen=True)
class Worst:
    """A bad sequence for a policy.

    Attributes
    ----------
    svg : str
        The policy beside the optimum; empty where no sequence is bad.
    words : str
        What the sequence does, and how that is known.
    ratio : Fraction or None
        The exact ratio at ``SIZE``; None where it is not known, or infinite.
    size : tuple of int
        Layers, experts of each, slots.
    """

    svg: str
    words: str
    ratio: Fraction | None
    size: tuple[int, int, int] = SIZE


def worst_of(entry: Entry) -> Worst:
    """Return a bad sequence for a registered policy: exact, or the worst that a search finds."""
    says = entry.properties
    if says.get("offline"):
        return Worst("", "No sequence is bad for it: it is the optimum, and its ratio is 1.", None)
    if says.get("predictions"):
        return _predicted(entry)
    if hasattr(entry.obj, "state"):
        return _exact(entry)
    return _searched(entry)


def _at(size: tuple[int, int, int]) -> str:
    layers, experts, slots = size
    return f"At {layers} layers of {experts} experts and {slots} slots"


def _drawn(name: str, pages: Sequence[int], size: tuple[int, int, int]) -> str:
    layers, experts, slots = size
    rows = [pages[at : at + layers] for at in range(0, len(pages) - layers + 1, layers)]
    local = [[page - layer * experts for layer, page in enumerate(row)] for row in rows]
    return figure(lp.Trace(local, n_experts=experts), [name, "opt"], slots)


def _exact(entry: Entry) -> Worst:
    size = SMALLER.get(entry.name, SIZE)
    layers, experts, slots = size
    found = lp.competitive_ratio(entry.name, layers=layers, experts=experts, slots=slots)
    witness = found.witness
    if witness is None:
        return Worst("", f"{_at(size)} the ratio is exactly {found.value}: no sequence is bad for it.", found.value)
    times = -(-SHOWN // len(witness.cycle))
    pages = [page for (page,) in [*witness.prefix, *witness.cycle * times]]
    random = entry.properties.get("randomized")
    if found.value is None:
        words = (
            f"{_at(size)} the ratio is unbounded. The last {len(witness.cycle)} requests before the picture ends are "
            f"repeated for ever: each time the policy misses {witness.misses}, and the optimum nothing."
        )
    else:
        words = f"{_at(size)} the {'expected ' if random else ''}ratio is exactly {found.value}. "
        words += "This sequence, whose last part is repeated for ever, forces it"
        words += "; the picture is the run of seed 0." if random else "."
    return Worst(_drawn(entry.name, pages, size), words, found.value if size == SIZE else None, size)


def _searched(entry: Entry) -> Worst:
    layers, experts, slots = SIZE
    found: Nemesis = nemesis(entry.name, layers=layers, experts=experts, slots=slots, rounds=4, budget=TRIED)
    mean = f"the mean of repetitions 9 to 24{f' and of {SEEDS} seeds' if entry.properties.get('randomized') else ''}"
    words = (
        f"No exact ratio is computed: that takes a state of finitely many values, which it does not tell. {_at(SIZE)} a search of "
        f"{found.evaluations:,} cycles found this one, which is not proved to be the worst. Repeated for ever it costs "
        f"{_decimal(found.cost)} misses a time ({mean}), and the optimum {_decimal(found.optimum)}: "
        f"{_decimal(found.ratio)} times as many."
    )
    times = -(-SHOWN // len(found.pages))
    return Worst(_drawn(entry.name, found.pages * times, SIZE), words, None)


def _predicted(entry: Entry) -> Worst:
    """Play every cycle of at most two rounds, as experts are named anew, to the policy with predictions that learn it."""
    layers, experts, slots = SIZE
    name = f"{entry.name}(predictions='markov')"
    seeds = range(SEEDS if entry.properties.get("randomized") else 1)
    worst, tried = (Fraction(0), Fraction(0), 1, [[0]]), 0
    rounds = list(itertools.product(range(experts), repeat=layers))
    for length in (1, 2, 3):
        for cycle in itertools.product(rounds, repeat=length):
            if any(_first_seen(column) != list(column) for column in zip(*cycle, strict=True)):
                continue  # another name of a cycle that is tried
            trace = lp.Trace(cycle * REPEATED, n_experts=experts)
            least = lp.optimum(trace, slots, admission="forced").misses
            paid = Fraction(sum(lp.replay(trace, name, slots, seed=seed).misses for seed in seeds), len(seeds))
            worst = max(worst, (paid / least, paid, least, [list(row) for row in cycle]))
            tried += 1
    ratio, paid, least, cycle = worst
    mean = f", the mean of {SEEDS} seeds," if len(seeds) > 1 else ""
    words = (
        "Its cost depends on what it is told, and so no exact ratio is computed here. With the predictions of `markov`, "
        f"which learns the sequence while it is played, all {tried} cycles of up to three rounds were tried. "
        f"{_at(SIZE)} this one is the worst of them: played {REPEATED} times it costs {_decimal(paid)} misses{mean} "
        f"and the optimum {least}: {_decimal(ratio)} times as many."
    )
    pages = [layer * experts + expert for row in cycle for layer, expert in enumerate(row)]
    times = -(-SHOWN // len(pages))
    drawn = figure(lp.Trace(cycle * times, n_experts=experts), [name, "opt"], slots)
    return Worst(drawn.replace("(predictions=&#x27;markov&#x27;)", ""), words, None)


def _first_seen(column: Sequence[int]) -> list[int]:
    """Return a layer's experts numbered as they first appear."""
    names: dict[int, int] = {}
    return [names.setdefault(expert, len(names)) for expert in column]


def _decimal(value: Fraction | int | None) -> str:
    if value is None:
        return "infinitely"
    return str(value) if Fraction(value).denominator == 1 else f"{float(value):.3g}"
