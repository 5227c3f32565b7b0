"""Peak memory of a long replay: ``python tests/benchmarks/memory.py [--requests N] [--top-k K]``.

Makes a uniform trace of 24 layers x 32 experts in place (default 100 million requests), replays it with
LRU, LLRU, LFU and Belady at 192 slots, and prints the peak resident size after each.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np

import layered_paging as lp


def peak_gib() -> float:
    """Return the peak resident size of this program, without what the program that started it held."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000_000)
    parser.add_argument("--top-k", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rounds, random = args.requests // (24 * args.top_k), np.random.default_rng(0)
    experts = np.empty((rounds, 24, args.top_k), np.int16)
    for at in range(0, rounds, 10_000):
        chances = random.random((min(10_000, rounds - at), 24, 32), dtype=np.float32)
        experts[at : at + 10_000] = np.argpartition(chances, args.top_k, axis=2)[:, :, : args.top_k]
    trace = lp.Trace(experts, 32)
    rows = []
    for policy in ("lru", "llru", "lfu", "belady"):
        began = time.perf_counter()
        run = lp.replay(trace, policy, 192, engine="kernel")
        peak = peak_gib()
        row = {"policy": policy, "requests": run.requests, "seconds": time.perf_counter() - began, "peak_gib": peak}
        rows.append(row)
        if not args.json:
            print(f"{policy:<8} {run.requests:>12,} requests {row['seconds']:6.2f} s, peak {peak:.3f} GiB")
    if args.json:
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
