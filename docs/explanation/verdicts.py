"""The verdicts of `layered-paging diagnose` on workloads of known structure and on recorded traces, as a table.

    python docs/explanation/verdicts.py [FOLDER]

FOLDER holds recorded traces (see docs/how-to/recording.md); without it their rows are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import layered_paging as lp

SHAPE = {"layers": 8, "experts": 32, "rounds": 400, "top_k": 4, "seed": 1, "sessions": 8}
ROUNDS = 3  # of demand: 96 slots of 256 pages
MADE: dict[str, tuple[Callable[[], lp.Trace], str]] = {
    "uniform": (
        lambda: lp.workloads.uniform(**SHAPE),
        "all experts are alike, so nothing can be learnt; the saving comes from the order of the layers alone",
    ),
    "Zipf, exponent 1.1": (
        lambda: lp.workloads.zipf(**SHAPE),
        "popularity is fixed and LRU does not count; the bound shows how little is left beyond",
    ),
    "Markov, stickiness 0.6": (
        lambda: lp.workloads.markov(**SHAPE, stickiness=0.6),
        "recency is what there is to know, and LRU knows it",
    ),
    "phases of 8 experts, 50 rounds": (
        lambda: lp.workloads.phases(**SHAPE, working_set=8, length=50),
        "the working set fits; what is left are first requests of a phase",
    ),
    "drifting popularity": (
        lambda: lp.workloads.drift(**SHAPE),
        "as Zipf: popularity drifts more slowly than it is learnt",
    ),
}
RECORDED = {
    "gpt_oss_120b": "one session, and half of it prefill; similar rounds help, but on no more than one session",
    "gpt_oss_20b": "many sessions agree",
    "kimi_linear_48b_decode300": "one session of decoding",
    "olmoe_1b7b_0924_decode299": "one session; locality far above popularity",
    "qwen3_30b_a3b": "one session; sizes differ, the budget is in slots",
    "qwen3_30b_a3b_top8_code": "sixteen sessions agree",
    "qwen3_30b_a3b_top8_general": "sixteen sessions agree",
}
PERMUTED = "olmoe_1b7b_0924_decode299"


def cases(folder: Path | None) -> Iterator[tuple[str, lp.Trace, str, str]]:
    """Yield name, trace, reset and the reason why the verdict is right."""
    for name, (make, why) in MADE.items():
        for reset in ("never", "session"):
            yield name, make(), reset, why
    if folder is None:
        return
    for name, why in RECORDED.items():
        path = folder / f"{name}.npz"
        if path.exists():
            yield name, lp.load_trace(path), "session", why
    path = folder / f"{PERMUTED}.npz"
    if path.exists():
        trace = lp.load_trace(path)
        shuffled = lp.transforms.shuffle_tokens(trace, seed=1)
        yield (
            f"{PERMUTED}, rounds shuffled",
            shuffled,
            "never",
            "popularity survives, locality does not: counting is best",
        )
        redrawn = lp.transforms.redraw(trace, seed=1)
        yield f"{PERMUTED}, events redrawn", redrawn, "never", "as shuffled, layer by layer"


def row(name: str, trace: lp.Trace, reset: str, why: str) -> str:
    """Return a line of the table."""
    slots = ROUNDS * int(trace.asked.sum()) * trace.top_k
    found = lp.diagnose(trace, slots, reset=reset)
    tried, reference, future, rest = (
        f"{100 * part / found.misses:.1f}"
        for part in (
            found.parts["tried"],
            found.parts["reference"],
            found.parts["future"],
            found.parts["working set"] + found.parts["cold"],
        )
    )
    bound = found.references[0]["least"]
    most = f"{max(0.0, 100 * (found.misses - bound) / found.misses):.1f}"
    local = f"{100 * found.repeated:.0f} / {100 * found.repeated_by_chance:.0f}"
    margin = "-" if found.evidence["half"] is None else f"± {100 * found.evidence['half']:.1f}"
    cells = [name, reset, str(slots), f"**{found.verdict}**", found.best, f"{tried} {margin}", reference, future, rest]
    return "| " + " | ".join([*cells, most, local, why]) + " |"


def main(words: list[str]) -> None:
    """Print the table."""
    print(
        "| requests | reset | slots | verdict | best tried | tried | reference | future | unavoidable | model | repeats | why |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for case in cases(Path(words[0]) if words else None):
        print(row(*case), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
