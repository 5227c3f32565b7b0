"""How much LLRU saves over LRU, where the most, and from which capacity on it no longer pays."""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import curves, grid_of, legal, long_traces, mean_demand, thinned

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
FACTS: dict[str, Any] = {"cites": (PAPER,), "status": "[second hand]"}


@lp.register(
    "result",
    f"{PAPER}/llru-gain",
    reported="LLRU has up to 15 % fewer misses than LRU.",
    agrees_when="yes if the largest saving of one-expert workloads with at least one token's demand of slots is 10 to 20 %, partly if another",
    small="yes",
    **FACTS,
)
def llru_gain(study: Study) -> Finding:
    """Largest saving of LLRU over LRU on each workload, below and above one token's demand."""
    rows: list[dict[str, Any]] = []
    lines = []
    for name, trace in workloads(study):
        found = curves(trace, ("lru", "llru", "opt"))
        sizes = legal(found)
        if not len(sizes):
            continue
        gain = 1 - found["llru"][sizes] / found["lru"][sizes]
        demand = mean_demand(trace)
        row: dict[str, Any] = {"workload": name, "demand": round(demand, 2)}
        for text, least in (("anywhere", 0.0), ("from demand", demand), ("from 1.5 demand", 1.5 * demand)):
            inside = sizes >= least
            best = int(np.argmax(np.where(inside, gain, -1)))
            row |= {text: round(float(gain[best]), 4), f"slots {text}": int(sizes[best])}
        rows.append(row)
        lines.append((name, sizes / demand, gain))
    single = [row for row in rows if row["workload"].endswith((" top-1", "Zipf"))]
    top = max(single, key=lambda row: row["from demand"])
    agrees = "yes" if 0.1 <= top["from demand"] <= 0.2 else "partly"
    said = [
        f"{row['workload']} {row['anywhere']:.1%} at {row['slots anywhere']} slots, {row['from demand']:.1%} from one token's demand on"
        for row in rows
    ]

    def draw(figure: Any) -> None:
        for axes, (name, tokens, gain) in zip(grid_of(figure, len(lines)), lines, strict=True):
            at = thinned(np.flatnonzero(tokens <= 8), 60)
            axes.plot(tokens[at], 100 * gain[at], color="#D55E00", linewidth=1.4)
            axes.axvline(1, color="0.6", linewidth=0.8)
            axes.set(title=name, xlabel="slots / one token's demand", ylabel="misses saved, %")
            axes.grid(alpha=0.3)

    notes = "the peak is just below one token's demand, where LRU hardly hits at all"
    return Finding("; ".join(said) + ".", agrees, rows, draw, notes)


@lp.register(
    "result",
    f"{PAPER}/crossover",
    reported="Past some capacity the advantage of LLRU over LRU is negligible.",
    agrees_when="on every workload there is a capacity below that of all pages from which on the saving stays below 1 %",
    small="partly",
    **FACTS,
)
def crossover(study: Study) -> Finding:
    """Smallest capacity from which on LLRU saves less than 1 % (and less than 5 %)."""
    rows: list[dict[str, Any]] = []
    for name, trace in workloads(study):
        found = curves(trace, ("lru", "llru", "opt"))
        sizes = legal(found)
        if not len(sizes):
            continue
        gain = 1 - found["llru"][sizes] / found["lru"][sizes]
        row: dict[str, Any] = {"workload": name, "pages": trace.pages, "demand": round(mean_demand(trace), 2)}
        for least in (0.05, 0.01):
            above = np.flatnonzero(gain >= least)
            last = int(sizes[above[-1]]) + 1 if len(above) else int(sizes[0])
            row |= {f"below {least:.0%} from": last, f"in tokens, {least:.0%}": round(last / mean_demand(trace), 2)}
        rows.append(row)
    said = [
        f"{row['workload']} {row['in tokens, 1%']:.1f} tokens ({row['below 1% from'] / row['pages']:.0%} of all pages)"
        for row in rows
    ]
    agrees = "yes" if all(row["below 1% from"] < row["pages"] for row in rows) else "partly"

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for n, row in enumerate(reversed(rows)):
            ends = [row["in tokens, 5%"], row["in tokens, 1%"]]
            axes.plot(ends, [n, n], color="0.6", zorder=1)
            axes.scatter(ends[:1], [n], color="#0072B2", label="5 %" if n == 0 else None, zorder=2)
            axes.scatter(ends[1:], [n], color="#D55E00", marker="s", label="1 %" if n == 0 else None, zorder=2)
        axes.set_yticks(range(len(rows)), [row["workload"] for row in reversed(rows)])
        axes.set(xlabel="capacity in tokens' demand from which on LLRU saves less than", xlim=(0, None))
        axes.legend()
        axes.grid(alpha=0.3, axis="x")

    return Finding("Saving below 1 % from " + ", ".join(said) + ".", agrees, rows, draw)


def workloads(study: Study) -> list[tuple[str, lp.Trace]]:
    """Return synthetic Zipf, and each trace with one expert a layer and with all."""
    rounds = 5000 if study.full else 2000
    found = [
        ("equal Zipf", lp.workloads.zipf(32, 8, rounds, exponent=1.0, seed=study.seed)),
        ("unequal Zipf", lp.workloads.zipf(32, 8, rounds, exponent=np.linspace(0, 3, 32).tolist(), seed=study.seed)),
    ]
    for name, trace in long_traces(study):
        found += [(f"{name} top-1", lp.transforms.top_one(trace)), (f"{name} events", trace)]
    return found
