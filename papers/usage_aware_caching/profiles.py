"""Saved profiles: pre-warming, pinning, adapting to a change, and where profiles transfer."""

from __future__ import annotations

from typing import Any

import numpy as np

import layered_paging as lp
from layered_paging.plot import draw_heat
from layered_paging.profiles.value import Worth, transfer, worth
from layered_paging.reproduction import Finding, Study
from layered_paging.reproduction.measures import mean_demand
from layered_paging.samples import SAMPLE

PAPER = "usage-aware-caching"
KEYS = ("dataset", "category", "topic")
STARTS = ("lfu-decay, warm", "lfu-decay, seeded", "lfu-decay, seeded and warm", "lru, warm")
_kept: dict[tuple[str, int, bool], Worth] = {}


def workloads(study: Study) -> list[tuple[str, lp.Trace, str]]:
    """Return a router of three topics with hot experts of their own, and the traces whose sessions are labelled.

    At full scope also the sample that the package ships, a small Mixtral on code, prose and arithmetic.
    """
    made = topics(240 if study.full else 160, study.seed)
    found = [("three topics", made, "topic")]
    if study.full:
        found.append(("the shipped sample", lp.load_trace(SAMPLE), "category"))
    for name, trace in study.traces:
        items = trace.meta.get("items")
        if isinstance(items, list) and len(items) == len(trace.sessions):
            for key in KEYS:
                if all(isinstance(i, dict) and key in i for i in items) and len({i[key] for i in items}) > 1:
                    found.append((name, trace, key))
                    break
    return found


def topics(tokens: int, seed: int) -> lp.Trace:
    """Return nine sessions of three topics: sticky routers, each topic with skewed experts of its own."""
    parts, items = [], []
    for session in range(9):
        topic = session % 3
        one = lp.workloads.markov(6, 16, tokens, top_k=2, stickiness=0.4, exponent=1.5, seed=1000 * seed + topic)
        other = lp.workloads.markov(
            6, 16, tokens, top_k=2, stickiness=0.4, exponent=1.5, seed=1000 * seed + 100 + session
        )
        # a third of the tokens belong to no topic: every session has some of its own
        own = (np.arange(tokens) // 20 + session) % 3 == 0
        parts.append(np.where(own[:, None, None], other.experts, np.roll(one.experts, session, axis=0)))
        items.append({"topic": "abc"[topic]})
    starts = [tokens * s for s in range(9)]
    return lp.Trace(np.concatenate(parts), 16, starts, meta={"items": items})


def judged(trace: lp.Trace, key: str, changed: bool) -> tuple[Worth, int]:
    """Return the study at two tokens' demand per layer, computed once."""
    slots = round(2 * mean_demand(trace))
    at = (trace.digest(), slots, changed)
    if at not in _kept:
        _kept[at] = worth(trace, slots, key=key, changed=changed)
    return _kept[at], slots


def _rows(study: Study, changed: bool) -> list[dict[str, Any]]:
    rows = []
    for name, trace, key in workloads(study):
        got, slots = judged(trace, key, changed)
        for one in got.outcomes:
            for window in ("cold", "settled", "all"):
                values = [x for x in one.hit_rate[window].tolist() if x == x]
                if not values:
                    continue
                mean, low, high = one.gain(got.of("lfu-decay", "nothing"), window)
                rows.append(
                    {
                        "workload": name,
                        "slots": slots,
                        "method": one.method,
                        "profile of": one.trained_on,
                        "window": window,
                        "sessions": len(values),
                        "hit rate": round(float(np.mean(values)), 5),
                        "gain": round(mean, 5),
                        "low": round(low, 5),
                        "high": round(high, 5),
                    }
                )
    return rows


def _cell(rows: list[dict[str, Any]], workload: str, method: str, trained: str, window: str) -> dict[str, Any]:
    return next(
        r
        for r in rows
        if (r["workload"], r["method"], r["window"]) == (workload, method, window)
        and r["profile of"].startswith(trained)
    )


def _said(row: dict[str, Any]) -> str:
    return f"{100 * row['gain']:+.2f} ({100 * row['low']:+.2f} to {100 * row['high']:+.2f})"


@lp.register(
    "result",
    f"{PAPER}/pre-warming",
    cites=(PAPER,),
    reported="A saved profile can pre-warm the cache at startup for a known workload.",
    status="[text]",
    agrees_when="warm LRU, or warm or seeded decayed LFU (or both), gains in the first 32 tokens over decayed LFU from nothing, interval above 0, on every workload, with a profile of other sessions; partly: on some",
)
def pre_warming(study: Study) -> Finding:
    """Gains of warm and seeded starts over decayed LFU from nothing, by whose sessions the profile was made from."""
    rows = _rows(study, False)
    parts, good = [], []
    for name, _, _ in workloads(study):
        best = max(
            (_cell(rows, name, m, "same", "cold") for m in STARTS),
            key=lambda r: r["gain"],
        )
        good.append(best["low"] > 0)
        method = "lfu-decay, warm"
        settled = [r for r in rows if (r["workload"], r["window"]) == (name, "settled")]
        later = _cell(rows, name, "lfu-decay, seeded", "same", "settled") if settled else None
        parts.append(
            f"{name}, first 32 tokens: best {best['method']} {_said(best)}, with a profile of other kinds "
            f"{_said(_cell(rows, name, best['method'], 'other', 'cold'))}; warm decayed LFU with a profile of its own kind "
            f"{_said(_cell(rows, name, method, 'same', 'cold'))}, of other kinds {_said(_cell(rows, name, method, 'other', 'cold'))}, "
            f"of the session itself (oracle) {_said(_cell(rows, name, method, 'the session', 'cold'))}; whole session "
            f"{_said(_cell(rows, name, method, 'same', 'all'))}"
            + ("" if later is None else f"; seeded counts, settled {_said(later)}")
        )
    verdict = "yes" if all(good) else "partly" if any(good) else "no"
    return Finding(
        "Points of hit rate: " + "; ".join(parts) + ".",
        verdict,
        rows,
        notes="paired by session, 95 % intervals; two tokens' demand of slots per layer; loads for the warm-up are not counted as misses (one a slot)",
    )


@lp.register(
    "result",
    f"{PAPER}/pinning",
    cites=(PAPER,),
    reported="Pin or prioritize the hot experts for the present workload.",
    status="[text]",
    agrees_when="pinning half of the slots beats LRU over whole sessions, interval above 0, on every workload with a profile of the same kind of session; partly: on some",
)
def pinning(study: Study) -> Finding:
    """Half of the slots pinned to the hottest experts, and all (static), against LRU and decayed LFU from nothing."""
    rows: list[dict[str, Any]] = []
    parts, good = [], []
    for name, trace, key in workloads(study):
        got, slots = judged(trace, key, False)
        base = got.of("lru", "nothing")
        told = {}
        for method in ("lru, half pinned", "static", "lfu-decay"):
            for trained in (
                ("nothing",)
                if method == "lfu-decay"
                else (f"same {key}", f"other {key}", "the session itself (oracle)")
            ):
                mean, low, high = got.of(method, trained).gain(base, "all")
                row = {
                    "workload": name,
                    "slots": slots,
                    "method": method,
                    "profile of": trained,
                    "gain": round(mean, 5),
                }
                rows.append(row | {"low": round(low, 5), "high": round(high, 5)})
                told[method, trained.split()[0]] = rows[-1]
        good.append(told["lru, half pinned", "same"]["low"] > 0)
        parts.append(
            f"{name}: half pinned {_said(told['lru, half pinned', 'same'])}, by other kinds {_said(told['lru, half pinned', 'other'])}, by the "
            f"session itself (oracle) {_said(told['lru, half pinned', 'the'])}; static {_said(told['static', 'same'])}; decayed LFU from nothing "
            f"{_said(told['lfu-decay', 'nothing'])}"
        )
    verdict = "yes" if all(good) else "partly" if any(good) else "no"
    return Finding(
        "Points over LRU, whole sessions: " + "; ".join(parts) + ".", verdict, rows, notes="paired by session, 95 %"
    )


@lp.register(
    "result",
    f"{PAPER}/change",
    cites=(PAPER,),
    reported="The profile must adapt if the workload changes mid-session; a sliding window or decay handles this.",
    status="[text]",
    agrees_when="once settled after a change, decayed LFU is ahead of LFU and of a static profile of the workload before, intervals above 0, on every workload; partly: on some",
)
def change(study: Study) -> Finding:
    """After a session of another kind, without a reset: LRU, LFU, decayed LFU, and profiles of the workload before."""
    rows: list[dict[str, Any]] = []
    parts, good = [], []
    for name, trace, key in workloads(study):
        got, slots = judged(trace, key, True)
        fading = got.of("lfu-decay", "nothing")
        told = {}
        for one in got.outcomes:
            for window in ("cold", "settled", "all"):
                if all(x != x for x in one.hit_rate[window].tolist()):
                    continue
                mean, low, high = fading.gain(one, window)
                row = {
                    "workload": name,
                    "slots": slots,
                    "against": one.method,
                    "profile of": one.trained_on,
                    "window": window,
                }
                rows.append(row | {"lead": round(mean, 5), "low": round(low, 5), "high": round(high, 5)})
                told[one.method, window] = rows[-1]
        window = "settled" if ("lfu", "settled") in told else "all"
        good.append(told["lfu", window]["low"] > 0 and told["static", window]["low"] > 0)

        def lead(method: str, window: str, told: dict[Any, Any] = told) -> str:
            row = told[method, window]
            return f"{100 * row['lead']:+.2f} ({100 * row['low']:+.2f} to {100 * row['high']:+.2f})"

        parts.append(
            f"{name}, {window}: ahead of LFU {lead('lfu', window)}, of the static profile {lead('static', window)}, of half pinned "
            f"{lead('lru, half pinned', window)}, of LRU {lead('lru', window)}; in the first 32 tokens ahead of LRU {lead('lru', 'cold')}"
        )
    verdict = "yes" if all(good) else "partly" if any(good) else "no"
    return Finding(
        "Decayed LFU after a change, in points: " + "; ".join(parts) + ".",
        verdict,
        rows,
        notes="paired by session, 95 %",
    )


@lp.register(
    "result",
    f"{PAPER}/transfer",
    cites=(PAPER,),
    reported="Usage depends strongly on the workload, such as chat in one language.",
    status="[text]",
    agrees_when="on every workload each kind of session is covered best by profiles of its own kind; partly: by at least one point on average",
)
def where_profiles_transfer(study: Study) -> Finding:
    """Share of the requests that the hottest quarter of a profile covers, by kind of session on both sides."""
    rows: list[dict[str, Any]] = []
    parts, own_best, leads = [], [], []
    pictures = []
    for name, trace, key in workloads(study):
        top = max(1, min(trace.n_experts) // 4)
        got = transfer(trace, key=key, top=top)
        for i, source in enumerate(got.kinds):
            for j, target in enumerate(got.kinds):
                if not np.isnan(got.covered[i, j]):
                    rows.append(
                        {
                            "workload": name,
                            "profile of": source,
                            "sessions of": target,
                            "covered": round(float(got.covered[i, j]), 4),
                            "distance": round(float(got.distance[i, j]), 4),
                        }
                    )
        known = [j for j in range(len(got.kinds)) if not np.isnan(got.covered[j, j])]
        mine = np.array([got.covered[j, j] for j in known])
        others = np.array([np.delete(got.covered[:, j], j) for j in known])
        own_best.append(bool((mine >= others.max(axis=1)).all()))
        leads.append(float((mine - others.mean(axis=1)).mean()))
        share = got.covered.copy()
        np.fill_diagonal(share, np.nan)
        worst = np.unravel_index(int(np.nanargmin(share)), share.shape)
        best = np.unravel_index(int(np.nanargmax(share)), share.shape)
        parts.append(
            f"{name}: a kind's own other sessions cover {100 * mine.mean():.1f} %, other kinds {100 * others.mean():.1f} % "
            f"(best {got.kinds[best[0]]} for {got.kinds[best[1]]} {100 * share[best]:.1f} %, worst {got.kinds[worst[0]]} for "
            f"{got.kinds[worst[1]]} {100 * share[worst]:.1f} %), the session itself (oracle) {100 * got.own.mean():.1f} %, "
            f"chance {100 * top / min(trace.n_experts):.0f} %"
        )
        pictures.append((name, got))

    def draw(figure: Any) -> None:
        figure.set_size_inches(6.5 * len(pictures), 5.5)
        for axes, (name, got) in zip(np.atleast_1d(figure.subplots(1, len(pictures))), pictures, strict=True):
            draw_heat(
                axes,
                100 * got.covered,
                xlabel="sessions of",
                ylabel="profile of",
                label="covered, %",
                ticks=(got.kinds, got.kinds),
            )
            axes.set_title(name)

    verdict = "yes" if all(own_best) else "partly" if min(leads) >= 0.01 else "no"
    return Finding(
        "; ".join(parts) + ".",
        verdict,
        rows,
        draw,
        "hottest quarter of each layer; no profile contains the session it is judged on",
    )
