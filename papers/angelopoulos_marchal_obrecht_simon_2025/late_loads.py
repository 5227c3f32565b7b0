"""Loads that complete late, played by an engine loop of its own.

A page is of use, and may be evicted, only so many events after its load began; a request for it before that
waits (counted apart) and loads nothing.
"""

from __future__ import annotations

import math
from typing import Any

import layered_paging as lp
from layered_paging.plot import COLOURS
from layered_paging.policies.names import resolve
from layered_paging.policies.spec import Time
from layered_paging.policies.step import Pool
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import long_traces, mean_demand
from layered_paging.reproduction.study import first_rounds

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
FACTS: dict[str, Any] = {"cites": (PAPER,), "status": "[not reported]"}


@lp.register(
    "result",
    f"{PAPER}/late-loads",
    reported="Readers ask whether LLRU's advantage survives loads that complete late.",
    agrees_when="yes if LLRU loads no more than LRU at every delay tried, partly if at some",
    small="yes",
    **FACTS,
)
def late_loads(study: Study) -> Finding:
    """Loads and waits of LRU and LLRU when a load takes up to one and a quarter rounds."""
    made = lp.workloads.markov(
        12, 16, 300 if study.full else 80, top_k=2, stickiness=0.3, exponent=1.0, seed=study.seed
    )
    workloads = [("sticky Zipf", made)]
    workloads += [(name, first_rounds(trace, 250 if study.full else 12)) for name, trace in long_traces(study)[:2]]
    rows: list[dict[str, Any]] = []
    for name, trace in workloads:
        slots = math.ceil(1.25 * mean_demand(trace))
        for delay in (0, trace.layers // 2, trace.layers, 5 * trace.layers // 4):
            row: dict[str, Any] = {
                "workload": name,
                "slots": slots,
                "requests": trace.requests,
                "delay in events": delay,
                "delay in rounds": round(delay / trace.layers, 3),
            }
            for policy in ("lru", "llru"):
                row |= dict(
                    zip(
                        (f"{policy} loads", f"{policy} waits", f"{policy} over"),
                        played(trace, policy, slots, delay),
                        strict=True,
                    )
                )
            rows.append({**row, "saved": round(1 - row["llru loads"] / row["lru loads"], 4)})
            if delay == 0:
                assert row["lru loads"] == lp.replay(trace, "lru", slots).misses
    ours = "LLRU's saving at 1.25 tokens' demand by delay in rounds: " + "; ".join(
        f"{name} "
        + ", ".join(
            f"{r['delay in rounds']:.2f}: {r['saved']:+.1%} ({r['lru waits'] / r['requests']:.0%} wait)"
            for r in rows
            if r["workload"] == name
        )
        for name, _ in workloads
    )
    worse = [row for row in rows if row["saved"] < 0]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for n, (name, _) in enumerate(workloads):
            part = [row for row in rows if row["workload"] == name]
            for policy, style in (("lru", "--"), ("llru", "-")):
                values = [row[f"{policy} loads"] / part[0]["lru loads"] for row in part]
                axes.plot(
                    [r["delay in rounds"] for r in part],
                    values,
                    style,
                    marker="os^"[n],
                    color=COLOURS[n],
                    label=f"{name}, {policy}",
                )
        axes.set(xlabel="time a load takes, in rounds", ylabel="loads, relative to LRU without delay")
        axes.margins(y=0.3)
        axes.legend(fontsize="small", ncols=3, loc="upper left")
        axes.grid(alpha=0.3)

    agrees = "yes" if not worse else "partly" if len(worse) < len(rows) else "no"
    return Finding(ours + ".", agrees, rows, draw, "pages on their way hold slots that nothing can take")


def played(trace: lp.Trace, policy: str, slots: int, delay: int) -> tuple[int, int, int]:
    """Return loads, requests that wait for a page on its way, and events that had to hold more than ``slots``."""
    spec = resolve(policy)
    chooser = spec.make(trace.instance(slots))
    first = trace.first_page.tolist()
    pool = Pool(chooser, slots, oversize=True)
    ready: dict[int, int] = {}  # page that was loaded -> event at which it is there
    loads = waits = over = 0
    for r, tokens in enumerate(trace.experts.tolist()):
        for j, members in enumerate(tokens):
            clock = r * trace.layers + j
            time = Time(clock, r, j)
            event = sorted(first[j] + e for e in members if e >= 0)
            hits, misses = pool.admit(event, time)
            waits += sum(ready[page] > clock for page in hits)
            loads += len(misses)
            ready |= dict.fromkeys(misses, clock + delay)
            on_its_way = {page for page in pool.cache if delay and ready[page] > clock}
            pool.make_room(time, on_its_way.union(event))
            over += len(pool.cache) > slots
    return loads, waits, over
