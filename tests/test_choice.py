"""Kernel or reference loop by cost: both count the same, small replays load no compiler, and rent is bounded by the price."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging import catalog
from layered_paging.analysis.diagnosis import AGAIN, diagnosed
from layered_paging.core import registry
from layered_paging.core.layout import Grid, lay_out
from layered_paging.core.renting import Lease
from layered_paging.engine import choice, totals, totals_kernels, twins
from layered_paging.policies.names import resolve
from layered_paging.samples import SAMPLE


def grids(seed: int, rounds: int, number: int, goes_on: bool) -> Grid:
    rng = np.random.default_rng(seed)
    ids = rng.integers(-1, 4, (rounds, 3, 2))
    ids[:, :, 1] = np.where(ids[:, :, 1] == ids[:, :, 0], -1, ids[:, :, 1])
    cuts = sorted({0, *rng.integers(0, rounds, 3).tolist()})
    return Grid(
        experts=ids,
        first=np.array([0, 4, 8]),
        layer=np.arange(3),
        offset=np.arange(3),
        stride=3,
        starts=np.array(cuts),
        stage=rng.integers(0, 2, rounds).astype(np.int8),
        n_layers=3,
        pages=12,
        ranked=False,
        number=number,
        goes_on=goes_on,
    )


@given(st.integers(0, 10**6), st.integers(1, 12), st.booleans(), st.booleans())
def test_totals_are_alike_with_and_without_a_compiler(seed: int, rounds: int, resets: bool, goes_on: bool) -> None:
    sizes = np.random.default_rng(seed).integers(1, 9, 12)
    seen = [np.full(12, -1, np.int64) for _ in range(2)]
    number = 0
    for part in range(2):  # the second part may go on with the last session of the first
        grid = grids(seed + part, rounds, number, goes_on and part == 1)
        found = []
        for at in range(2):
            by_session = np.zeros((len(grid.starts), 2), np.int64)
            by_layer = np.zeros(3, np.int64)
            if at:
                pair = totals_kernels.count(grid.arrays(), resets, sizes, by_session, by_layer, seen[at])
            else:
                pair = totals._counted(grid, resets, sizes, by_session, by_layer, seen[at])
            found.append((tuple(map(int, pair)), by_session.tolist(), by_layer.tolist()))
        assert found[0] == found[1]
        number += len(grid.starts) - (1 if goes_on else 0)


CODE = """
import sys
import layered_paging as lp
from layered_paging.samples import SAMPLE
trace = lp.load_trace(SAMPLE).select([0, 1])
print([lp.replay(trace, name, 24, reset="session").misses for name in ("lru", "llru", "lfu", "sieve")])
print("numba" in sys.modules)
"""


def test_a_small_replay_on_a_fresh_machine_loads_no_compiler(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    out = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    counts, loaded = out.stdout.splitlines()
    trace = lp.load_trace(SAMPLE).select([0, 1])
    kernels = [
        lp.replay(trace, p, 24, reset="session", engine="kernel").misses for p in ("lru", "llru", "lfu", "sieve")
    ]
    assert counts == str(kernels) and loaded == "False"


def test_rent_ends_at_the_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing bought, the reference plays until its rent would pass the price; then the kernel, and its mark stays."""
    played: list[str] = []
    mark = tmp_path / "compiled" / "x"
    rented = Lease(mark)
    monkeypatch.setattr(choice, "lease", lambda *kernel: rented)
    monkeypatch.setattr(choice.reference, "play", lambda task: played.append("reference"))
    fast = resolve("lru")
    play = choice.chosen(fast, lambda: lambda task: played.append("kernel"), "some.module")

    class Small:
        experts = np.zeros((10, 1, 1))
        requests, pages = 10, 4

    class Task:
        grid = Small
        carry = None

        class instance:
            slots = 2

    play(Task)
    assert played == ["reference"] and not mark.exists()
    rented.pay(choice.price_of("lru").compile)
    rented = Lease(mark)  # another process knows what was paid, and counts half of it
    play(Task)
    assert played == ["reference"] * 2 and not mark.exists()
    rented.pay(choice.price_of("lru").compile / 2)
    play(Task)
    assert played[-1] == "kernel" and mark.exists()
    rented = Lease(mark)
    play(Task)
    assert played[-1] == "kernel"  # bought before: used at once


class Never(Lease):
    """What is known of a kernel that was never compiled."""

    @property
    def bought(self) -> bool:
        return False


def test_what_earlier_processes_paid_counts_half(tmp_path: Path) -> None:
    first = Lease(tmp_path / "x")
    first.pay(1.2)
    assert first.wanted(0.9, 2.0)  # the same process: 1.2 + 0.9 is above the price
    second = Lease(tmp_path / "x")
    assert not second.wanted(0.9, 2.0)  # the next one: 0.6 + 0.9
    second.pay(0.9)
    assert not Lease(tmp_path / "x").wanted(0.9, 2.0)  # 1.05 + 0.9
    assert Lease(tmp_path / "x").wanted(0.96, 2.0)


def test_a_kernel_is_foreseen_for_one_policy_alone() -> None:
    grid = lay_out(lp.load_trace(SAMPLE).select([0]))
    played: list[str] = []

    task = SimpleNamespace(grid=grid, carry=None, instance=SimpleNamespace(slots=24))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "lease", lambda *kernel: Never(None))
        patch.setattr(choice.reference, "play", lambda task: played.append("reference"))
        with choice.foreseen(10**6, "lfu"):
            for name in ("lru", "lfu"):
                choice.chosen(resolve(name), lambda: lambda task: played.append("kernel"), "some.module")(task)
    assert played == ["reference", "kernel"]


@pytest.mark.parametrize("policy", ["lru", "mark-lru", "sieve", "random"])
def test_counts_do_not_depend_on_the_choice(policy: str) -> None:
    trace = lp.load_trace(SAMPLE).select([0])
    counts = {engine: lp.replay(trace, policy, 24, engine=engine).misses for engine in ("auto", "kernel", "reference")}
    assert len(set(counts.values())) == 1


def test_verbose_says_what_was_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    from layered_paging.cli import main

    assert main(["replay", str(SAMPLE), "--slots", "12", "--policy", "lru", "-v"]) == 0
    assert "lru: " in capsys.readouterr().err


def test_every_shipped_policy_has_a_price_that_was_measured() -> None:
    load, usual, known = choice._prices()
    catalog.collect()
    for entry in registry.entries("policy"):
        twin = twins.home_of(resolve(entry.name)) if entry.name in known else None
        assert twin is None or twin.startswith("layered_paging.engine.twins.")
    assert 0.01 < load < 10 and len(known) >= 25
    for price in (usual, *known.values()):
        assert 0.01 < price.compile < 60 and 1e-7 < price.request < 1e-3
    assert choice.price_of("a-policy-of-another-package")[1:] == usual[1:]


def test_a_kernel_that_pays_over_what_is_foreseen_is_compiled_at_once() -> None:
    grid = lay_out(lp.load_trace(SAMPLE).select([0]))
    price = choice.price_of("lru")
    times = int(2 * price.compile / (grid.requests * price.request)) + 1
    played: list[str] = []

    task = SimpleNamespace(grid=grid, carry=None, instance=SimpleNamespace(slots=24))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "lease", lambda *kernel: Never(None))
        patch.setattr(choice.reference, "play", lambda task: played.append("reference"))
        play = choice.chosen(resolve("lru"), lambda: lambda task: played.append("kernel"), "some.module")
        play(task)
        with choice.foreseen(times):
            play(task)
        play(task)
    assert played == ["reference", "kernel", "reference"]


def test_diagnose_foresees_that_the_best_policy_is_replayed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = lp.load_trace(SAMPLE).select([0])
    asked: list[float] = []

    class Asked(Never):
        def wanted(self, expected: float, price: float) -> bool:
            asked.append(expected)
            return False

    monkeypatch.setattr(choice, "lease", lambda *kernel: Asked(None))
    once = {name: trace.requests * choice.price_of(name).request for name in ("lru", "similar-rounds")}
    for later in (0, 20):
        asked.clear()
        diagnosed(trace, 24, None, "lru", ["lru", "similar-rounds"], "never", "token", None, later=later)
        assert asked[:2] == [2 * (1 + AGAIN) * each for each in once.values()]  # nobody knows yet which one is the best
        assert 2 * (AGAIN + later) * once["similar-rounds"] in asked


def test_a_kernel_under_rules_of_traffic_is_bought_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(choice, "lease", lambda *kernel: asked.append(kernel) or Never(None))
    trace = lp.workloads.zipf(2, 8, 50, top_k=2, seed=1)
    for traffic in (None, {"admit_after": 2}):
        lp.replay(trace, "lfu", 8, admission="bypass", traffic=traffic)
    (plain, form), (home, gated) = asked
    assert plain == home and (form, gated) == ("", "gated")
