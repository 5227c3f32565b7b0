"""Engines that do not run layer after layer, token after token: where does LLRU lose to LRU?

Skipped layers, early exits, interleaved streams and permuted layers are transformations of a trace; slots are those of
the trace as it is.  Where layers are permuted, a turn back to an earlier layer looks like a new round to LLRU.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging import transforms
from layered_paging.plot import COLOURS
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import curves, grid_of, legal, long_traces, mean_demand

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
FACTS: dict[str, Any] = {"cites": (PAPER,), "status": "[not reported]"}
TOKENS = (1.5, 2.0, 3.0)


@lp.register(
    "result",
    f"{PAPER}/execution",
    reported="Readers ask whether LLRU's advantage survives skipped layers, early exits, interleaved streams and other layer orders.",
    agrees_when="yes if LLRU still saves misses at 1.5, 2 and 3 tokens' demand in every variant, partly if in some",
    small="partly",
    **FACTS,
)
def execution(study: Study) -> Finding:
    """Saving of LLRU over LRU under each variant, at three capacities and the worst over all."""
    made = lp.workloads.markov(
        16, 16, 4000 if study.full else 600, top_k=2, stickiness=0.3, exponent=1.0, seed=study.seed
    )
    workloads = [("sticky Zipf", made), *long_traces(study)]
    rows: list[dict[str, Any]] = []
    for done, (name, trace) in enumerate(workloads):
        study.progress(done, len(workloads))
        base = mean_demand(trace)
        for variant, changed in variants(trace, study.seed):
            found = curves(changed, ("lru", "llru"))
            sizes = legal(found)
            if not len(sizes):
                continue
            gain = 1 - found["llru"][sizes] / found["lru"][sizes]
            row = {"workload": name, "variant": variant}
            row |= {f"saved at {t:g} tokens": round(float(np.interp(t * base, sizes, gain)), 4) for t in TOKENS}
            rows.append({**row, "worst": round(float(gain.min()), 4), "worst at slots": int(sizes[gain.argmin()])})
    keys = [f"saved at {t:g} tokens" for t in TOKENS]
    lost = [(min(row[key] for key in keys), row) for row in rows]
    losing = sorted({row["variant"] for least, row in lost if least < 0})
    order = list(dict.fromkeys(row["variant"] for row in rows))
    said = []
    for variant in order:
        values = [row[key] for row in rows if row["variant"] == variant for key in keys]
        said.append(f"{variant} {min(values):+.1%} to {max(values):+.1%}")
    ours = "LLRU saves of LRU's misses at 1.5 to 3 tokens' demand: " + ", ".join(said) + ". It loses under: "

    least = min(rows, key=lambda row: row["worst"])
    worst = (
        f". Over all capacities it is never worse than {least['worst']:+.1%} ({least['workload']}, {least['variant']}, "
        f"at {least['worst at slots']} slots)."
    )

    def draw(figure: Any) -> None:
        names = list(dict.fromkeys(row["workload"] for row in rows))
        panels = grid_of(figure, len(names), height=4.0, width=3.6)
        for axes, name in zip(panels, names, strict=True):
            part = [row for row in rows if row["workload"] == name]
            for n, key in enumerate(keys):
                places = [len(part) - 1 - at for at in range(len(part))]
                axes.plot(
                    [100 * row[key] for row in part],
                    places,
                    "os^"[n],
                    color=COLOURS[n],
                    label=f"{TOKENS[n]:g} tokens' demand",
                )
            axes.axvline(0, color="0.4", linewidth=0.8)
            axes.set_yticks(range(len(part)), [row["variant"] for row in reversed(part)], fontsize="small")
            axes.set(title=name, xlabel="misses that LLRU saves over LRU, %")
            axes.grid(alpha=0.3)
        panels[0].legend(fontsize="small")

    agrees = "yes" if not losing else "partly" if len(losing) < len(order) else "no"
    return Finding(ours + (", ".join(losing) or "none") + worst, agrees, rows, draw)


def variants(trace: lp.Trace, seed: int) -> list[tuple[str, lp.Trace]]:
    """Return the trace as it is and as other engines would run it."""
    found = [("as it is", trace)]
    found += [(f"layers skipped, p = {p:g}", transforms.skip_layers(trace, p, seed=seed)) for p in (0.1, 0.3, 0.5)]
    found += [(f"rounds end early, p = {p:g}", transforms.leave_early(trace, p, seed=seed)) for p in (0.3, 0.7)]
    found += [(f"{n} streams in turn", transforms.interleave(trace, n)) for n in (2, 4, 8, 16)]
    found += [(f"layers permuted, p = {p:g}", transforms.permute_layers(trace, p, seed=seed)) for p in (0.1, 1.0)]
    return found
