"""What the special loops win over the common one: ``python tests/benchmarks/kernels.py [--rounds N]``.

Prints, measured in one run: the time of the common loop divided by that of the special loop, and for curves the time of one replay
per size divided by that of the one pass.
"""

from __future__ import annotations

import argparse

from common import best

import layered_paging as lp
from layered_paging.core.layout import lay_out
from layered_paging.core.rules import PLAIN
from layered_paging.engine.curves import _Sizes
from layered_paging.engine.loop import run
from layered_paging.engine.task import Task
from layered_paging.engine.twins import twin_of
from layered_paging.policies.names import resolve


def of_loops(name: str, trace: lp.Trace) -> float:
    """Return how many times longer the common loop takes than the special one."""
    spec, slots = resolve(name), trace.pages // 4
    found = twin_of(spec)
    assert found is not None
    task = Task(lay_out(trace), spec, trace.instance(slots), slots)
    assert found.play(task).misses.tolist() == run(task, found.kind).misses.tolist()
    return best(3, lambda: run(task, found.kind))[0] / best(3, lambda: found.play(task))[0]


def of_curves(name: str, trace: lp.Trace) -> float:
    """Return how many times longer one replay per size takes than the one pass."""
    sizes = _Sizes(trace, resolve(name), PLAIN, None, 0)
    return best(1, lambda: sizes.replayed(1, None))[0] / best(3, lambda: lp.miss_curve(trace, name))[0]


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4000)
    args = parser.parse_args()
    for top_k in (1, 4):
        trace = lp.workloads.zipf(24, 32, args.rounds, top_k=top_k, seed=1)
        for name in ("lru", "llru"):
            print(f"{name:<5} top-{top_k}: time of the common loop / of the special one {of_loops(name, trace):6.1f}")
    short = lp.workloads.zipf(8, 16, args.rounds // 4, top_k=2, seed=1)
    for name in ("lru", "llru", "lfu"):
        print(f"{name:<5} {short.pages} sizes: time of one replay per size / of one pass {of_curves(name, short):6.1f}")


if __name__ == "__main__":
    main()
