"""Up to 512 experts a layer and 94 layers: LLRU against LRU, Opt and the exact bounds."""

from __future__ import annotations

from typing import Any

import layered_paging as lp
from layered_paging.plot import COLOURS
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import grid_of

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
TOKENS = (1.0, 1.5, 2.0, 4.0, 8.0)


@lp.register(
    "result",
    f"{PAPER}/scale",
    cites=(PAPER,),
    reported="Readers ask whether LLRU's advantage and the bounds last at n > 256 experts a layer and l > 16 layers.",
    status="[not reported]",
    agrees_when="yes if at every size up to n = 512, l = 94 LLRU saves at least 1 % at 1.5 and 2 tokens' demand and never loses 1 % to LRU",
    small="no",
)
def scale(study: Study) -> Finding:
    """Misses of LRU, LLRU and Opt on Zipf 1.2 at one to eight tokens' demand, by number of experts and layers."""
    widths, depths = ((8, 64, 512), (8, 94)) if not study.full else ((8, 32, 128, 256, 512), (4, 16, 48, 94))
    rounds = 1500 if study.full else 150
    rows: list[dict[str, Any]] = []
    for done, (experts, layers) in enumerate((n, j) for n in widths for j in depths):
        study.progress(done, len(widths) * len(depths))
        trace = lp.workloads.zipf(layers, experts, rounds, exponent=1.2, seed=study.seed)
        yao = float(lp.coupon.enclose_yao(layers, experts).lower)
        for tokens in TOKENS:
            slots = round(tokens * layers)
            if slots > 0.9 * trace.pages:
                continue
            row: dict[str, Any] = {"experts": experts, "layers": layers, "tokens": tokens, "slots": slots}
            row |= {policy: lp.replay(trace, policy, slots).misses for policy in ("lru", "llru")}
            row["opt"] = lp.optimum(trace, slots, admission="forced").misses
            row |= {"saved": round(1 - row["llru"] / row["lru"], 4), "llru / opt": round(row["llru"] / row["opt"], 4)}
            rows.append(
                {
                    **row,
                    "deterministic bound k-l+1": slots - layers + 1,
                    "lru bound k": slots,
                    "yao at k = l n - 1": yao,
                }
            )
    near = [row for row in rows if row["tokens"] in (1.5, 2.0)]
    agrees = all(row["saved"] >= 0.01 for row in near) and min(row["saved"] for row in rows) >= -0.01
    ratios = [row["llru / opt"] for row in rows]
    most = max(row["experts"] for row in rows)
    ends = [
        [row["saved"] for row in near if row["experts"] == n and row["tokens"] == t]
        for n in (8, most)
        for t in (1.5, 2.0)
    ]
    spans = [f"{min(part):.1%} to {max(part):.1%}" for part in ends]
    ours = (
        f"At 1.5 (2) tokens' demand LLRU saves {spans[0]} ({spans[1]}) of LRU's misses with 8 experts a layer, {spans[2]} ({spans[3]}) with "
        f"{most}; over all {min(r['saved'] for r in rows):.1%} to {max(r['saved'] for r in rows):.1%}. "
        f"LLRU / Opt is {min(ratios):.2f} to {max(ratios):.2f}, "
        f"where the worst case allows k - l + 1 = {max(r['deterministic bound k-l+1'] for r in rows)} "
        f"and, for randomized policies at k = l n - 1, {max(r['yao at k = l n - 1'] for r in rows):.1f} and more."
    )

    def draw(figure: Any) -> None:
        for axes, key in zip(grid_of(figure, 2, width=4.2, height=3.6), ("saved", "llru / opt"), strict=True):
            for n, layers in enumerate(depths):
                part = [row for row in rows if row["layers"] == layers and row["tokens"] == 2.0]
                values = [row[key] * (100 if key == "saved" else 1) for row in part]
                axes.semilogx(
                    [row["experts"] for row in part],
                    values,
                    "-" + "os^D"[n],
                    color=COLOURS[n],
                    label=f"{layers} layers",
                    base=2,
                )
            label = "misses saved over LRU, %" if key == "saved" else "LLRU / Opt"
            axes.set(xlabel="experts a layer", ylabel=label, title="two tokens' demand of slots")
            axes.legend(fontsize="small")
            axes.grid(alpha=0.3)

    return Finding(ours, "yes" if agrees else "no", rows, draw)
