"""Benchmark of the offline optimum: ``python tests/benchmarks/optimum.py [PART ...]``.

Parts: certificate (against an LRU replay), free (free quotas), weighted (networkx, paths, HiGHS,
OR-tools); ``replay.py`` compares furthest next use with libCacheSim.  Default: all.  Real traces are read from the folder that
LAYERED_PAGING_TRACES names, by default ../shared/traces beside the repository.  Prints ratios; asserts only that
counts agree.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import best

import layered_paging as lp

FOLDER = Path(os.environ.get("LAYERED_PAGING_TRACES", Path(__file__).resolve().parents[3] / "shared" / "traces"))


def gpt_oss_20b(rounds: int | None = None) -> lp.Trace:
    data = np.load(FOLDER / "gpt_oss_20b.npz")
    if rounds is not None:
        return lp.Trace(data["experts"][:rounds], n_experts=32)
    return lp.Trace(data["experts"], n_experts=32, sessions=data["offsets"][:-1])


def certificate() -> None:
    """Solve with certificate, and check, against a plain LRU replay of the same trace."""
    trace = gpt_oss_20b()
    lru, _ = best(4, lambda: lp.replay(trace, "lru", 192, reset="session", engine="kernel"))
    for admission in ("forced", "bypass"):
        solve, proof = best(
            4, lambda a=admission: lp.optimum(trace, 192, admission=a, reset="session").certificate, warm=False
        )
        check, _ = best(4, lambda p=proof: lp.certify.check(p, trace), warm=False)
        print(
            f"certificate, {admission}, {trace.requests} requests: LRU replay {1000 * lru:.0f} ms; "
            f"solve and dual {1000 * solve:.0f} ms, ratio {solve / lru:.1f}; check {1000 * check:.0f} ms, ratio {check / lru:.1f}"
        )


def weighted() -> None:
    """Weighted flow: every solver as far as it goes, then one million requests."""
    for rounds, solvers in (
        (100, ("networkx", "paths", "highs", "ortools")),
        (1000, ("paths", "highs", "ortools")),
        (10417, ("auto",)),
    ):
        trace = gpt_oss_20b(rounds)
        costs = np.random.default_rng(1).integers(1, 100, trace.pages)
        for solver in solvers:
            start = time.perf_counter()
            found = lp.optimum(trace, 192, admission="forced", costs=costs, solver=solver)
            solved = time.perf_counter() - start
            lp.certify.check(found.certificate, trace)
            memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
            print(
                f"weighted, {trace.requests} requests, {found.solver}: cost {found.cost} in {solved:.2f} s, "
                f"certified; at most {memory >> 10} MiB so far",
                flush=True,
            )


def free() -> None:
    """Free quotas against a uniform split and a shared pool."""
    trace = gpt_oss_20b()
    for slots in (144, 192, 288):
        options: dict[str, Any] = {"admission": "forced", "reset": "session"}
        seconds, split = best(1, lambda s=slots, o=options: lp.optimum(trace, s, quotas="free", **o), warm=False)
        lp.certify.check(split.certificate, trace)
        uniform = lp.optimum(trace, slots, pool="per-layer", **options)
        shared = lp.optimum(trace, slots, **options)
        print(
            f"free, {slots} slots: best split {split.misses} misses ({100 * split.hit_rate:.3f} % hits), uniform "
            f"{uniform.misses} ({100 * uniform.hit_rate:.3f} %), shared {shared.misses} ({100 * shared.hit_rate:.3f} %); "
            f"{seconds:.1f} s; quotas {' '.join(map(str, split.split))}"
        )


PARTS = {"certificate": certificate, "free": free, "weighted": weighted}

if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
