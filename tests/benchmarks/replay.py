"""Requests per second against libCacheSim, in one process on one serialised trace.

``python tests/benchmarks/replay.py [--requests N] [--slots K ...] [--repeat R]``

10 million single requests, 25 layers x 80 experts, Zipf 1.1 with its own permutation in each layer.
libCacheSim (its Python wheel, C inside) reads the trace as a memory-mapped oracleGeneral file, which
holds the next uses that its Belady needs; ours has the same ids in memory and computes next uses in
the measured time.  Making the file and opening it are not measured.  One thread, best of R,
miss counts compared first.  The last lines give all capacities in one pass, as a ratio to one LRU replay.

``--json`` prints the figures as one JSON object instead.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import layered_paging as lp

# ours -> theirs, where the semantics of single requests coincide; the target of the first two and of llru
PAIRS = {
    "lru": ("LRU", 8),
    "belady": ("Belady", 8),
    "fifo": ("FIFO", None),
    "lfu(history='cache')": ("LFU", None),
    "sieve": ("Sieve", None),
    "s3-fifo(filling='main')": ("S3FIFO", None),
}


def best(repeat: int, call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least time of so many calls after one more, and the last result."""
    result = call()
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - began)
    return min(times), result


def serialise(trace: lp.Trace, path: Path) -> None:
    """Write single requests as oracleGeneral records: time, id, size, next use (-1: none)."""
    pages = (trace.experts[:, :, 0] + trace.first_page).ravel()
    order = np.argsort(pages, kind="stable")
    following = np.full(len(pages), -1, np.int64)
    same = pages[order][1:] == pages[order][:-1]
    following[order[:-1][same]] = order[1:][same]
    records = np.zeros(len(pages), [("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
    records["time"] = np.arange(len(pages)) // 1000
    records["id"] = pages + 1
    records["size"] = 1
    records["next"] = following
    records.tofile(path)


def theirs(name: str, path: Path, slots: int) -> tuple[float, int]:
    """Run libCacheSim once; return its time and its misses."""
    import libcachesim as peer

    options = peer.ReaderInitParam(ignore_obj_size=True)
    reader = peer.TraceReader(str(path), peer.TraceType.ORACLE_GENERAL_TRACE, options)
    cache = getattr(peer, name)(slots)
    began = time.perf_counter()
    ratio, _ = cache.process_trace(reader)
    return time.perf_counter() - began, round(ratio * reader.get_num_of_req())


def compare(trace: lp.Trace, path: Path, ours: str, name: str, slots: int, repeat: int) -> dict[str, Any]:
    """Run both in turn, so that a machine that changes its speed changes it for both; keep the best of each."""
    lp.replay(trace, ours, slots)  # compiles
    own, peer = [], []
    for _ in range(repeat):
        seconds, peer_misses = theirs(name, path, slots)
        peer.append(seconds)
        began = time.perf_counter()
        run = lp.replay(trace, ours, slots)
        own.append(time.perf_counter() - began)
    return {
        "policy": ours,
        "peer": name,
        "slots": slots,
        "misses": run.misses,
        "peer_misses": peer_misses,
        "million_per_second": trace.requests / min(own) / 1e6,
        "peer_million_per_second": trace.requests / min(peer) / 1e6,
        "ratio": min(peer) / min(own),
    }


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--slots", type=int, nargs="+", default=[500, 1000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--trace", help="events of a real trace for the curves (default: the synthetic one with top_k 4)"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    trace = lp.workloads.zipf(25, 80, args.requests // 25, exponent=1.1, seed=args.seed)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.oracleGeneral.bin"
        serialise(trace, path)
        for slots in args.slots:
            for ours, (name, target) in {**PAIRS, "llru": ("LRU", 5)}.items():
                rows.append({**compare(trace, path, ours, name, slots, args.repeat), "target": target})
                if not args.json:
                    show(rows[-1])
    curves = all_capacities(args)
    if args.json:
        print(json.dumps({"replay": rows, "curves": curves}))


def show(row: dict[str, Any]) -> None:
    """Print one comparison."""
    same = (
        "-"
        if row["policy"] == "llru"
        else "equal"
        if row["misses"] == row["peer_misses"]
        else f"DIFFER ({row['peer_misses']:,})"
    )
    target = f" (aim {row['target']})" if row["target"] else ""
    print(
        f"{row['policy']:<23} {row['slots']:>5} slots  {row['misses']:>9,} misses, libCacheSim {row['peer']}: {same:<7} "
        f"{row['million_per_second']:7.1f} M/s against {row['peer_million_per_second']:5.1f} M/s: ratio {row['ratio']:.1f}{target}",
        flush=True,
    )


def all_capacities(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Time each one-pass curve against one LRU replay of the same events."""
    trace = (
        lp.load_trace(args.trace)
        if args.trace
        else lp.workloads.zipf(24, 32, 30_000, top_k=4, exponent=0.7, seed=args.seed)
    )
    slots = trace.pages // 4
    one, _ = best(args.repeat, lambda: lp.replay(trace, "lru", slots))
    calls: dict[str, tuple[Callable[[], Any], int]] = {
        "lru": (lambda: lp.miss_curve(trace, "lru"), 10),
        "llru": (lambda: lp.miss_curve(trace, "llru"), 100),
        "lfu": (lambda: lp.miss_curve(trace, "lfu"), 100),
        "optimum (forced)": (lambda: lp.optimum_curve(trace, admission="forced"), 100),
        "optimum (bypass)": (lambda: lp.optimum_curve(trace, admission="bypass"), 100),
    }
    rows = []
    for name, (call, target) in calls.items():
        seconds, _ = best(args.repeat, call)
        rows.append(
            {"curve": name, "seconds": seconds, "replay_seconds": one, "ratio": seconds / one, "target": target}
        )
        if not args.json:
            print(
                f"all {trace.pages} capacities of {name:<17} {seconds:6.3f} s, one LRU replay {one:.3f} s: ratio {seconds / one:.1f} (aim at most {target})"
            )
    return rows


if __name__ == "__main__":
    main()
