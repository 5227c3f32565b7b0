"""Requests per second against libCacheSim, in one process on one serialised trace.

``python tests/benchmarks/replay.py [--requests N] [--slots K ...] [--repeat R]``

10 million single requests, 25 layers x 80 experts, Zipf 1.1 with its own permutation in each layer.
libCacheSim (its Python wheel, C inside) reads the trace as a memory-mapped oracleGeneral file, which
holds the next uses that its Belady needs; ours has the same ids in memory and computes next uses in
the measured time.  Making the file and opening it are not measured.  One thread, best of R,
miss counts compared first.  ``table.py`` prints a shorter comparison beside others.

``--json`` prints the figures as one JSON object instead.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
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
    lp.replay(trace, ours, slots, engine="kernel")  # compiles
    own, peer = [], []
    for _ in range(repeat):
        seconds, peer_misses = theirs(name, path, slots)
        peer.append(seconds)
        began = time.perf_counter()
        run = lp.replay(trace, ours, slots, engine="kernel")
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
    if args.json:
        print(json.dumps({"replay": rows}))


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


if __name__ == "__main__":
    main()
