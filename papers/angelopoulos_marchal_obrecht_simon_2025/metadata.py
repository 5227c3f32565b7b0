"""What a policy costs: bytes a page, time a hit and a miss, beside the time that one avoided load saves.

Times are measured where this runs and are not tested.  The kernel is the compiled replay; the hook is the policy's
class as a plain-Python engine would call it, which looks at all candidates for a victim; "lists" are LRU and LLRU in
ordered dictionaries, one for each layer in LLRU's case.
"""

from __future__ import annotations

from typing import Any

import layered_paging as lp
from layered_paging.plot import COLOURS
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.costs import LayerLists, RecencyList, hook_costs, kernel_bytes, timed
from layered_paging.reproduction.measures import grid_of

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
NEW = "similar-rounds"  # the policy that is to beat LLRU
POLICIES = ("lru", "llru", "lfu", NEW)
LISTS = {"lru": RecencyList, "llru": LayerLists}
LINKS = {"PCIe 4 x16, 25 GB/s": 25e9, "NVMe, 3.5 GB/s": 3.5e9}  # assumed
EXPERT = 3 * 2880 * 2880 * 4.25 / 8  # bytes: three matrices of gpt-oss-20b at 4.25 bits a weight


@lp.register(
    "result",
    f"{PAPER}/metadata",
    cites=(PAPER,),
    reported="LLRU needs a last access, a layer and a modulo for every page where LRU keeps a list; its savings must pay for that.",
    status="[second hand]",
    agrees_when="yes if LLRU's saved loads take longer than its extra time over LRU, in the kernel and both ways in plain Python, on both links",
)
def metadata(study: Study) -> Finding:
    """Bytes a page and nanoseconds a hit and a miss, in the kernel and in the hook; what a saved load is worth."""
    rounds = 4000 if study.full else 300
    trace = lp.workloads.markov(24, 32, rounds, top_k=4, stickiness=0.3, exponent=1.0, seed=study.seed)
    slots = 192
    rows: list[dict[str, Any]] = []
    for done, policy in enumerate(POLICIES):
        study.progress(done, len(POLICIES))
        misses = lp.replay(trace, policy, slots).misses
        cold = lp.replay(trace, policy, trace.pages).misses
        free = timed(lambda policy=policy: lp.replay(trace, policy, trace.pages)) / trace.requests  # type: ignore[misc]
        busy = timed(lambda policy=policy: lp.replay(trace, policy, slots))  # type: ignore[misc]
        row: dict[str, Any] = {
            "policy": policy,
            "slots": slots,
            "requests": trace.requests,
            "misses": misses,
            "cold misses": cold,
        }
        row |= {"kernel ns / hit": round(1e9 * free, 1)}
        row |= {"kernel ns / miss": round(1e9 * (busy - free * (trace.requests - misses)) / misses, 1)}
        row |= {"kernel bytes / page": None if policy in LISTS else round(kernel_bytes(policy), 1)}
        for where, cls in (("hook", policy), ("lists", LISTS.get(policy))):
            if cls is not None:
                size, hit, miss = hook_costs(cls, trace, slots, *((60, 3) if study.full else (10, 1)))
                row |= {
                    f"{where} bytes / page": round(size, 1),
                    f"{where} ns / hit": round(hit, 1),
                    f"{where} ns / miss": round(miss, 1),
                }
        rows.append(row)
    base = rows[0]
    pays = []
    for row in rows:
        for where in [where for where in ("kernel", "hook", "lists") if f"{where} ns / hit" in row]:
            spent = [
                r["misses"] * r[f"{where} ns / miss"] + (trace.requests - r["misses"]) * r[f"{where} ns / hit"]
                for r in (row, base)
            ]
            row[f"{where} extra ms"] = round((spent[0] - spent[1]) / 1e6, 3)
        for link, speed in LINKS.items():
            row[f"saved ms, {link}"] = round(1e3 * (base["misses"] - row["misses"]) * EXPERT / speed, 1)
            if row["policy"] == "llru":
                pays += [row[f"saved ms, {link}"] > row[f"{where} extra ms"] for where in ("kernel", "hook", "lists")]
    said = [
        f"{r['policy']} {r['kernel ns / hit']:.0f} / {r['kernel ns / miss']:.0f} ns a hit / miss in the kernel, {r['hook bytes / page']:.0f} B "
        f"a page and {r['hook ns / hit'] / 1e3:.1f} / {r['hook ns / miss'] / 1e3:.1f} us in the hook"
        for r in rows
    ]
    load = ", ".join(f"{1e6 * EXPERT / speed:.0f} us ({link})" for link, speed in LINKS.items())
    llru, new = rows[1], next(row for row in rows if row["policy"] == NEW)
    worth = {link: new[f"saved ms, {link}"] for link in LINKS}
    ours = (
        "; ".join(said)
        + f". One avoided load of {EXPERT / 1e6:.1f} MB saves {load}: over {trace.requests:,} requests LLRU saves {base['misses'] - llru['misses']:,} "
        + f"loads for {llru['kernel extra ms']:.1f} ms more than LRU in the kernel, {llru['lists extra ms']:.0f} ms in Python with lists "
        + f"({llru['lists ns / miss'] / 1e3:.1f} us a miss), {llru['hook extra ms']:.0f} ms in Python looking at all candidates. "
        + f"{NEW} saves {base['misses'] - new['misses']:,} loads, {' and '.join(f'{saved / 1e3:.1f} s ({link})' for link, saved in worth.items())}, "
        + f"for {new['kernel extra ms']:.1f} ms in the kernel ({new['kernel bytes / page']:.0f} B a page) and {new['hook extra ms'] / 1e3:.1f} s in the hook, "
        + f"more than it costs on {_pays(worth, new['kernel extra ms'])} of {len(LINKS)} links in the kernel, on {_pays(worth, new['hook extra ms'])} in the hook."
    )

    def draw(figure: Any) -> None:
        for axes, where in zip(grid_of(figure, 3, width=3.6, height=3.6), ("kernel", "hook", "lists"), strict=True):
            shown = [row for row in rows if f"{where} ns / hit" in row]
            for n, what in enumerate(("hit", "miss")):
                places = [at + 0.4 * n for at in range(len(shown))]
                axes.bar(
                    places, [row[f"{where} ns / {what}"] / 1e3 for row in shown], 0.36, color=COLOURS[n], label=what
                )
            for (link, speed), style in zip(LINKS.items(), ("--", ":"), strict=True):
                axes.axhline(1e6 * EXPERT / speed, color="0.3", linestyle=style, linewidth=1, label=f"a load, {link}")
            axes.set_xticks([at + 0.2 for at in range(len(shown))], [row["policy"] for row in shown])
            axes.set(yscale="log", ylim=(0.001, 20_000), ylabel="microseconds", title=where)
            if where == "kernel":
                axes.legend(fontsize="x-small", loc="center right")

    notes = "times are of one machine, processor time, the least of several passes, measured and not tested; link speeds are assumed; kernel bytes of LRU and LLRU are not measured (4 a page and a bit a request)"
    return Finding(ours, "yes" if all(pays) else "partly" if any(pays) else "no", rows, draw, notes)


def _pays(saved: dict[str, float], spent: float) -> int:
    return sum(value > spent for value in saved.values())
