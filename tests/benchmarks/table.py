"""One table: task, ours, peer or floor, ratio.  ``make bench``, or ``python tests/benchmarks/table.py [PART ...] [--quick]``.

Parts:

- ``replay``: requests per second against libCacheSim, miss counts compared first, and against a floor: one pass that touches one table;
- ``reading``: a trace from Parquet against pyarrow and pandas, which read the same columns and check nothing;
- ``flows``: weighted optima against networkx, HiGHS and OR-tools, costs compared first;
- ``curves``: all capacities in one pass, against one replay by LRU of the same events;
- ``loops``: the special loops and passes against the common ones;
- ``first``: CPU seconds of whole commands on the shipped sample, the second call against the first, which finds no compiled code;
- ``memory``: peak of a replay against the ids themselves, each in a process of its own.

Ratio is the peer's time (or bytes) over ours: above 1 we are better.  Both sides take turns in one process on one core; best of
several.  ``--quick`` takes small sizes: it shows that everything runs, and its ratios mean little.  ``--json`` prints the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import first_answer
import kernels
import numba
import numpy as np
import replay
from common import best

import layered_paging as lp


class Row(NamedTuple):
    """One comparison; ``ours`` and ``peers`` are in ``unit``."""

    task: str
    ours: float
    peer: str
    peers: float
    unit: str
    ratio: float


class Sizes(NamedTuple):
    """How much is done: requests of a replay, rounds of an event trace, rounds of a flow, requests of the memory run."""

    requests: int
    rounds: int
    flow: int
    memory: int
    repeat: int


FULL = Sizes(3_000_000, 20_000, 60, 50_000_000, 3)
QUICK = Sizes(20_000, 200, 6, 500_000, 1)


@numba.njit
def _touch(pages: Any, table: Any) -> None:
    for page in pages:
        table[page] += 1


def of_replay(sizes: Sizes) -> Iterator[Row]:
    """Replay against libCacheSim and against one pass over memory."""
    trace = lp.workloads.zipf(25, 80, sizes.requests // 25, exponent=1.1, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.oracleGeneral.bin"
        replay.serialise(trace, path)
        for ours, (name, _) in {**replay.PAIRS, "llru": ("LRU", None)}.items():
            row = replay.compare(trace, path, ours, name, 500, sizes.repeat)
            if ours != "llru" and row["misses"] != row["peer_misses"]:
                raise SystemExit(f"{ours} misses {row['misses']}, libCacheSim {name} {row['peer_misses']}")
            rates = row["million_per_second"], row["peer_million_per_second"]
            yield Row(f"replay, {ours}", rates[0], f"libCacheSim {name}", rates[1], "M requests/s", row["ratio"])
    pages = (trace.experts[:, :, 0] + trace.first_page).ravel()
    floor, _ = best(sizes.repeat, lambda: _touch(pages, np.zeros(trace.pages, np.int64)))
    mine, _ = best(sizes.repeat, lambda: lp.replay(trace, "lru", 500, engine="kernel"))
    rate = trace.requests / 1e6
    yield Row("replay, lru", rate / mine, "floor: touch a table", rate / floor, "M requests/s", floor / mine)


def of_reading(sizes: Sizes) -> Iterator[Row]:
    """Reading a Parquet trace against pyarrow and pandas."""
    import pandas
    import pyarrow.parquet

    trace = lp.workloads.zipf(24, 32, sizes.rounds, top_k=4, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.parquet"
        lp.save_trace(trace, path)
        mine, _ = best(sizes.repeat, lambda: lp.load_trace(path))
        rate = trace.requests / 1e6
        peers: dict[str, Callable[[], Any]] = {
            "pyarrow": lambda: pyarrow.parquet.read_table(path),
            "pandas": lambda: pandas.read_parquet(path),
        }
        for name, call in peers.items():
            theirs, _ = best(sizes.repeat, call)
            yield Row("read Parquet", rate / mine, name, rate / theirs, "M ids/s", theirs / mine)


def of_flows(sizes: Sizes) -> Iterator[Row]:
    """Weighted optima by every solver."""
    trace = lp.workloads.markov(8, 16, sizes.flow, top_k=2, seed=0)
    costs = np.random.default_rng(1).integers(1, 100, trace.pages)

    def solve(solver: str) -> Any:
        return lp.optimum(trace, 40, admission="forced", costs=costs, solver=solver).cost

    mine, cost = best(sizes.repeat, lambda: solve("paths"))
    for solver in ("networkx", "highs", "ortools"):
        theirs, same = best(1, lambda solver=solver: solve(solver), warm=False)
        if same != cost:
            raise SystemExit(f"a flow of cost {cost}, by {solver} of {same}")
        yield Row(f"flow, {trace.requests:,} requests", mine * 1e3, solver, theirs * 1e3, "ms", theirs / mine)


def of_curves(sizes: Sizes) -> Iterator[Row]:
    """All capacities in one pass, against one replay."""
    trace = lp.workloads.zipf(24, 32, sizes.rounds, top_k=4, exponent=0.7, seed=0)
    one, _ = best(sizes.repeat, lambda: lp.replay(trace, "lru", trace.pages // 4, engine="kernel"))
    for name in ("lru", "llru", "lfu"):
        mine, _ = best(sizes.repeat, lambda name=name: lp.miss_curve(trace, name))
        yield Row(f"curve, {name}, {trace.pages} sizes", mine * 1e3, "one replay, lru", one * 1e3, "ms", one / mine)
    mine, _ = best(sizes.repeat, lambda: lp.optimum_curve(trace, admission="forced"))
    yield Row(f"curve, optimum, {trace.pages} sizes", mine * 1e3, "one replay, lru", one * 1e3, "ms", one / mine)
    for name in ("llru", "similar-rounds", "stamp", "lfu-decay"):
        mine, _ = best(sizes.repeat, lambda name=name: lp.replay(trace, name, trace.pages // 4, engine="kernel"))
        yield Row(f"replay of events, {name}", mine * 1e3, "replay, lru", one * 1e3, "ms", one / mine)


def of_loops(sizes: Sizes) -> Iterator[Row]:
    """What special loops win over the common one; times are shares of the common loop's."""
    trace = lp.workloads.zipf(24, 32, sizes.rounds // 5, top_k=4, seed=1)
    for name in ("lru", "llru"):
        ratio = kernels.of_loops(name, trace)
        yield Row(f"special loop, {name}", 1 / ratio, "common loop", 1, "of its time", ratio)
    short = lp.workloads.zipf(8, 16, sizes.rounds // 20, top_k=2, seed=1)
    for name in ("lru", "llru", "lfu"):
        ratio = kernels.of_curves(name, short)
        yield Row(f"one pass, {name}", 1 / ratio, "a replay per size", 1, "of its time", ratio)


def of_memory(sizes: Sizes) -> Iterator[Row]:
    """Peak of a replay against the ids, which are held in any case."""
    script = Path(__file__).with_name("memory.py")
    words = [sys.executable, str(script), "--json", "--requests", str(sizes.memory)]
    found = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    for row in found["rows"]:
        ids = row["requests"] * 2 / 2**30
        yield Row(f"memory, {row['policy']}", row["peak_gib"], "floor: the ids", ids, "GiB", ids / row["peak_gib"])


def of_first(sizes: Sizes) -> Iterator[Row]:
    """The second call of a command against the first one on a machine."""
    for name in first_answer.USUAL if sizes.repeat > 1 else first_answer.USUAL[:1]:
        with tempfile.TemporaryDirectory() as folder:
            cold, warm = (first_answer.spent(name, first_answer.ROOT, folder) for _ in range(2))
        yield Row(f"{name}, second call", warm, "first call", cold, "CPU seconds", cold / warm)


PARTS: dict[str, Callable[[Sizes], Iterator[Row]]] = {
    "replay": of_replay,
    "reading": of_reading,
    "flows": of_flows,
    "curves": of_curves,
    "loops": of_loops,
    "first": of_first,
    "memory": of_memory,
}


def machine() -> str:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{model}, {os.cpu_count()} cores{load}, Python {platform.python_version()}, numba {numba.__version__}"


def rows_of(parts: list[str], sizes: Sizes) -> Iterator[Row]:
    """Yield the rows of some parts."""
    for part in parts:
        yield from PARTS[part](sizes)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes: it only shows that everything runs")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"unknown part {unknown.pop()!r}; available: {', '.join(PARTS)}")
    rows = rows_of(args.parts or list(PARTS), QUICK if args.quick else FULL)
    if args.json:
        print(json.dumps({"machine": machine(), "rows": [row._asdict() for row in rows]}))
        return
    print(f"{machine()}\n")
    print(f"{'task':<32}{'ours':>10}  {'peer or floor':<24}{'peer':>10}  {'unit':<14}{'ratio':>8}")
    for row in rows:
        print(
            f"{row.task:<32}{row.ours:>10,.3g}  {row.peer:<24}{row.peers:>10,.3g}  {row.unit:<14}{row.ratio:>8,.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
