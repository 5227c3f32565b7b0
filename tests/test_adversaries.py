"""Every adversary against every policy that it claims to beat, with the exact optimum."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging import catalog, coupon
from layered_paging.adversary import Play, Table, bound_of, nemesis, play, spread, targets
from layered_paging.adversary.search import cyclic_optimum
from layered_paging.cli import main
from layered_paging.core import registry
from layered_paging.errors import BudgetError, NotRegistered, ParameterError
from layered_paging.policies.belady import furthest
from layered_paging.policies.stream import Stream
from layered_paging.ratio import optimal_ratio

catalog.collect()
ENTRIES = registry.entries("adversary")
FORCING = [entry for entry in ENTRIES if entry.properties.get("bound") is not None]
GAMES = [
    pytest.param(entry, policy, sizes, id=f"{entry.name}-{policy}-{sizes}")
    for entry in FORCING
    if entry.properties["kind"] != "random"
    for sizes in entry.properties["sizes"]
    for policy in targets(entry)
]


def forced(game: Play) -> bool:
    """Whether the policy paid what the bound forces: bound * optimum, but for the filling of the caches."""
    if game.unbounded:
        half = len(game.pages) // 2
        return game.late_ratio() is None and sum(game.missed[half:]) * (game.slots + 1) * game.layers >= half
    assert game.bound is not None
    return game.cost >= game.bound * (game.optimum - game.slots - 1)


@pytest.mark.parametrize(("entry", "policy", "sizes"), GAMES)
def test_forces_what_it_states(entry: registry.Entry, policy: str, sizes: tuple[int, int, int]) -> None:
    layers, experts, slots = sizes
    game = play(entry.name, policy, layers=layers, experts=experts, slots=slots, rounds=360 // layers)
    assert forced(game)
    # the sequence is layered and the optimum is exact
    assert all(page // experts == t % layers for t, page in enumerate(game.pages))
    if not game.unbounded:
        assert game.optimum < game.cost


def test_random_sources_in_expectation() -> None:
    [entry] = [entry for entry in FORCING if entry.properties["kind"] == "random"]
    for layers, experts, slots in entry.properties["sizes"]:
        bound, _ = bound_of(entry, layers=layers, experts=experts, slots=slots)
        assert bound == coupon.yao_bound(layers, experts, slots)
        for policy in targets(entry):
            got = coupon.phase_ratio(policy, layers=layers, experts=experts, slots=slots, rounds=150, runs=12, seed=1, confidence=0.9999)  # fmt: skip
            assert got.upper >= bound, policy
    # at l = 1 every policy that is lazy pays the bound exactly: the estimate also lies below
    found = coupon.phase_ratio("lru", layers=1, experts=4, rounds=400, runs=30, confidence=0.9999)
    assert found.lower <= coupon.harmonic(3) <= found.upper


def test_the_check_can_fail() -> None:
    """A shifted bound, a pool that is not split, and a policy that an adversary is not against, all fail it."""
    sizes = {"layers": 2, "experts": 3, "slots": 5, "rounds": 300}
    shared = play("partition-breaker", "lru", pool="shared", **sizes)
    assert (shared.bound, shared.unbounded) == (None, False)
    assert not forced(Play(**{**vars(shared), "unbounded": True}))
    other = play("cyclic", "mark-far", **sizes)
    assert other.bound is None and not forced(Play(**{**vars(other), "bound": Fraction(5)}))
    assert forced(play("cyclic", "lru", **sizes))
    game = play("layered-cruel", "mark-far", **sizes)
    assert game.bound is not None
    assert forced(game) and not forced(Play(**{**vars(game), "bound": game.bound + 1}))


@pytest.mark.parametrize("sizes", [(2, 3, 4), (3, 3, 6), (3, 3, 7), (3, 4, 9), (4, 3, 9), (2, 2, 3)])
def test_fifo_trap_has_k_misses_a_phase(sizes: tuple[int, int, int]) -> None:
    layers, experts, slots = sizes
    game = play("fifo-trap", "fifo", layers=layers, experts=experts, slots=slots, rounds=50 * slots)
    starts = coupon.empirical.phase_starts(game.pages, slots)
    for a, b in pairwise(starts[2:]):
        assert sum(game.missed[a:b]) == slots and sum(game.optimum_missed[a:b]) == 1


def test_partition_breaker_with_given_quotas() -> None:
    game = play("partition-breaker", "lru", layers=2, experts=3, slots=5, rounds=200, quotas=[3, 2])
    assert forced(game)
    observed = play("partition-breaker", "lru", layers=2, experts=3, slots=5, rounds=200)
    assert set(game.pages[100:]) <= set(observed.pages)
    with pytest.raises(ParameterError, match="quotas must be"):
        play("partition-breaker", "lru", layers=2, experts=3, slots=5, rounds=2, quotas=[5, 5])


@pytest.mark.parametrize(
    ("name", "sizes", "hypothesis"),
    [
        ("cruel", (2, 3, 3), "l = 1"),
        ("cruel", (1, 3, 3), r"k \+ 1 <= l \* n"),
        ("layered-cruel", (3, 3, 2), "k >= l"),
        ("layered-cruel", (2, 2, 4), r"k \+ 1 <= l \* n"),
        ("cyclic", (2, 2, 4), r"floor\(k / l\) \+ 1 <= n"),
        ("partition-breaker", (1, 3, 2), "l >= 2"),
        ("partition-breaker", (3, 3, 3), r"k >= l \+ 1"),
        ("partition-breaker", (2, 2, 4), r"n >= floor\(k / l\) \+ 1"),
        ("fifo-trap", (2, 2, 4), r"k \+ 1 <= l \* n"),
        ("fifo-trap", (3, 3, 4), r"k \+ 1 >= 2 l"),
        ("clock-trap", (3, 3, 2), "k >= l"),
        ("uniform-source", (3, 1, 2), "n >= 2"),
        ("uniform-source", (3, 2, 2), "k >= l"),
        ("uniform-source", (2, 2, 4), r"k \+ 1 <= l \* n"),
    ],
)
def test_hypotheses_are_quoted(name: str, sizes: tuple[int, int, int], hypothesis: str) -> None:
    layers, experts, slots = sizes
    with pytest.raises(ParameterError, match=f"{name}.* needs .*{hypothesis}"):
        play(name, "lru", layers=layers, experts=experts, slots=slots, rounds=3)


def test_every_adversary_states_its_terms() -> None:
    assert not [f for f in catalog.failures() if "adversaries" in f.source]
    for entry in ENTRIES:
        assert entry.properties["kind"] in ("adaptive", "oblivious", "random", "offline"), entry.name
        assert entry.properties["forces"] and entry.summary
        assert isinstance(entry.properties["cites"], tuple)
        if "bound" in entry.properties:
            assert len(entry.properties["sizes"]) >= 3 and targets(entry)


def test_belady_is_the_optimum_of_every_prefix() -> None:
    """Against dynamic programming over all offline caches."""
    rng = Stream(3)
    for slots in (1, 2, 3):
        pages = [rng.below(5) for _ in range(24)]
        flags = furthest(pages, slots)
        states = {frozenset[int](): 0}
        for t, page in enumerate(pages):
            after: dict[frozenset[int], int] = {}
            for cache, cost in states.items():
                if page in cache:
                    options, price = [cache], cost
                else:
                    options = [cache | {page}] if len(cache) < slots else [cache - {p} | {page} for p in cache]
                    price = cost + 1
                for option in options:
                    after[option] = min(price, after.get(option, price))
            states = after
            assert sum(flags[: t + 1]) == min(states.values())


def test_table_equals_replay() -> None:
    rng = Stream(11)
    pages = [j * 4 + rng.below(4) for _ in range(60) for j in range(3)]
    trace = lp.Trace([[p % 4 for p in pages[r : r + 3]] for r in range(0, 180, 3)], n_experts=4)
    for pool in ("shared", "per-layer"):
        for policy in ("lru", "fifo", "marking", "llru"):
            table = Table(policy, layers=3, experts=4, slots=7, pool=pool, seed=5)
            misses = sum(table.serve(page) for page in pages)
            assert misses == lp.replay(trace, policy, 7, pool=pool, seed=5, engine="reference").misses
            assert len(table.resident) <= 7
    with pytest.raises(ParameterError, match="must be a page of layer 0"):
        Table("lru", layers=3, experts=4, slots=7).serve(4)
    with pytest.raises(BudgetError, match="a slot for each"):
        Table("lru", layers=3, experts=4, slots=2, pool="per-layer")


def test_play_refuses() -> None:
    sizes = {"layers": 2, "experts": 3, "slots": 5, "rounds": 4}
    with pytest.raises(ParameterError, match="no parameter 'speed'"):
        play("cyclic", "lru", speed=3, **sizes)
    with pytest.raises(NotRegistered, match="did you mean 'cyclic'"):
        play("cyclik", "lru", **sizes)
    with pytest.raises(ParameterError, match="ended after 2"):
        play(lambda *, layers, experts, slots: iter_pages(2), "lru", **sizes)
    with pytest.raises(ParameterError, match="knows the future"):
        play("cyclic", "belady", **sizes)
    for name in ("cruel", "layered-cruel"):
        with pytest.raises(
            ParameterError, match=f"'{name}' is against deterministic .*'marking' is randomized.*source"
        ):
            play(name, "marking", layers=1, experts=4, slots=3, rounds=4)
    assert play("cyclic", "marking", **sizes).bound is None
    assert play("layered-cruel", "llru(rounds='absolute')", **sizes).bound == 4
    with pytest.raises(ParameterError, match="whole rounds"):
        play("witness", "lru", cycle=[0], **sizes)


def iter_pages(count: int):  # type: ignore[no-untyped-def]
    for t in range(count):
        yield (t % 2) * 3


def test_seeds_repeat() -> None:
    sizes = {"layers": 2, "experts": 3, "slots": 5, "rounds": 50}
    first, second = (play("uniform-source", "marking", seed=4, **sizes) for _ in range(2))
    assert first.pages == second.pages and first.missed == second.missed
    assert play("uniform-source", "marking", seed=5, **sizes).pages != first.pages


def test_witness_of_an_exact_ratio() -> None:
    ratio = pytest.importorskip("layered_paging.ratio")
    found = ratio.competitive_ratio("lru", layers=2, experts=2, slots=3)
    cycle = [event[0] for event in found.witness.cycle]
    prefix = [event[0] for event in found.witness.prefix]
    game = play("witness", "lru", layers=2, experts=2, slots=3, rounds=600, cycle=cycle, prefix=prefix)
    late = game.late_ratio()
    assert late is not None and abs(late - found.value) < Fraction(1, 50)


def test_markov_source_of_a_certificate() -> None:
    sizes = {"layers": 2, "experts": 2, "slots": 3}
    certificate = optimal_ratio(**sizes, randomized=True).certificate
    bound = Fraction(certificate.statement["lower"])
    assert bound == Fraction(7, 4) > coupon.yao_bound(2, 2)
    for policy in ("lru", "mark-far", "marking", "online-min"):
        found = coupon.phase_ratio(
            policy, **sizes, source="markov-source", rounds=200, runs=15, certificate=certificate, confidence=0.9999
        )
        assert found.upper >= bound
        # MARK-FAR answers this source as well as can be
        assert policy != "mark-far" or found.lower <= bound
    with pytest.raises(ParameterError, match="must hold a source for"):
        play("markov-source", "lru", layers=2, experts=3, slots=3, rounds=2, certificate=certificate)


def test_nemesis_finds_the_worst_case_of_lru() -> None:
    ticks: list[int] = []
    found = nemesis("lru", layers=2, experts=3, slots=3, budget=150, seed=1, progress=ticks.append)
    assert found.ratio == 3 and ticks[-1] == 150 and found.evaluations >= 150
    assert found.pages == [j * 3 + e for row in found.cycle for j, e in enumerate(row)]
    again = nemesis("lru", layers=2, experts=3, slots=3, budget=150, seed=1)
    assert again.cycle == found.cycle
    game = play("witness", "lru", layers=2, experts=3, slots=3, rounds=300, cycle=found.pages)
    late = game.late_ratio()
    assert late is not None and late >= 2.9
    # a cycle that no deletion improves
    assert len(found.cycle) <= 8
    other = nemesis("marking", layers=2, experts=2, slots=3, budget=40)
    assert other.ratio is not None and other.ratio > 1
    with pytest.raises(ParameterError, match=r"k \+ 1 <= l \* n"):
        nemesis("lru", layers=2, experts=2, slots=4)
    offline = play("nemesis", "lru", layers=1, experts=3, slots=2, rounds=60, budget=60)
    assert offline.late_ratio() == 2


def test_cyclic_optimum_is_the_slope_of_the_optimum() -> None:
    rng = Stream(9)
    for length in (3, 4, 6, 9, 12):
        for slots in (1, 2, 3):
            cycle = [rng.below(5) for _ in range(length)]
            slope = cyclic_optimum(cycle, slots)
            reps = slope.denominator * 60
            assert abs(sum(furthest(cycle * reps, slots)) - slope * reps) <= 2 * slots + 5


def test_spread() -> None:
    assert spread(3, 4, 8) == [[0, 1, 2], [4, 5, 6], [8, 9]]
    assert list(islice((len(row) for row in spread(2, 9, 3)), 2)) == [2, 1]


def measured_rows(line: str) -> str:
    """Measure again what a line of the table in docs/explanation/adversaries.md says: ratios and optima at its sizes."""
    name, against, _, sizes, *_ = (cell.strip() for cell in line.strip("| \n").split("|"))
    name, policy = name.strip("`"), against.partition("here ")[2].strip(")")
    ratios, optima = [], []
    for text in sizes.split("; "):
        layers, experts, slots = map(int, text.partition(":")[0].split(","))
        where: dict[str, int] = {"layers": layers, "experts": experts, "slots": slots}
        if name.endswith("-source"):
            extra: dict[str, object] = {}
            if name == "markov-source":
                extra["certificate"] = lp.Certificate.load(
                    ATLAS / f"best-randomized-{layers}x{experts}-{slots}.json.gz"
                )
            found = coupon.phase_ratio(policy, **where, source=name, rounds=300, runs=30, **extra)  # type: ignore[arg-type]
            ratios.append(f"{found.ratio:.3f} ± {found.upper - found.ratio:.3f}")
            optima.append(str(found.optimum))
            continue
        cycle: dict[str, object] = {}
        if name == "witness":
            proof = lp.competitive_ratio(policy, **where).witness
            cycle = {"prefix": [page for (page,) in proof.prefix], "cycle": [page for (page,) in proof.cycle]}
        if name == "nemesis":
            cycle = {"cycle": nemesis(policy, **where, budget=300).pages}
        game = play("witness" if cycle else name, policy, **where, rounds=3000, **cycle)
        late = game.late_ratio()
        ratios.append(f"{game.cost}/{game.optimum}" if late is None else f"{float(late):.3f}")
        optima.append(str(game.optimum))
    return f"{'; '.join(ratios)} | {'; '.join(optima)} |"


PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "adversaries.md"
ATLAS = PAGE.parents[1] / "atlas"
ROWS = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("line", ROWS, ids=lambda line: "-".join(line.split("|")[1:3]).replace("`", "").strip())
def test_a_row_of_the_page(line: str) -> None:
    assert line.endswith(measured_rows(line))


def test_every_adversary_has_a_row_with_three_sizes() -> None:
    assert {line.split("`")[1] for line in ROWS} == {entry.name for entry in ENTRIES}
    assert all(line.split("|")[4].count(";") == 2 for line in ROWS)


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    sizes = ["--layers", "2", "--experts", "2", "--slots", "3", "--rounds", "100"]
    assert main(["attack", "lru", "--with", "cyclic", *sizes, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["bound"] == "3" and answer["late_ratio"] and answer["over_time"][-1]["rounds"] == 100
    plot = f"{tmp_path}/ratio.svg"
    assert main(["attack", "lru", "--with", "partition-breaker", *sizes, "-o", plot]) == 0
    assert "unbounded" in capsys.readouterr().out
    worst = f"{tmp_path}/worst.json"
    assert main(["attack", "fifo", "--with", "nemesis", *sizes, "--evaluations", "60", "--save", worst]) == 0
    with open(worst) as stream:
        assert json.load(stream)["policy"] == "fifo"
    saved = f"{tmp_path}/cyclic.npz"
    assert main(["attack", "lru", "--with", "witness", *sizes, "--param", "cycle=[0, 2, 1, 3]", "--save", saved]) == 0
    assert lp.load_trace(saved).rounds == 100
    again = ["attack", "lru", "--with", "cyclic", *sizes, "--save"]
    assert main([*again, saved]) == 0  # what an attack saved is replaced
    mine = f"{tmp_path}/mine.npz"
    lp.save_trace(lp.Trace([[0], [1]]), mine)
    for other in (mine, f"{tmp_path}/ratio.svg"):
        assert main([*again, other]) == 2
        assert "comes from no attack; it is left as it is" in capsys.readouterr().err
    assert lp.load_trace(mine).rounds == 2
    for words in (["--with", "nobody"], ["--with", "cyclic", "--param", "x"], ["--with", "cyclic", "-o", "a.doc"]):
        assert main(["attack", "lru", *words, *sizes]) == 2
        assert "attack:" in capsys.readouterr().err
