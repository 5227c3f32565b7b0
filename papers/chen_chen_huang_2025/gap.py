"""What successive greedy saves of the optimum, by the integer program."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np

from layered_paging import register
from layered_paging.edge import FAR, Network, generate, place
from layered_paging.plot import draw_lines
from layered_paging.reproduction import Finding, Study

PAPER = "chen-chen-huang-2025"
MIB = 1 << 20
UNIT = 500_000  # nanoseconds that latencies are rounded up to, so that the solver's sums are small integers


def coarse(network: Network) -> Network:
    """Return the network with latencies in whole units and none at the user itself."""
    return Network(
        experts=network.experts,
        expert_bytes=network.sizes,
        storage=network.storage,
        edge_ns=np.where(network.edge_ns == FAR, FAR, -(-network.edge_ns // UNIT) * UNIT),
        cloud_ns=-(-network.cloud_ns // UNIT) * UNIT,
        activations=network.activations,
        totals=network.totals,
        local=network.local,
    )


@register(
    "result",
    f"{PAPER}/gap",
    cites=(PAPER,),
    reported="For K >= 1 successive greedy with dynamic programming saves a constant share of the optimum.",
    status="[second hand]",
    agrees_when="not decidable by instances: the constant and its conditions are not visible; our shares are beside",
)
def gap(study: Study) -> Finding:
    """Share of the optimum (integer program) that each algorithm saves, for K = 2, 4, 8."""
    ks, number = ((2, 4, 8), 8) if study.full else ((2, 4), 2)
    names = ("greedy", "alone", "successive", "rounds", "best")
    rows: list[dict[str, Any]] = []
    for at, k in enumerate(ks):
        shares: dict[str, list[float]] = {name: [] for name in names}
        unproved = 0
        for s in range(number):
            network = coarse(
                generate(
                    users=4 if study.full else 3, servers=3 if study.full else 2, layers=2, experts=12, top_k=k,
                    tokens=12 if study.full else 8, topics=4, skew=1.3, storage=(2 + k) * MIB, user_storage=3 * MIB,
                    seed=study.seed + s,
                )
            )  # fmt: skip
            best = place(network, "ilp", time_limit=120.0)
            unproved += best.optimal is None
            for name in names:
                shares[name].append(place(network, name).saved / best.saved if best.saved else 1.0)
            study.progress(at * number + s + 1, len(ks) * number)
        row: dict[str, Any] = {"k": k, "networks": number, "not proved by the solver": unproved}
        for name in names:
            row[f"{name}, least"], row[f"{name}, mean"] = min(shares[name]), statistics.fmean(shares[name])
        rows.append(row)
    ours = "share of the optimum, mean (least): " + "; ".join(
        f"K = {row['k']}: successive {row['successive, mean']:.3f} ({row['successive, least']:.3f}), "
        f"best {row['best, mean']:.3f} ({row['best, least']:.3f}), greedy {row['greedy, mean']:.3f} ({row['greedy, least']:.3f})"
        for row in rows
    )

    def draw(figure: Any) -> None:
        lines = {name: [row[f"{name}, mean"] for row in rows] for name in names}
        draw_lines(figure.subplots(), [row["k"] for row in rows], lines, xlabel="K", ylabel="mean share of the optimum")

    note = "proved here: 1/2 for K = 1; none from K = 2 on (claim `placement-no-constant`); exact where users reach one server"
    return Finding(ours + ".", "not decidable", rows, draw, note)
