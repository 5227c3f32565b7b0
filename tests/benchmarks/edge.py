"""Benchmark of placement: ``python tests/benchmarks/edge.py [PART ...]``.

Parts: convolution (SMAWK against the plain dynamic program on growing tables: ratios and growth), lazy (lazy
greedy against evaluating every candidate), tables (peeling against trying every subset), large (the largest
instance: 1,000 users, 50 servers, 48 layers x 128 experts; ``--users N`` for fewer).  Default: all.  CPU
seconds of one thread, measured in the same run; compiled beforehand.  Asserts only that values agree.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import best

from layered_paging.edge import generate, place
from layered_paging.edge.knapsack import Table, share
from layered_paging.edge.latency import cost, feasible
from layered_paging.edge.successive import successive


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of the best of two more runs, or of one that takes over two seconds, and the answer."""
    least, answer = best(1, run, time.process_time, warm=False)
    return best(2, run, time.process_time, warm=False) if least <= 2 else (least, answer)


def convolution(args: argparse.Namespace) -> None:
    """Concave tables of n steps for 8 layers of two strides, budget for half of all: plain grows as n^2, SMAWK as n."""
    stream = np.random.default_rng(0)
    before: dict[str, float] = {}
    for n in (16, 64, 256, 1024, 4096, 16384):
        tables = []
        for j in range(8):
            gains = np.sort(stream.integers(1, 10**6, n))[::-1]
            tables.append(Table(np.concatenate(([0], np.cumsum(gains))).astype(np.int64), 1 + j % 2))
        budget = sum(t.stride for t in tables) * n // 2
        words, values, spent = [], set(), {}
        for method in ("plain", "smawk"):
            if method == "plain" and n > 4096:
                continue
            spent[method], (value, _) = seconds(lambda m=method, t=tables, b=budget: share(t, b, m))
            values.add(value)
            growth = f", x{spent[method] / before[method]:.1f}" if method in before else ""
            words.append(f"{method} {1000 * spent[method]:.2f} ms{growth}")
        assert len(values) == 1
        ratio = f"; plain / smawk {spent['plain'] / spent['smawk']:.2f}" if "plain" in spent else ""
        print(f"convolution, 8 tables of {n} steps, {budget} units: {', '.join(words)}{ratio}", flush=True)
        before = spent
    for n in (16, 256, 4096, 65536):
        tables = [
            Table(np.concatenate(([0], np.cumsum(np.sort(stream.integers(1, 10**6, n))[::-1]))).astype(np.int64), 1)
            for _ in range(8)
        ]
        merged, (one, _) = seconds(lambda t=tables, b=4 * n: share(t, b, "merge"))
        smawk, (two, _) = seconds(lambda t=tables, b=4 * n: share(t, b, "smawk"))
        assert one == two
        print(
            f"one stride, 8 tables of {n} steps: merge {1000 * merged:.2f} ms, smawk / merge {smawk / merged:.1f}",
            flush=True,
        )


def lazy(args: argparse.Namespace) -> None:
    """Lazy greedy against evaluating every candidate in every step; one expert an event, the same placement."""
    for users, servers, experts in ((20, 4, 32), (40, 8, 64), (80, 8, 128)):
        network = generate(
            users=users,
            servers=servers,
            layers=6,
            experts=experts,
            top_k=1,
            storage=experts << 20,
            user_storage=4 << 20,
            seed=1,
        )
        fast, one = seconds(lambda n=network: place(n, "greedy"))
        slow, two = seconds(lambda n=network: place(n, "greedy", lazy=False))
        assert (one.held == two.held).all()
        print(f"lazy, {network}: {1000 * fast:.0f} ms; every candidate / lazy {slow / fast:.1f}", flush=True)


def tables(args: argparse.Namespace) -> None:
    """Tables by peeling against exact ones, and what peeling loses at one server."""
    for experts in (8, 12, 14):
        network = generate(
            users=20,
            servers=1,
            layers=4,
            experts=experts,
            top_k=2,
            storage=2 * experts << 20,
            user_storage=1 << 20,
            seed=2,
        )
        exact, one = seconds(lambda n=network: place(n, "successive", exact=20))
        peeled, two = seconds(lambda n=network: place(n, "successive", exact=0))
        assert two.saved <= one.saved
        lost = 100 * (1 - two.saved / one.saved)
        print(
            f"tables, {network}: every subset / peeling {exact / peeled:.1f}, peeling saves {lost:.2f} % less",
            flush=True,
        )


def large(args: argparse.Namespace) -> None:
    """The largest instance, by successive dynamic programming."""
    successive(generate(users=3, layers=2, experts=12))
    start = time.process_time()
    network = generate(
        users=args.users, servers=50, layers=48, experts=128, top_k=2, tokens=64, storage=600 << 20, user_storage=300 << 20,
        side_m=2500.0, seed=1,
    )  # fmt: skip
    made = time.process_time() - start
    start, wall = time.process_time(), time.perf_counter()
    held = successive(network)
    spent, wall = time.process_time() - start, time.perf_counter() - wall
    feasible(network, held)
    without = cost(network, np.zeros_like(held))
    saved = 1 - cost(network, held) / without
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"large, {network}, {network.activations.groups:,} groups: made in {made:.1f} s, placed in {spent:.1f} s of CPU "
        f"({wall:.1f} s by the clock), {int(held.sum()):,} experts placed, latency down {100 * saved:.1f} %, {memory:,} MiB"
    )


PARTS = {"convolution": convolution, "lazy": lazy, "tables": tables, "large": large}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--users", type=int, default=1000)
    given = parser.parse_args()
    for name in given.parts or PARTS:
        PARTS[name](given)
