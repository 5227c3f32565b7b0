"""Opt per layer against Opt, by Zipf exponent."""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.plot import COLOURS
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import curves, legal

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
FACTS: dict[str, Any] = {"cites": (PAPER,), "status": "[second hand]"}


@lp.register(
    "result",
    f"{PAPER}/opt-per-layer",
    reported="Opt per layer has up to 3 times the misses of Opt; the gap depends on the Zipf exponent.",
    agrees_when="some exponents reach a factor of at least 3, and we can say which",
    small="yes",
    **FACTS,
)
def opt_per_layer(study: Study) -> Finding:
    """Largest ratio of Opt per layer to Opt over all capacities, by Zipf exponent, equal and unequal."""
    layers, experts, rounds = 32, 8, 5000 if study.full else 2000
    rows: list[dict[str, Any]] = []
    values = np.linspace(0, 4, 17 if study.full else 5)
    for done, value in enumerate(values.tolist()):
        study.progress(done, len(values))
        for kind, powers in (("equal", [value] * layers), ("0 to a", np.linspace(0, value, layers).tolist())):
            trace = lp.workloads.zipf(layers, experts, rounds, exponent=powers, seed=study.seed)
            found = curves(trace, ("opt per layer", "opt"))
            sizes = legal(found)
            ratio = found["opt per layer"][sizes] / found["opt"][sizes]
            best = int(ratio.argmax())
            row = {"kind": kind, "exponent a": value, "largest ratio": round(float(ratio[best]), 3)}
            rows.append({**row, "slots": int(sizes[best]), "median ratio": round(float(np.median(ratio)), 3)})
    span = {
        kind: [f(r["largest ratio"] for r in rows if r["kind"] == kind) for f in (min, max)]
        for kind in ("equal", "0 to a")
    }
    first = next((r for r in rows if r["kind"] == "0 to a" and r["largest ratio"] >= 3), None)
    where = (
        f"3 is reached from exponents 0 to {first['exponent a']:g} on, at {first['slots']} slots"
        if first
        else "never 3"
    )
    ours = (
        f"{layers} layers of {experts}, largest ratio over capacities: {span['equal'][0]:.2f} to {span['equal'][1]:.2f} with equal "
        f"exponents 0 to 4; with exponents rising from 0 to a over the layers {where}, and {span['0 to a'][1]:.1f} at most."
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for n, kind in enumerate(("equal", "0 to a")):
            part = [r for r in rows if r["kind"] == kind]
            for key, style in (("largest ratio", "-"), ("median ratio", ":")):
                label = f"{kind}, {key.split()[0]} over capacities"
                axes.plot([r["exponent a"] for r in part], [r[key] for r in part], style, color=COLOURS[n], label=label)
        axes.axhline(3, color="0.6", linewidth=0.8)
        axes.set(xlabel="Zipf exponent a", ylabel="Opt per layer / Opt", yscale="log", yticks=[1, 2, 3, 5, 10])
        axes.set_yticklabels(["1", "2", "3", "5", "10"])
        axes.legend()
        axes.grid(alpha=0.3)

    return Finding(ours, "yes" if first else "no", rows, draw)
