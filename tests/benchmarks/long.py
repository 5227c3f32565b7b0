"""A trace too long to hold: ``python tests/benchmarks/long.py [--requests N] [--folder F] [--growth]``.

Writes a synthetic Parquet trace of 24 layers x 32 experts, 4 a layer, in parts (seeded; an event keeps each expert of
the round before with probability 3/4 and draws the others uniformly; a session has 1000 rounds), then replays it
at 192 slots, each policy in a process of its own: LRU, LLRU, and on the first 100 million requests belady, the
optimum.  Peak resident size is that of the process.  The peer is the kernel on the first 20 million requests held in
memory, in the same process; ``reading alone`` is the same pass over the file without a replay.

``--growth`` measures time and memory against requests, pages, slots and workers instead, and fits exponents.
``--json`` prints one JSON object instead.  The file is deleted at the end; ``--write FILE`` only writes it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np

import layered_paging as lp
from layered_paging.core.parts import LongTrace, Part

LAYERS, EXPERTS, TOP_K, SESSION, ROWS = 24, 32, 4, 1000, 40_000


@numba.njit(cache=True)
def walk(ids: Any, last: Any, experts: int, state: Any) -> None:
    """Fill ``ids`` (rounds, layers, top_k), from the ``last`` round on."""
    rounds, layers, width = ids.shape
    for r in range(rounds):
        for j in range(layers):
            for q in range(width):  # what is kept keeps its place
                state[0] = state[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                keep = last[j, q] >= 0 and (state[0] >> np.uint64(62)) != 0
                ids[r, j, q] = last[j, q] if keep else -1
            for q in range(width):
                while ids[r, j, q] < 0:
                    state[0] = state[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                    e = np.int64(((state[0] >> np.uint64(32)) * np.uint64(experts)) >> np.uint64(32))
                    fresh = True
                    for p in range(width):
                        fresh = fresh and ids[r, j, p] != e
                    if fresh:
                        ids[r, j, q] = e
                last[j, q] = ids[r, j, q]


def generate(path: Path, requests: int, experts: int = EXPERTS, seed: int = 1) -> None:
    """Write the trace, a row group at a time."""
    rounds = requests // (LAYERS * TOP_K)
    last = np.full((LAYERS, TOP_K), -1, np.int64)
    state = np.array([seed], np.uint64)

    def read(begin: int, end: int | None) -> Iterator[Part]:
        for at in range(0, rounds, ROWS):
            n = min(ROWS, rounds - at)
            ids = np.empty((n, LAYERS, TOP_K), np.int16)
            walk(ids, last, experts, state)
            yield Part(ids, np.ones(n, np.int8), (at + np.arange(n)) // SESSION)

    head = ("synthetic", LAYERS, TOP_K, (experts,) * LAYERS, None, rounds)
    lp.save_trace(LongTrace(*head, read, lambda: np.arange(0, rounds, SESSION)), path)


def peak() -> float:
    """Return the largest resident size of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def cut(long: LongTrace, requests: int | None) -> LongTrace:
    """Return the first so many requests of a trace in parts."""
    if requests is None:
        return long
    rounds = requests // (LAYERS * TOP_K)
    head = (long.source, long.layers, long.top_k, long.n_experts, long.expert_bytes, rounds)
    return LongTrace(*head, lambda begin, end: long.parts(begin, rounds), lambda: long.starts)


def one(path: str, policy: str, slots: int, requests: int | None, peer: int) -> dict[str, Any]:
    """Replay in this process; return counts, CPU seconds and peak sizes."""
    long = cut(lp.open_trace(path), requests)
    lp.replay(cut(long, 96_000), policy, slots)  # compiles
    began, wall = time.process_time(), time.perf_counter()
    run = lp.replay(long, policy, slots)
    seconds = time.process_time() - began
    found = {"policy": policy, "slots": slots, "requests": run.requests, "misses": run.misses, "seconds": seconds}
    found |= {"wall": time.perf_counter() - wall, "peak_gib": peak()}
    began = time.process_time()
    rounds = sum(len(part.session) for part in cut(long, min(peer, run.requests)).parts())
    found["reading_per_second"] = rounds * LAYERS * TOP_K / (time.process_time() - began)
    ids = np.concatenate([part.experts for part in cut(long, min(peer, run.requests)).parts()])
    trace = lp.Trace(ids, long.n_experts)
    best = []
    for _ in range(3):  # the first one lays the trace out
        began = time.process_time()
        whole = lp.replay(trace, policy, slots)
        best.append(time.process_time() - began)
    found["memory_per_second"] = whole.requests / min(best)
    found["per_second"] = run.requests / seconds
    found["ratio"] = found["per_second"] / found["memory_per_second"]
    found["equal"] = whole.misses == lp.replay(cut(long, whole.requests), policy, slots).misses
    return found


def apart(*words: object) -> dict[str, Any]:
    """Call ``one`` in a process of its own."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import long as b, json; "
    code += "a = json.loads(sys.argv[1]); print(json.dumps(b.one(*a)))"
    done = subprocess.run([sys.executable, "-c", code, json.dumps(words)], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def study(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Write the long trace and replay it."""
    path = folder / "long.parquet"
    began = time.process_time()
    generate(path, args.requests)
    written = {"requests": args.requests, "seconds": time.process_time() - began, "bytes": path.stat().st_size}
    written["peak_gib"] = peak()
    if not args.json:
        print(
            f"written: {args.requests:,} requests, {path.stat().st_size / 2**20:,.0f} MiB, {written['seconds']:.0f} s, peak {peak():.2f} GiB",
            flush=True,
        )
    rows = []
    for policy, requests in (("lru", None), ("llru", None), ("belady", min(args.requests, args.optimum))):
        rows.append(apart(str(path), policy, 192, requests, args.peer))
        if not args.json:
            row = rows[-1]
            print(
                f"{policy:<7} {row['requests']:>13,} requests, {row['misses']:>11,} misses: {row['seconds']:.1f} s CPU, peak {row['peak_gib']:.2f} GiB, "
                f"{row['per_second'] / 1e6:.1f} M/s; in memory {row['memory_per_second'] / 1e6:.1f} M/s (ratio {row['ratio']:.2f}), "
                f"reading alone {row['reading_per_second'] / 1e6:.1f} M/s; equal on the peer's requests: {row['equal']}",
                flush=True,
            )
    return {"written": written, "rows": rows}


def slope(x: list[float], y: list[float]) -> float:
    """Return the exponent of y against x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def growth(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Vary one size at a time."""
    found: dict[str, Any] = {}

    def vary(name: str, sizes: list[tuple[int, int, int]]) -> None:
        rows = []
        for requests, experts, slots in sizes:
            path = folder / f"{requests}-{experts}.parquet"
            if not path.exists():
                generate(path, requests, experts)
            for policy in ("lru", "llru", "belady"):
                row = apart(str(path), policy, slots, None, 2_000_000)
                rows.append({"requests": requests, "pages": LAYERS * experts, **row})
                if not args.json:
                    print(
                        f"{name:<9}{policy:<7} {requests:>12,} requests {LAYERS * experts:>6,} pages {slots:>6,} slots: "
                        f"{row['seconds']:7.2f} s CPU, peak {row['peak_gib']:.3f} GiB",
                        flush=True,
                    )
        at = {"requests": "requests", "pages": "pages", "slots": "slots"}[name]
        for policy in ("lru", "llru", "belady"):
            own = [row for row in rows if row["policy"] == policy]
            x = [float(row[at]) for row in own]
            fit = {key: slope(x, [row[key] for row in own]) for key in ("seconds", "peak_gib")}
            found[f"{name} {policy}"] = {"rows": own, **fit}
            if not args.json:
                print(
                    f"  {policy}: time ~ {name}^{fit['seconds']:.2f}, memory ~ {name}^{fit['peak_gib']:.2f}", flush=True
                )

    base = args.requests
    vary("requests", [(base * n, 32, 192) for n in (1, 4, 16)])
    vary("pages", [(base, n, 6 * n) for n in (32, 128, 512)])
    vary("slots", [(base, 512, n) for n in (192, 1536, 6144)])
    rows = []
    path = folder / f"{base * 16}-32.parquet"
    for workers in (1, 2):
        began, cpu = time.perf_counter(), os.times()
        run = lp.sweep.replay_sharded(path, ["lru"], [192], workers=workers, reset="session")[0]
        after = os.times()
        spent = after.user - cpu.user + after.children_user - cpu.children_user
        rows.append({"workers": workers, "wall": time.perf_counter() - began, "cpu": spent, "misses": run.misses})
        if not args.json:
            print(
                f"workers  lru {workers}: {rows[-1]['wall']:.2f} s, {spent:.2f} s CPU, {run.misses:,} misses",
                flush=True,
            )
    found["workers"] = rows
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, help="default: 1 billion; with --growth: 5 million")
    parser.add_argument("--optimum", type=int, default=100_000_000, help="requests of the optimum")
    parser.add_argument("--peer", type=int, default=20_000_000, help="requests held in memory")
    parser.add_argument("--folder", help="where the file is written (default: a temporary folder)")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--write", metavar="FILE", help="only write the trace, to this file")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.requests = args.requests or (5_000_000 if args.growth else 1_000_000_000)
    if args.write:
        generate(Path(args.write), args.requests)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        found = growth(args, Path(folder)) if args.growth else study(args, Path(folder))
    if args.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
