"""Learning-augmented policies on layered events: misses against prediction error; predictions learnt online; Markov paging.

What is learnt is tested on the second half of each trace's sessions (of its rounds, where it has one session); the source
that decides, with its half-life, was chosen on the first 16 sessions of gpt_oss_20b.  Trained variants observe the first half.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.core.layout import lay_out
from layered_paging.plot import COLOURS
from layered_paging.prediction import Learnt, source
from layered_paging.prediction.steps import error_of
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import grid_of, long_traces, mean_demand

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
POLICIES = ("blind-oracle", "guard", "hedge", "predictive-marker", "lmarker", "dominating")
NAMED = "own layer"  # the source that decides
MULTIPLES = (1.25, 1.5, 2.0, 3.0, 4.0)  # slots, in one token's demand


def halves(trace: lp.Trace) -> tuple[lp.Trace, lp.Trace]:
    """Return the first half of the sessions (of the rounds, where there is one), and the second."""
    starts = trace.sessions
    at = int(starts[len(starts) // 2]) if len(starts) > 1 else trace.rounds // 2
    return part(trace, 0, at), part(trace, at, trace.rounds)


def part(trace: lp.Trace, a: int, b: int) -> lp.Trace:
    """Return some rounds as a trace."""
    starts = np.unique(np.append(0, trace.sessions[(trace.sessions >= a) & (trace.sessions < b)] - a))
    return lp.Trace(trace.experts[a:b], trace.n_experts, starts)


def capacities(trace: lp.Trace) -> list[tuple[float, int]]:
    """Return (multiple, slots) below 90 % of all pages and not below the largest event."""
    largest = lay_out(trace).largest_event()
    found = [(m, round(m * mean_demand(trace))) for m in MULTIPLES]
    return [(m, slots) for m, slots in found if largest <= slots < 0.9 * trace.pages]


@lp.register(
    "result",
    f"{PAPER}/prediction-error",
    cites=(PAPER, "wei-2020", "lykouris-vassilvitskii-2018", "rohatgi-2020", "chen-et-al-2025"),
    reported="Learning-augmented policies are left open. Published for classical paging: BlindOracle and Guard are optimal "
    "without error; Guard, PredictiveMarker and LMarker stay bounded with any error, BlindOracle does not.",
    status="[open]",
    agrees_when="yes if on all workloads BlindOracle and Guard have the misses of Opt without error, and the three robust "
    "policies fewer misses than BlindOracle with inverted predictions",
    small="yes",
)
def prediction_error(study: Study) -> Finding:
    """Misses against the mean error of the predictions, slots for two tokens."""
    rounds = 3000 if study.full else 250
    workloads = [("Zipf, exponent 1", lp.workloads.zipf(32, 8, rounds, exponent=1.0, seed=study.seed))]
    for name, trace in long_traces(study):
        last = trace.sessions[-8:] if len(trace.sessions) > 1 else trace.sessions
        workloads.append((name, part(trace, int(last[0]), trace.rounds)))
    levels = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0) if study.full else (0.0, 0.5, 2.0)
    texts = [*(f"noisy:{level:g}:{study.seed}" for level in levels), "inverted"]
    rows: list[dict[str, Any]] = []
    good, said = True, []
    for n, (name, trace) in enumerate(workloads):
        slots = round(2 * mean_demand(trace))
        grid = lay_out(trace)
        best = lp.replay(trace, "belady", slots, reset="session").misses
        plain = {p: lp.replay(trace, p, slots, reset="session", seed=study.seed).misses for p in ("llru", "marking")}
        table: dict[str, dict[str, int]] = {}
        for at, text in enumerate(texts):
            forecast = source(text).forecast(trace, grid, "session")
            error = error_of(forecast, grid, "session") / trace.layers / trace.requests
            told = {"predictions": forecast, "reset": "session", "seed": study.seed}
            table[text] = {p: lp.replay(trace, p, slots, **told).misses for p in POLICIES}
            row = {"workload": name, "slots": slots, "predictions": text, "error in rounds": round(error, 3)}
            rows.append({**row, "opt": best, **plain, **table[text]})
            study.progress(n * len(texts) + at + 1, len(workloads) * len(texts))
        exact, wrong = table[texts[0]], table["inverted"]
        good &= exact["blind-oracle"] == exact["guard"] == best
        good &= all(wrong[p] < wrong["blind-oracle"] for p in ("guard", "predictive-marker", "lmarker"))
        said.append(
            f"{name}, misses / Opt without error and inverted: "
            + ", ".join(f"{p} {exact[p] / best:.2f} and {wrong[p] / best:.2f}" for p in POLICIES)
            + f", LLRU {plain['llru'] / best:.2f}"
        )

    def draw(figure: Any) -> None:
        for n, (axes, (name, _)) in enumerate(zip(grid_of(figure, len(workloads)), workloads, strict=True)):
            here = [row for row in rows if row["workload"] == name]
            for p, colour in zip(POLICIES, COLOURS, strict=False):
                noisy = [row for row in here if row["predictions"] != "inverted"]
                axes.plot(
                    [r["error in rounds"] for r in noisy], [r[p] / r["opt"] for r in noisy], ".-", color=colour, label=p
                )
                axes.plot(here[-1]["error in rounds"], here[-1][p] / here[-1]["opt"], "x", color=colour)
            axes.axhline(here[0]["llru"] / here[0]["opt"], color="0.4", linestyle="--", linewidth=1, label="llru")
            axes.axhline(here[0]["marking"] / here[0]["opt"], color="0.7", linestyle=":", linewidth=1, label="marking")
            axes.set(title=name, xlabel="mean error, rounds (crosses: inverted)", ylabel="misses / Opt", yscale="log")
            axes.set_xscale("symlog")
            if n == 0:
                axes.legend(fontsize="x-small")

    return Finding(
        "; ".join(said) + ".", "yes" if good else "no", rows, draw, "slots for two tokens; reset at each session"
    )


def sources(layers: int) -> dict[str, tuple[str, bool]]:
    """Return name in the tables -> (predictor, whether it is trained on the first half)."""
    return {
        "own layer": (f"markov(distance={layers}, half_life=16)", False),
        "frequencies": ("popularity(half_life=16)", False),
        "next layer": ("markov(distance=1, half_life=16)", False),
        "own layer, not fading": (f"markov(distance={layers})", False),
        "own layer, at requests": (f"markov(distance={layers}, half_life=16)@request", False),
        "own layer, not fading, trained": (f"markov(distance={layers})", True),
    }


@lp.register(
    "result",
    f"{PAPER}/predictions-learnt",
    cites=(PAPER, "wei-2020"),
    reported="Whether predictions help on layered events is left open.",
    status="[open]",
    agrees_when="yes if on every trace BlindOracle with a Markov chain of each layer, learnt online from the stream alone (named "
    "beforehand), beats LLRU, averaged over the capacities (where there are sessions, with the paired 95 % interval above 0); partly if on some",
    needs_traces=True,
)
def predictions_learnt(study: Study) -> Finding:
    """Share of the gap from LLRU to Opt that learnt predictions close."""
    rows: list[dict[str, Any]] = []
    said, wins = [], []
    cases = [(name, trace, reset) for name, trace in long_traces(study) for reset in ("session", "never")]
    cases = [(name, trace, reset) for name, trace, reset in cases if reset == "session" or len(trace.sessions) > 1]
    for n, (name, trace, reset) in enumerate(cases):
        before, test = halves(trace)
        sizes = capacities(test)
        given = sources(test.layers) if reset == "session" else dict(list(sources(test.layers).items())[:4])
        rng = np.random.default_rng([study.seed, n])
        draws = rng.integers(0, len(test.sessions), (1000, len(test.sessions)))

        def by_session(
            policy: str, slots: int, predictions: Any = None, test: lp.Trace = test, reset: str = reset
        ) -> Any:
            run = lp.replay(test, policy, slots, reset=reset, predictions=predictions, seed=study.seed)
            return run.misses_by_session.sum(axis=1)

        frame = {slots: (by_session("llru", slots), by_session("belady", slots)) for _, slots in sizes}
        sizes = [(m, slots) for m, slots in sizes if frame[slots][0].sum() > frame[slots][1].sum()]
        online: dict[str, tuple[float, float, float]] = {}
        for at, (label, (text, trained)) in enumerate(given.items()):
            forecast = Learnt(text, train=before if trained else None).forecast(test, lay_out(test), reset)
            for policy in POLICIES if label == NAMED else ("blind-oracle", "guard"):
                shares, spread = [], []
                for multiple, slots in sizes:
                    llru, best = frame[slots]
                    got = by_session(policy, slots, forecast)
                    gain, gap = llru - got, llru - best
                    shares.append(gain.sum() / gap.sum())
                    spread.append(gain[draws].sum(axis=1) / np.maximum(gap[draws].sum(axis=1), 1))
                    low, high = np.quantile(spread[-1], (0.025, 0.975)) if len(got) > 1 else (None, None)
                    rows.append(
                        {
                            "trace": name,
                            "reset": reset,
                            "source": label,
                            "policy": policy,
                            "tokens": multiple,
                            "slots": slots,
                            "sessions": len(got),
                            "llru": int(llru.sum()),
                            "opt": int(best.sum()),
                            "misses": int(got.sum()),
                            "share": round(float(shares[-1]), 4),
                            "low": None if low is None else round(float(low), 4),
                            "high": None if high is None else round(float(high), 4),
                        }
                    )
                if policy == "blind-oracle" and shares:
                    low, high = np.quantile(np.mean(spread, axis=0), (0.025, 0.975))
                    online[label] = float(np.mean(shares)), float(low), float(high)
            study.progress(n * 6 + at + 1, len(cases) * 6)
        if NAMED in online:
            share, low, high = online[NAMED]
            sure = f" ({low:.1%} to {high:.1%})" if len(test.sessions) > 1 else ""
            others = ", ".join(f"{label} {share:.1%}" for label, (share, _, _) in online.items() if label != NAMED)
            said.append(f"{name}, reset {reset}: {share:.1%}{sure} of the gap from LLRU to Opt; {others}")
            wins.append(low > 0 if len(test.sessions) > 1 else share > 0)
    agrees = "yes" if wins and all(wins) else "partly" if any(wins) else "no"

    def draw(figure: Any) -> None:
        for n, (axes, (name, _, reset)) in enumerate(zip(grid_of(figure, len(cases)), cases, strict=True)):
            for label, colour in zip(sources(2), COLOURS, strict=False):
                keys = {"trace": name, "reset": reset, "source": label, "policy": "blind-oracle"}
                line = [row for row in rows if all(row[key] == value for key, value in keys.items())]
                if line:
                    x = [row["tokens"] for row in line]
                    axes.plot(x, [row["share"] for row in line], ".-", color=colour, label=label)
                    if line[0]["low"] is not None:
                        axes.fill_between(
                            x, [r["low"] for r in line], [r["high"] for r in line], color=colour, alpha=0.15
                        )
            axes.axhline(0, color="0.5", linewidth=0.8)
            axes.set(title=f"{name}, reset {reset}", xlabel="slots, in tokens", ylabel="share of the gap LLRU to Opt")
            if n == 0:
                axes.legend(fontsize="x-small")

    return Finding(
        ("; ".join(said) or "no trace leaves a gap") + ".",
        agrees,
        rows,
        draw,
        "BlindOracle with a Markov chain of each layer; second half of each trace; mean over the capacities",
    )


@lp.register(
    "result",
    f"{PAPER}/markov-paging",
    cites=(PAPER, "pabbaraju-vakilian-2025"),
    reported="Not in the paper. Published for Markov sources: the dominating distribution has at most twice the misses of the best online policy.",
    status="[not reported]",
    agrees_when="yes if with rates fitted beforehand the dominating distribution has at most 1.05 times the misses of the better of LLRU and "
    "the order of mean waits on independent sources (where it knows the source), and never more than twice the latter",
    small="yes",
)
def markov_paging(study: Study) -> Finding:
    """The dominating distribution on fitted routers, one expert a layer: sources drawn from the fit, and the traces."""
    rounds = 4000 if study.full else 400
    shapes = {"exponent": 1.0, "seed": study.seed}
    workloads = [
        ("Zipf, independent", lp.workloads.zipf(8, 16, 2 * rounds, **shapes), True),
        ("Zipf, half repeated", lp.workloads.markov(8, 16, 2 * rounds, stickiness=0.5, **shapes), False),
    ]
    for name, trace in long_traces(study):
        single = lp.transforms.top_one(trace)
        workloads.append((f"{name} top-1", single, False))
        workloads.append((f"{name} top-1, redrawn", lp.transforms.redraw(single, "trace", seed=study.seed), True))
    rows: list[dict[str, Any]] = []
    good, said = True, []
    for n, (name, trace, known) in enumerate(workloads):
        train, test = halves(trace)
        fits = {"rates": "popularity(half_life=None)", "chain": f"markov(distance={test.layers})"}
        worst = 0.0
        for fit, text in fits.items():
            forecast = Learnt(text, train=train).forecast(test, lay_out(test), "session")
            for multiple, slots in capacities(test):
                told = {"predictions": forecast, "reset": "session", "seed": study.seed}
                got = {p: lp.replay(test, p, slots, **told).misses for p in ("dominating", "blind-oracle")}
                got |= {p: lp.replay(test, p, slots, reset="session").misses for p in ("llru", "lfu", "belady")}
                known_ = known and fit == "rates"
                rows.append(
                    {"workload": name, "fit": fit, "source known": known_, "tokens": multiple, "slots": slots, **got}
                )
                worst = max(worst, got["dominating"] / got["blind-oracle"])
                good &= got["dominating"] <= 2 * got["blind-oracle"]
                good &= not known_ or got["dominating"] <= 1.05 * min(got["llru"], got["blind-oracle"])
        middle = [
            next((r for r in rows if (r["workload"], r["fit"], r["tokens"]) == (name, fit, 2.0)), None) for fit in fits
        ]
        if all(middle):
            rates, chain = middle
            said.append(
                f"{name}, slots for two tokens, of Opt: rates {rates['dominating'] / rates['belady']:.2f}, "
                f"chains {chain['dominating'] / chain['belady']:.2f}, LLRU {rates['llru'] / rates['belady']:.2f} (at worst {worst:.3f} of mean waits)"
            )
        study.progress(n + 1, len(workloads))

    def draw(figure: Any) -> None:
        for n, (axes, (name, _, _)) in enumerate(zip(grid_of(figure, len(workloads)), workloads, strict=True)):
            line = [row for row in rows if row["workload"] == name and row["fit"] == "rates"]
            chain = [row for row in rows if row["workload"] == name and row["fit"] == "chain"]
            curves = [("dominating", line, "-"), ("dominating", chain, "--"), ("llru", line, "-"), ("lfu", line, "-")]
            for (p, part_, style), colour in zip(curves, COLOURS, strict=False):
                label = f"{p}, {part_[0]['fit']}" if part_ and p == "dominating" else p
                axes.plot(
                    [r["tokens"] for r in part_],
                    [r[p] / r["belady"] for r in part_],
                    style,
                    marker=".",
                    color=colour,
                    label=label,
                )
            axes.set(title=name, xlabel="slots, in tokens", ylabel="misses / Opt")
            if n == 0:
                axes.legend(fontsize="x-small")

    notes = "rates of each expert, or a chain of each layer, fitted on the first half and played on the second; mean waits: BlindOracle with the same predictions"
    return Finding(("; ".join(said) or "no capacity to look at") + ".", "yes" if good else "no", rows, draw, notes)
