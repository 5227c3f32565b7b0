"""Exact ratios of up to twelve pages: states, nodes, CPU seconds and memory, with layers turned round and without.

One process a row, so that memory is that row's own: ``python tests/benchmarks/ratios.py [--workers 2] [--all]``, ``--policy fifo`` for one policy.
"Before" is the same policy as a subclass, which does not inherit ``turning``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SIZES = [
    ("lru", 2, 5, 7), ("lru", 3, 4, 6), ("lru", 4, 3, 7), ("lru", 6, 2, 9), ("fifo", 2, 5, 7), ("fifo", 3, 4, 6),
    ("fifo", 2, 6, 8), ("mark-far", 3, 4, 6), ("mark-far", 4, 3, 7), ("mark-far", 6, 2, 8), ("llru", 2, 5, 7),
    ("llru", 3, 4, 6), ("llru", 4, 3, 7),
]  # fmt: skip
LARGE = [("fifo", 4, 3, 7), ("llru", 2, 6, 8)]
COLUMNS = (
    "policy",
    "size",
    "ratio",
    "states",
    "nodes",
    "arcs",
    "CPU s",
    "MB",
    "nodes before",
    "CPU s before",
    "MB before",
)


def measure(policy: str, layers: int, experts: int, slots: int, turned: bool) -> dict[str, Any]:
    """Return the numbers of one size; kernels are compiled, or read from the disk, before the clock starts."""
    import layered_paging as lp
    from layered_paging.policies.names import resolve

    lp.competitive_ratio("lru", layers=2, experts=2, slots=2)
    cls = resolve(policy).cls
    asked: Any = policy if turned else type(cls.__name__, (cls,), {})
    begun, clock = time.process_time(), time.monotonic()
    found = lp.competitive_ratio(asked, layers=layers, experts=experts, slots=slots)
    seconds, wall = time.process_time() - begun, time.monotonic() - clock
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {
        "ratio": str(found.value), "states": found.states, "nodes": found.nodes,
        "arcs": len(found._product.arcs.targets), "seconds": seconds, "wall": wall, "memory": memory,
    }  # fmt: skip


def row(job: tuple[str, int, int, int]) -> list[Any]:
    """Return a line of the table."""
    policy, layers, experts, slots = job
    now, then = (
        json.loads(
            subprocess.run(
                [sys.executable, __file__, "--one", *map(str, job), str(int(turned))],
                capture_output=True, text=True, check=True,
            ).stdout
        )
        for turned in (True, False)
    )  # fmt: skip
    assert now["ratio"] == then["ratio"], (job, now, then)
    size = f"{layers} x {experts}, k = {slots}"
    line = [
        policy,
        size,
        now["ratio"],
        now["states"],
        now["nodes"],
        now["arcs"],
        round(now["seconds"], 1),
        now["memory"],
    ]
    return [*line, then["nodes"], round(then["seconds"], 1), then["memory"]]


def main() -> None:
    """Print the table."""
    from layered_paging.core.tables import as_markdown

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=5, metavar="PART")
    parser.add_argument("--policy", choices=("lru", "fifo", "mark-far", "llru"), help="rows of this policy alone")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="the largest ones too: minutes, and 6 GB without turning")
    args = parser.parse_args()
    if args.one:
        policy, *numbers = args.one
        layers, experts, slots, turned = map(int, numbers)
        print(json.dumps(measure(policy, layers, experts, slots, bool(turned))))
        return
    with ThreadPoolExecutor(args.workers) as pool:
        chosen = [job for job in SIZES + LARGE * args.all if args.policy in (None, job[0])]
        rows = list(pool.map(row, chosen))
    print(as_markdown(COLUMNS, rows), end="")


if __name__ == "__main__":
    main()
