"""What adversaries ask for, request by request; their bounds and hypotheses; the steps of the table and of the search."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging import catalog
from layered_paging.adversary import Play, Table, bound_of, nemesis, play, search, spread, targets
from layered_paging.adversary.search import Nemesis, _better, _moved, _score, _worth
from layered_paging.core import registry
from layered_paging.errors import BudgetError, ParameterError
from layered_paging.policies.names import resolve
from layered_paging.policies.stream import Stream

catalog.collect()
ADVERSARIES = {entry.name: entry for entry in registry.entries("adversary")}

BOUNDS = {
    "cruel": lambda j, n, k: Fraction(k),
    "layered-cruel": lambda j, n, k: Fraction(k - j + 1),
    "cyclic": lambda j, n, k: Fraction(j * (k // j + 1) - 1, j * (k // j + 1) - k),
    "fifo-trap": lambda j, n, k: Fraction(k),
    "clock-trap": lambda j, n, k: Fraction(k if (k + 1) % j == 0 else k - j + 1),
    "uniform-source": lambda j, n, k: lp.coupon.yao_bound(j, n, k),
}  # fmt: skip


@pytest.mark.parametrize("name", ADVERSARIES)
def test_bounds_and_declarations(name: str) -> None:
    entry = ADVERSARIES[name]
    for layers, experts, slots in ((1, 4, 3), (2, 3, 5), (2, 4, 6), (3, 3, 7), (3, 4, 8)):
        wanted = (None, name == "partition-breaker")
        if name in BOUNDS:
            wanted = (BOUNDS[name](layers, experts, slots), False)
        assert bound_of(entry, layers=layers, experts=experts, slots=slots) == wanted


FIRST = [
    ("cruel", "lru", (1, 4, 3), [0, 1, 2, 3, 0, 1, 2, 3]),
    ("layered-cruel", "lru", (2, 3, 4), [0, 3, 1, 4, 2, 4, 0, 3, 1, 3, 2, 4, 0, 4]),
    ("layered-cruel", "mark-far", (2, 3, 4), [0, 3, 1, 4, 2, 4, 0, 4, 1, 3, 1, 4, 2, 4]),
    ("cyclic", "lru", (2, 3, 4), [0, 3, 1, 4, 2, 5, 0, 3, 1, 4]),
    ("cyclic", "lru", (3, 4, 7), [0, 4, 8, 1, 5, 9, 2, 6, 10, 0, 4, 8]),
    ("fifo-trap", "fifo", (2, 3, 4), [0, 3, 1, 4, 2, 3, 0, 3, 1, 4, 2, 4, 0, 3, 1, 4, 2, 4]),
    ("fifo-trap", "fifo", (3, 3, 6), [0, 3, 6, 1, 4, 7, 2, 3, 6, 0, 3, 6, 1, 4, 7, 2, 3, 7, 0, 3, 6]),
    ("clock-trap", "clock", (2, 3, 4), [0, 3, 1, 4, 2, 4, 0, 3, 1, 4, 2, 4, 0, 3, 1, 4, 2, 4]),
    ("clock-trap", "clock", (3, 3, 6), [0, 3, 6, 1, 4, 7, 2, 4, 7, 0, 3, 6, 1, 4, 7, 2, 4, 7, 0, 3, 6]),
    ("partition-breaker", "lru", (2, 3, 4), [0, 3, 1, 4, 2, 5, 0, 3, 1, 4, 2, 5, 0, 3, 1, 3, 2, 3, 0, 3, 1, 3]),
    ("partition-breaker", "lru", (2, 3, 5), [0, 3, 1, 4, 2, 5, 0, 3, 1, 4, 2, 5, 0, 3, 0, 4, 0, 5, 0, 3, 0, 4]),
    (
        "partition-breaker",
        "fwf",
        (3, 3, 4),
        [0, 3, 6, 1, 4, 7, 2, 5, 8, 0, 3, 6, 1, 4, 7, 2, 5, 8, 0, 3, 6, 0, 4, 6, 0, 3, 6],
    ),
    ("uniform-source", "lru", (2, 3, 4), [2, 4, 2, 4, 2, 4, 0, 3, 0, 4, 1, 4, 1, 3, 1, 3]),
    ("markov-source", "lru", (2, 2, 3), [1, 3, 1, 3, 1, 2, 1, 3, 1, 2, 1, 2, 1, 3, 1, 2]),
    ("nemesis", "lru", (1, 3, 2), [1, 2, 0, 1, 2, 0]),
]


@pytest.mark.parametrize(("name", "policy", "sizes", "pages"), FIRST, ids=[f"{a}-{b}-{i}" for i, (a, b, *_) in enumerate(FIRST)])  # fmt: skip
def test_the_first_requests(name: str, policy: str, sizes: tuple[int, int, int], pages: list[int]) -> None:
    layers, experts, slots = sizes
    game = play(name, policy, layers=layers, experts=experts, slots=slots, rounds=len(pages) // layers)
    assert game.pages == pages


@pytest.mark.parametrize(
    ("name", "fits", "fails", "hypothesis"),
    [
        ("cruel", (1, 3, 2), (1, 3, 3), r"k \+ 1 <= l \* n"),
        ("cruel", (1, 5, 2), (2, 5, 2), "l = 1"),
        ("layered-cruel", (3, 2, 3), (3, 2, 2), "k >= l"),
        ("layered-cruel", (2, 2, 3), (2, 2, 4), r"k \+ 1 <= l \* n"),
        ("cyclic", (2, 3, 5), (2, 3, 6), r"floor\(k / l\) \+ 1 <= n"),
        ("partition-breaker", (2, 3, 3), (1, 3, 3), "l >= 2"),
        ("partition-breaker", (2, 3, 3), (2, 3, 2), r"k >= l \+ 1"),
        ("partition-breaker", (2, 3, 5), (2, 3, 6), r"n >= floor\(k / l\) \+ 1"),
        ("fifo-trap", (2, 2, 3), (2, 2, 4), r"k \+ 1 <= l \* n"),
        ("fifo-trap", (3, 3, 5), (3, 3, 4), r"k \+ 1 >= 2 l"),
        ("clock-trap", (2, 2, 3), (2, 2, 4), r"k \+ 1 <= l \* n"),
        ("clock-trap", (3, 3, 3), (3, 3, 2), "k >= l"),
        ("uniform-source", (3, 2, 3), (3, 2, 2), "k >= l"),
        ("uniform-source", (3, 2, 5), (3, 2, 6), r"k \+ 1 <= l \* n"),
        ("uniform-source", (1, 2, 1), (1, 1, 1), "n >= 2"),
        ("markov-source", (1, 2, 1), (1, 2, 2), r"k \+ 1 <= l \* n"),
    ],
)
def test_hypotheses_at_their_limits(
    name: str, fits: tuple[int, int, int], fails: tuple[int, int, int], hypothesis: str
) -> None:
    def game(sizes: tuple[int, int, int]) -> Play:
        return play(name, "lru", layers=sizes[0], experts=sizes[1], slots=sizes[2], rounds=2)

    assert len(game(fits).pages) == 2 * fits[0]
    with pytest.raises(ParameterError, match=f"{name}: the construction needs {hypothesis}.*; got l = {fails[0]}"):
        game(fails)


def test_quotas_that_are_given() -> None:
    sizes = {"layers": 2, "experts": 3, "slots": 5, "rounds": 4}
    assert play("partition-breaker", "lru", quotas=[2, 3], **sizes).pages == [0, 3, 1, 3, 2, 3, 0, 3]
    assert play("partition-breaker", "lru", quotas=[3, 1], **sizes).pages == [0, 3, 0, 4, 0, 3, 0, 4]
    for wrong in ([5], [1, 1, 1], [3, 3], [5, 0]):
        with pytest.raises(ParameterError, match="quotas must be 2 numbers of at least 1 that sum to at most 5"):
            play("partition-breaker", "lru", quotas=wrong, **sizes)


def test_the_witness_asks_once_for_its_prefix() -> None:
    where = {"layers": 2, "experts": 2, "slots": 3}
    game = play("witness", "lru", rounds=4, cycle=[1, 3, 0, 2], prefix=[0, 2], **where)
    assert game.pages == [0, 2, 1, 3, 0, 2, 1, 3]
    for cycle in ([], [0, 2, 1]):
        with pytest.raises(ParameterError, match=f"whole rounds of 2 pages; got {len(cycle)} pages"):
            play("witness", "lru", rounds=1, cycle=cycle, **where)


def test_draws_by_chances() -> None:
    draw = ADVERSARIES["markov-source"].obj.__globals__["draw"]

    class Fixed:
        def __init__(self, value: float) -> None:
            self.value = value

        def random(self) -> float:
            return self.value

    chances = [[4, "1/4"], [7, "1/2"], [5, "1/4"]]
    for point, page in ((0, 4), (0.2499, 4), (0.25, 7), (0.7499, 7), (0.75, 5), (0.9999, 5)):
        assert draw(chances, Fixed(point)) == page
    assert draw([[4, "1/4"], [7, "1/4"]], Fixed(0.9)) == 7


def test_a_markov_source_step_by_step() -> None:
    """Every page comes from the node at which the walk stands, and a page the source does not use never comes."""
    certificate = lp.Certificate.load(
        Path(__file__).resolve().parents[1] / "docs" / "atlas" / "best-randomized-2x3-3.json.gz"
    )
    widths = certificate.evidence["source"]["experts"]
    sizes = {"layers": 2, "experts": 3, "slots": 3}
    game = play("markov-source", "lru", rounds=300, certificate=certificate, **sizes)
    assert set(game.pages) == {j * 3 + e for j, n in enumerate(widths) for e in range(n)}
    again = play("markov-source", "lru", rounds=300, **sizes)
    assert len(again.pages) == 600
    with pytest.raises(ParameterError, match="the certificate must hold a source for"):
        play("markov-source", "lru", rounds=3, certificate=certificate, layers=3, experts=3, slots=3)
    none = lp.Certificate("ratio-random", certificate.statement, {**certificate.evidence, "source": None})
    with pytest.raises(ParameterError, match="the certificate must hold a source for"):
        play("markov-source", "lru", rounds=3, certificate=none, **sizes)


# the table


def game(missed: list[bool], best: list[bool], layers: int = 2) -> Play:
    return Play("a", "p", "shared", layers, 3, 4, [0, 3, 1, 4, 2, 5][: len(missed)], missed, best, None, False, 7)


def test_what_a_game_says() -> None:
    played = game([True, True, False, True, True, True], [True, True, True, False, True, False])
    assert (played.cost, played.optimum, played.ratio) == (5, 4, Fraction(5, 4))
    assert played.late_ratio() == 3
    assert game([True] * 4, [True, True, False, False]).late_ratio() is None
    assert played.over_time(3) == [(1, 2, 2), (2, 3, 3), (3, 5, 4)] and played.over_time(1) == [(3, 5, 4)]
    assert played.over_time() == played.over_time(3) and played.over_time(2) == [(1, 2, 2), (3, 5, 4)]
    trace = played.trace()
    assert trace.experts.tolist() == [[[0], [0]], [[1], [1]], [[2], [2]]] and trace.n_experts == (3, 3)
    assert trace.meta == {"adversary": "a", "policy": "p", "seed": 7}


def test_the_table_serves_layer_by_layer() -> None:
    table = Table("lru", layers=2, experts=2, slots=3, pool="per-layer")
    assert [table.serve(page) for page in (0, 2, 1, 3, 0, 3)] == [True, True, True, True, False, False]
    assert table.resident == {0, 1, 3}
    with pytest.raises(ParameterError, match=r"request 6 must be a page of layer 0 \(0..1\); got 2"):
        table.serve(2)
    assert len(Table("lru", layers=2, experts=2, slots=2, pool="per-layer").resident) == 0
    with pytest.raises(BudgetError, match="needs a slot for each of 2 layers; got 1"):
        Table("lru", layers=2, experts=2, slots=1, pool="per-layer")
    assert spread(3, 5, 7) == [[0, 1, 2], [5, 6], [10, 11]]


def test_against_whom() -> None:
    for wrong in ("some", "deterministicc"):
        with pytest.raises(ParameterError, match=f"'deterministic' or 'any'; got '{wrong}'"):
            targets(registry.Entry("adversary", "x", None, "", {"against": wrong}))
    told = ("offline", "predictions")
    every = {e.name for e in registry.entries("policy") if not any(e.properties.get(word, False) for word in told)}
    coins = {entry.name for entry in registry.entries("policy") if entry.properties.get("randomized", False)}
    assert coins >= {"marking", "online-min", "random"}
    assert set(targets(ADVERSARIES["uniform-source"])) == every
    assert set(targets(ADVERSARIES["cruel"])) == every - coins
    assert targets(ADVERSARIES["cyclic"]) == ["lru", "fifo", "clock", "mark-lru"]
    assert targets(ADVERSARIES["nemesis"]) == []


def test_play_passes_on_what_is_given() -> None:
    seen: dict[str, Any] = {}

    def watcher(*, layers: int, experts: int, slots: int, rng: Stream, policy: Any, speed: int = 2) -> Iterator[int]:
        seen.update(layers=layers, experts=experts, slots=slots, coin=rng.next(), policy=policy.name, speed=speed)
        held = []
        for page in (0, 3, 1, 4):
            held.append((yield page))
        seen["held"] = held

    found = play(watcher, "lru", layers=2, experts=3, slots=2, rounds=2, seed=5, speed=9)  # type: ignore[arg-type]
    assert seen == {"layers": 2, "experts": 3, "slots": 2, "coin": Stream(5, 0xAD).next(), "policy": "lru", "speed": 9}
    assert (
        found.pages == [0, 3, 1, 4] and found.missed == [True] * 4 and (found.bound, found.unbounded) == (None, False)
    )
    assert (found.adversary, found.policy, found.pool, found.seed) == ("watcher", "lru", "shared", 5)
    for name, words in (
        ("rng", "no parameter 'rng'; available: speed"),
        ("pace", "no parameter 'pace'; available: speed"),
    ):
        with pytest.raises(ParameterError, match=words):
            play(watcher, "lru", layers=2, experts=3, slots=2, rounds=2, **{name: 1})  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="'witness' needs the parameter 'cycle'"):
        play("witness", "lru", layers=2, experts=3, slots=2, rounds=2)
    with pytest.raises(ParameterError, match="'cruel' has no parameter 'pace'; available: none"):
        play("cruel", "lru", layers=1, experts=3, slots=2, rounds=2, pace=1)
    sizes = {"layers": 1, "experts": 3, "slots": 1, "rounds": 1}
    assert play("cruel", "lru", **sizes).pages == [0]
    for name in sizes:
        with pytest.raises(ParameterError, match=f"{name} must be .*at least 1.*; got 0"):
            play("cruel", "lru", **{**sizes, name: 0})
    with pytest.raises(ParameterError, match=r"seed must be .*at least 0.*; got -1"):
        play("uniform-source", "lru", layers=1, experts=3, slots=2, rounds=1, seed=-1)
    assert play("partition-breaker", "lru", layers=2, experts=2, slots=3, rounds=3, pool="shared").pool == "shared"
    assert play("partition-breaker", "lru", layers=2, experts=2, slots=3, rounds=3).pool == "per-layer"


# the search


def test_scores_are_compared_as_ratios() -> None:
    two, three, much, nothing = (Fraction(4), Fraction(2)), (Fraction(3), Fraction(1)), (Fraction(1), Fraction(0)), (Fraction(0), Fraction(0))  # fmt: skip
    assert _better(three, two) and not _better(two, three) and not _better(two, (Fraction(2), Fraction(1)))
    assert _better(much, three) and not _better(three, much) and not _better(nothing, two) and _better(two, nothing)
    assert _better((Fraction(2), Fraction(0)), much) and _worth(nothing) == (False, 0) and _worth(much) == (True, 1)


class Script:
    """A stream that says what it was told to."""

    def __init__(self, *values: tuple[int, int]) -> None:
        self.values = list(values)

    def below(self, n: int) -> int:
        sides, value = self.values.pop(0)
        assert n == sides
        return value


def test_moves() -> None:
    cycle = [[0, 1], [2, 0], [1, 1]]
    for script, wanted in (
        ([(6, 0), (3, 1), (2, 0)], [[0, 1], [1, 1]]),
        ([(6, 1), (3, 1), (2, 0), (3, 2)], [[0, 1], [1, 1], [2, 0], [1, 1]]),
        ([(6, 2), (3, 1), (2, 1), (3, 0)], [[0, 1], [2, 1], [1, 1]]),
        ([(6, 3), (3, 1), (2, 1), (3, 2)], [[0, 1], [2, 2], [1, 1]]),
        ([(6, 5), (3, 2), (2, 0), (3, 0)], [[0, 1], [2, 0], [0, 1]]),
    ):
        rng: Any = Script(*script)
        assert _moved(cycle, 3, 4, rng) == wanted and rng.values == []
        assert cycle == [[0, 1], [2, 0], [1, 1]]
    rng = Script((6, 1), (3, 1), (2, 0), (3, 2))  # as long as may be: a new expert instead
    assert _moved(cycle, 3, 3, rng) == [[0, 1], [2, 0], [1, 1]]
    rng = Script((6, 0), (1, 0), (2, 1), (3, 2))  # the only round stays
    assert _moved([[0, 1]], 3, 3, rng) == [[0, 2]]


def test_scores_by_hand() -> None:
    lru = resolve("lru")
    assert _score(lru, 1, 3, 2, [[0], [1], [2]]) == (3, Fraction(3, 2))
    cycle = [[0, 0], [1, 1]]
    once = [0, 2, 1, 3]
    for start, stop in ((0, 1), (2, 6), (1, 2)):
        flags = [
            [table.serve(page) for page in once * stop]
            for table in (Table("marking", layers=2, experts=2, slots=3, seed=seed) for seed in range(8))
        ]
        paid = sum(sum(row[4 * start :]) for row in flags)
        found = _score(resolve("marking"), 2, 2, 3, cycle, (start, stop))
        assert found == (Fraction(paid, 8 * (stop - start)), search.cyclic_optimum(once, 3))


def test_the_slope_of_cycles() -> None:
    assert search.cyclic_optimum([0], 1) == 0 and search.cyclic_optimum([0, 1], 1) == 2
    assert search.cyclic_optimum([0, 1, 2, 3], 2) == Fraction(8, 3) and search.cyclic_optimum([0, 0, 1], 1) == 2
    assert search.cyclic_optimum([0, 1, 0, 2], 2) == 2 and search.cyclic_optimum([0, 1, 2], 3) == 0


@pytest.mark.parametrize("policy", ["lru", "fifo"])
def test_the_search_keeps_its_budget(policy: str) -> None:
    for budget in (1, 7, 40):
        ticks: list[int] = []
        found = nemesis(
            policy, layers=1, experts=3, slots=2, rounds=3, budget=budget, restarts=2, progress=ticks.append
        )
        assert found.evaluations == len(ticks) >= budget and max(ticks) == min(budget, len(ticks))
        assert found.ratio == 2 and found.cost == 2 * found.optimum
        shorter = [found.cycle[:at] + found.cycle[at + 1 :] for at in range(len(found.cycle))]
        best = (found.cost, found.optimum)
        assert len(found.cycle) == 1 or all(
            _better(best, _score(resolve(policy), 1, 3, 2, c, (8, 24))) for c in shorter
        )


def test_the_last_score_is_over_repetitions_9_to_24() -> None:
    found = nemesis("marking", layers=2, experts=2, slots=3, budget=12, restarts=2)
    assert (found.cost, found.optimum) == _score(resolve("marking"), 2, 2, 3, found.cycle, (8, 24))
    assert found.cost != _score(resolve("marking"), 2, 2, 3, found.cycle, (7, 24))[0]


SEARCHES = [
    ({"layers": 2, "experts": 3, "slots": 3, "budget": 60, "seed": 1}, [[1, 0], [2, 1]], 62),
    (
        {"layers": 2, "experts": 3, "slots": 4, "rounds": 3, "budget": 40, "restarts": 3, "seed": 2},
        [[0, 1], [1, 1], [2, 2]],
        43,
    ),
    ({"layers": 3, "experts": 2, "slots": 4, "budget": 50, "restarts": 2}, [[0, 1, 0], [1, 1, 1]], 52),
    ({"layers": 1, "experts": 5, "slots": 2, "rounds": 4, "budget": 30, "restarts": 5, "seed": 3}, [[4], [1], [2]], 34),
]


@pytest.mark.parametrize(("options", "cycle", "evaluations"), SEARCHES)
def test_a_search_repeats_itself(options: dict[str, Any], cycle: list[list[int]], evaluations: int) -> None:
    found = nemesis("lru", **options)
    assert (found.cycle, found.evaluations) == (cycle, evaluations)


def test_a_nemesis_is_saved(tmp_path: Path) -> None:
    found = Nemesis("lru", 2, 3, 3, [[0, 1], [2, 0]], Fraction(3), Fraction(1), 9, 4)
    assert found.ratio == 3 and found.pages == [0, 4, 2, 3]
    found.save(tmp_path / "n.json")
    text = (tmp_path / "n.json").read_text()
    assert text.endswith("\n") and json.loads(text) == {
        "policy": "lru", "layers": 2, "experts": 3, "slots": 3, "cycle": [[0, 1], [2, 0]], "cost": "3",
        "optimum": "1", "ratio": "3", "evaluations": 9, "seed": 4,
    }  # fmt: skip
    free = Nemesis("lru", 1, 1, 1, [[0]], Fraction(1), Fraction(0), 9, 4)
    assert free.ratio is None
    free.save(tmp_path / "n.json")
    assert json.loads((tmp_path / "n.json").read_text())["ratio"] is None


def test_a_single_round_is_not_shortened() -> None:
    ticks: list[int] = []
    found = nemesis("lru", layers=2, experts=1, slots=1, rounds=1, budget=1, restarts=1, progress=ticks.append)
    assert (found.cycle, found.evaluations, found.ratio) == ([[0, 0]], 1, 1) and ticks == [1]


def test_defaults() -> None:
    def defaults(function: Any) -> dict[str, Any]:
        found = inspect.signature(function).parameters.values()
        return {p.name: p.default for p in found if p.default is not p.empty}

    assert defaults(nemesis) == {"rounds": 12, "budget": 2000, "restarts": 4, "seed": 0, "progress": None}
    assert defaults(play) == {"pool": None, "seed": 0} and defaults(Table) == {"pool": "shared", "seed": 0}
    assert defaults(ADVERSARIES["nemesis"].obj) == {"budget": 600, "search_seed": 0}
    assert defaults(Play.over_time) == {"points": 10} and defaults(_score) == {"repeats": (2, 6)}


def test_what_the_search_refuses() -> None:
    good = {"layers": 1, "experts": 2, "slots": 1, "rounds": 1, "budget": 1, "restarts": 1}
    assert nemesis("lru", **good).ratio == 1
    for name in good:
        with pytest.raises(ParameterError, match=f"{name} must be .*at least 1.*; got 0"):
            nemesis("lru", **{**good, name: 0})
    with pytest.raises(ParameterError, match=r"seed must be .*at least 0.*; got -1"):
        nemesis("lru", **good, seed=-1)
    with pytest.raises(ParameterError, match=r"needs k \+ 1 <= l \* n; got l = 1, n = 2, k = 2"):
        nemesis("lru", **{**good, "slots": 2})
