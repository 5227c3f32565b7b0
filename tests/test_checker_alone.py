"""The promise of the checker, at run time: checking a certificate loads no search, no kernel and no catalog."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify import KINDS
from layered_paging.prefetch.stall import least_stall
from layered_paging.prefetch.timing import TimeModel

TRACE = lp.Trace([[0, 1], [2, 0], [1, 1], [0, 2], [2, 1], [0, 0]], n_experts=3, expert_bytes=[2, 3])
STATED = ["--trace", "trace.npz"]

# rooms of the package that search, compile or collect, and what they stand on
SEARCHES = ("adversary", "analysis", "catalog", "claims", "coupon", "edge", "engine", "offline", "prediction")
SEARCHES += ("prefetch", "profiles", "ratio", "reproduction", "testing", "workloads", "_content")
HEAVY = ("numba", "scipy", "networkx", "sympy", "hypothesis", "matplotlib")


def lower_side() -> Certificate:
    whole = lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate
    statement = {key: value for key, value in whole.statement.items() if key not in ("value", "additive")}
    evidence = {key: whole.evidence[key] for key in ("prefix", "cycle")}
    return Certificate("ratio-lower", {**statement, "lower": str(whole.statement["value"])}, evidence)


def stall() -> Certificate:
    disk = TimeModel(compute=1, bandwidth=10**9, latency=0, channels=1, overlap=True)
    return least_stall(TRACE, 2, time=disk, page_bytes=2).certificate


def placement() -> Certificate:
    net = lp.edge.generate(users=3, servers=2, layers=2, experts=2, top_k=1, seed=1)
    return lp.edge.place(net, "exhaustive").certificate


MAKE: dict[str, Callable[[], Certificate]] = {
    "optimum": lambda: lp.optimum(TRACE, 3, admission="forced").certificate,
    "optimum-bound": lambda: lp.optimum(TRACE, budget_bytes=7, admission="bypass", solver="lp").certificate,
    "ratio-policy": lambda: lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate,
    "ratio-lower": lower_side,
    "ratio-game": lambda: lp.optimal_ratio(layers=2, experts=2, slots=3).certificate,
    "ratio-events": lambda: lp.optimal_ratio(layers=1, experts=3, slots=2, top_k=2).certificate,
    "ratio-random": lambda: lp.optimal_ratio(layers=1, experts=2, slots=1, randomized=True).certificate,
    "placement": placement,
    "stall": stall,
}


def loaded_by(words: list[str], folder: Path) -> set[str]:
    """Run a command in a fresh process; return the modules that it loaded."""
    code = (
        "import json, sys; from layered_paging.cli import main; status = main(sys.argv[1:]); "
        "print(json.dumps([status, sorted(sys.modules)]))"
    )
    out = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=True)
    status, names = json.loads(out.stdout.splitlines()[-1])
    assert status == 0, out.stdout
    return set(names)


def searching(names: set[str]) -> list[str]:
    return sorted(
        name
        for name in names
        if name.split(".")[0] in HEAVY or (name.startswith("layered_paging.") and name.split(".")[1] in SEARCHES)
    )


def test_every_kind_is_tried() -> None:
    assert set(MAKE) == set(KINDS)


@pytest.mark.parametrize("kind", MAKE)
def test_checking_loads_no_search(kind: str, tmp_path: Path) -> None:
    certificate = MAKE[kind]()
    assert certificate.kind == kind
    certificate.save(tmp_path / "c.json")
    lp.save_trace(TRACE, tmp_path / "trace.npz")
    about = STATED if kind.startswith("optimum") or kind == "stall" else []
    names = loaded_by(["check", "c.json", *about], tmp_path)
    assert "layered_paging.certify" in names
    assert not searching(names)


def test_a_replay_loads_a_search_so_this_can_fail(tmp_path: Path) -> None:
    lp.save_trace(TRACE, tmp_path / "trace.npz")
    found = searching(loaded_by(["optimum", "trace.npz", "--slots", "3", "--admission", "forced"], tmp_path))
    assert any(name.startswith("layered_paging.offline") for name in found)


def test_only_a_third_partys_policy_needs_the_catalog(tmp_path: Path) -> None:
    """A name that no file of ``policies`` has is looked up in the catalog, and nowhere else."""
    out = subprocess.run(
        [sys.executable, "-c", "import sys; from layered_paging.policies.names import resolve; resolve('llru'); "
         "print('layered_paging.catalog' in sys.modules, len([m for m in sys.modules if m.startswith('layered_paging')]))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    catalog, modules = out.stdout.split()
    assert catalog == "False" and int(modules) < 25
