"""Latency against server storage, the user's own storage, the number of servers, and K.

The paper's formula of latency, its constants and its parameters are not visible to us: the model is ours
(``docs/edge.md``), the networks are drawn with a seed (``layered_paging.edge.generate``).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from layered_paging import register
from layered_paging.edge import Network, generate, place, split_inference
from layered_paging.plot import draw_lines
from layered_paging.reproduction import Finding, Study

PAPER = "chen-chen-huang-2025"
NAMES = ("best", "successive", "greedy", "alone", "popularity", "layer-popularity", "random", "local")
BASELINES = ("greedy", "alone", "popularity", "layer-popularity", "random", "local")
MIB = 1 << 20


def measured(
    study: Study, axis: str, values: Sequence[int], make: Callable[[int, int], Network], seeds: int
) -> list[dict[str, Any]]:
    """Return a row a value: mean latency in ms over seeds by algorithm, split inference, and the mean bound."""
    rows = []
    for done, value in enumerate(values):
        networks = [make(value, study.seed + s) for s in range(seeds)]
        row: dict[str, Any] = {axis: value, "networks": seeds}
        for name in NAMES:
            found = [place(network, name, bound="auto" if name == "best" else "none", seed=1) for network in networks]
            row[name] = statistics.fmean(float(p.latency) / 1e6 for p in found)
            if name == "best":
                bounds = [p.bound for p in found if p.bound is not None]
                row["bound"] = statistics.fmean(float(b) / 1e6 for b in bounds) if len(bounds) == seeds else None
                row["local %"] = statistics.fmean(100 * float(p.hits.local) for p in found)
                row["edge %"] = statistics.fmean(100 * float(p.hits.edge) for p in found)
        row["split"] = statistics.fmean(float(split_inference(network).latency) / 1e6 for network in networks)
        rows.append(row)
        study.progress(done + 1, len(values))
    return rows


def drawn(rows: Sequence[dict[str, Any]], axis: str, label: str, names: Sequence[str]) -> Callable[[Any], None]:
    """Return what draws the rows."""

    def draw(figure: Any) -> None:
        lines = {name: [row[name] for row in rows] for name in names}
        draw_lines(
            figure.subplots(), [row[axis] for row in rows], lines, xlabel=label, ylabel="mean latency of a token (ms)"
        )

    return draw


def verdict(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Return (agrees, how much successive greedy and its rounds are below the best baseline)."""
    wins = [row["successive"] <= min(row[b] for b in BASELINES) * (1 + 1e-9) for row in rows]
    cuts = [100 * (1 - row["best"] / min(row[b] for b in BASELINES)) for row in rows]
    gaps = [100 * (row["best"] / row["bound"] - 1) for row in rows if row["bound"]]
    words = f"the best placement is {min(cuts):.1f} to {max(cuts):.1f} % below the best baseline"
    if gaps:
        words += f" and at most {max(gaps):.1f} % above the bound on every placement"
    splits = [row["split"] for row in rows]
    words += f"; split inference, which sends a token once, takes {min(splits):.1f} to {max(splits):.1f} ms"
    agrees = "yes" if all(wins) else "partly" if any(wins) else "no"
    return agrees, words


def sizes(study: Study) -> dict[str, int]:
    """Return the sizes of the networks at this scope."""
    if study.full:
        return {"users": 24, "servers": 4, "layers": 8, "experts": 32, "tokens": 96}
    return {"users": 6, "servers": 2, "layers": 2, "experts": 12, "tokens": 24}


@register(
    "result",
    f"{PAPER}/storage",
    cites=(PAPER,),
    reported="Latency falls with the storage of the edge servers, and the proposed method is below the baselines.",
    status="[second hand]",
    agrees_when="latency falls with storage and one pass of successive greedy is below every baseline at every storage",
)
def storage(study: Study) -> Finding:
    """Latency against the storage of a server, Top-2."""
    shape = sizes(study)
    pages = shape["layers"] * shape["experts"]
    values = [pages * k // 32 for k in (0, 1, 2, 4, 8, 16)] if study.full else [0, 3, 6, 12]
    seeds = 3 if study.full else 1
    rows = measured(
        study, "experts a server", values,
        lambda value, seed: generate(**shape, top_k=2, storage=value * MIB, user_storage=pages // 16 * MIB, seed=seed), seeds,
    )  # fmt: skip
    falls = all(b["best"] <= a["best"] for a, b in pairwise(rows))
    agrees, words = verdict(rows[1:])
    first, last = rows[0], rows[-1]
    ours = (
        f"from {first['best']:.1f} ms without storage to {last['best']:.1f} ms with {last['experts a server']} of {pages} "
        f"experts a server; with storage {words}."
    )
    names = ("best", "successive", "greedy", "alone", "popularity", "random", "bound")
    return Finding(ours, agrees if falls else "no", rows, drawn(rows, "experts a server", "experts a server", names))


@register(
    "result",
    f"{PAPER}/servers",
    cites=(PAPER,),
    reported="Latency falls with the number of edge servers, and the proposed method is below the baselines.",
    status="[second hand]",
    agrees_when="the best placement's latency falls from the fewest to the most servers and successive greedy is below every baseline",
)
def servers(study: Study) -> Finding:
    """Latency against the number of servers, Top-2."""
    shape = {key: value for key, value in sizes(study).items() if key != "servers"}
    pages = shape["layers"] * shape["experts"]
    values = [1, 2, 4, 6, 8, 12] if study.full else [1, 2, 4]
    rows = measured(
        study, "servers", values,
        lambda value, seed: generate(
            **shape, servers=value, top_k=2, storage=pages // 8 * MIB, user_storage=pages // 16 * MIB, reach_m=600.0, seed=seed
        ),
        3 if study.full else 1,
    )  # fmt: skip
    agrees, words = verdict(rows)
    ours = f"from {rows[0]['best']:.1f} ms with 1 server to {rows[-1]['best']:.1f} ms with {values[-1]}; {words}."
    names = ("best", "successive", "greedy", "alone", "popularity", "random", "bound")
    falls = rows[-1]["best"] < rows[0]["best"]
    return Finding(ours, agrees if falls else "no", rows, drawn(rows, "servers", "servers", names))


@register(
    "result",
    f"{PAPER}/top-k",
    cites=(PAPER,),
    reported="From two experts an event on, co-activation makes the problem non-submodular and greedy methods ineffective.",
    status="[second hand]",
    agrees_when="greedy by saving per byte is within 5 % of successive greedy for K = 1 and worse for every K >= 2",
)
def top_k(study: Study) -> Finding:
    """Latency against K."""
    shape = sizes(study)
    pages = shape["layers"] * shape["experts"]
    values = [1, 2, 3, 4, 6, 8] if study.full else [1, 2, 4]
    rows = measured(
        study, "k", values,
        lambda value, seed: generate(
            **shape, top_k=value, storage=pages // 4 * MIB, user_storage=pages // 16 * MIB, skew=1.2, seed=seed
        ),
        3 if study.full else 1,
    )  # fmt: skip
    ratio = {row["k"]: row["greedy"] / row["successive"] for row in rows}
    worse = [ratio[k] > 1 for k in values if k >= 2]
    agrees = "yes" if ratio[1] <= 1.05 and all(worse) else "partly" if any(worse) else "no"
    saved = {row["k"]: 100 * (1 - row["greedy"] / row["local"]) for row in rows}
    dp = {row["k"]: 100 * (1 - row["successive"] / row["local"]) for row in rows}
    ours = "latency below that without servers, greedy / successive: " + "; ".join(
        f"K = {k}: {saved[k]:.1f} / {dp[k]:.1f} %" for k in values
    )
    names = ("best", "successive", "greedy", "alone", "popularity", "random", "local")
    return Finding(ours + ".", agrees, rows, drawn(rows, "k", "experts an event", names))


@register(
    "result",
    f"{PAPER}/device",
    cites=(PAPER,),
    reported="One user, one server of 1.5 GB, the cloud, Switch Transformers of X experts a layer: latency against the device's storage, compared with U-shaped split inference (what the figure shows is not visible to us; the placement is meant to be faster).",
    status="[second hand]",
    agrees_when="the placement is faster than split inference at every storage of the device for which part of the model is elsewhere",
)
def device(study: Study) -> Finding:
    """Latency against the user's own storage, Top-1, against split inference."""
    size = 2 * 768 * 3072 * 4  # bytes of an expert of Switch-base in float32
    layers = 12
    widths = (8, 16, 32, 64) if study.full else (8,)
    shares = (0, 1, 2, 4, 6, 8, 10, 12, 14, 15) if study.full else (0, 4, 8, 12)
    rows: list[dict[str, Any]] = []
    for done, width in enumerate(widths):
        whole = layers * width * size
        for share in shares:
            network = generate(
                users=1, servers=1, layers=layers, experts=width, top_k=1, tokens=512, topics=4, skew=1.0, expert_bytes=size,
                storage=1_500_000_000, user_storage=whole * share // 16, token_bytes=768 * 4,
                side_m=200.0, local_ns=0, server_ns=0, seed=study.seed,
            )  # fmt: skip
            found, split = place(network, "successive"), split_inference(network)
            rows.append(
                {
                    "experts a layer": width,
                    "device MB": whole * share // 16 // 10**6,
                    "placement ms": float(found.latency) / 1e6,
                    "split ms": float(split.latency) / 1e6,
                    "split needs the cloud": bool(split.cloud),
                    "local %": 100 * float(found.hits.local),
                    "edge %": 100 * float(found.hits.edge),
                }
            )
        study.progress(done + 1, len(widths))
    wins = [row["placement ms"] < row["split ms"] for row in rows]
    agrees = "yes" if all(wins) else "partly" if any(wins) else "no"
    words = []
    for cloud in (True, False):
        here = [win for win, row in zip(wins, rows, strict=True) if row["split needs the cloud"] == cloud]
        words.append(
            f"{sum(here)} of {len(here)} where split inference {'needs' if cloud else 'does not need'} the cloud"
        )
    wide = [row for row in rows if row["experts a layer"] == widths[-1]]
    first, last = wide[0], wide[-1]
    ours = (
        f"placement is faster in {words[0]}, in {words[1]}; {widths[-1]} experts a layer: {first['placement ms']:.1f} against "
        f"{first['split ms']:.1f} ms with an empty device, {last['placement ms']:.1f} against {last['split ms']:.1f} ms with "
        f"{last['device MB']:,} of {layers * widths[-1] * size // 10**6:,} MB."
    )
    note = (
        "a token under split inference travels once, with placed experts once for every layer that needs it: which is "
        "faster depends on skew, link and what fits; communication only"
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for width in widths:
            mine = [row for row in rows if row["experts a layer"] == width]
            share = [100 * row["device MB"] / max(1, layers * width * size // 10**6) for row in mine]
            for kind, style in (("placement", "-"), ("split", "--")):
                axes.plot(share, [row[f"{kind} ms"] for row in mine], style, label=f"{kind}, {width} experts")
        axes.set(xlabel="device storage (% of all experts)", ylabel="communication of a token (ms)")
        axes.legend()
        axes.grid(alpha=0.3)

    return Finding(ours, agrees, rows, draw, note)
