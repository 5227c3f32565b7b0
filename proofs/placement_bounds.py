"""Bounds on placements, proved by prices that the trusted checker verifies; and what is reported of the paper.

Claim.    Any prices bound every placement; those of the linear program meet the optimum where it is integral.
Evidence. For every network in the scope the checker accepts the optimum with the bound by its prices, and the
          bound is at most the optimum of all placements.
Control.  The checker accepts no bound that is one nanosecond above what the prices prove.
"""

from __future__ import annotations

from itertools import product

from layered_paging import certify
from layered_paging.certificate import Certificate
from layered_paging.core.registry import register
from layered_paging.edge import network_of, place
from layered_paging.errors import CertificateRejected


@register(
    "claim",
    "placement-bound",
    cites=("chen-chen-huang-2025",),
    statement="Prices of the linear program bound the latency of every placement, and the trusted checker proves it:",
    latex=r"\mathrm{OPT} \le \sum_r \max(0, g_r - \textstyle\sum y) + \sum_n \mathrm{knapsack}_n(y)",
    status="[derived]",
    evidence="certificate",
    scope={
        "small": "2 users with one event each of 1 or 2 of 2 experts, 2 servers of one slot, latencies 1, 2 or out of reach for the first user",
        "full": "the same for both users",
    },
    control={"more": 1},
    breaks="the prices prove a bound of",
)
def bound(scope: str = "small", *, more: int = 0) -> str | None:
    """Return a network whose certificate is rejected, or whose bound is above the optimum."""
    reach = [near for near in product((1, 2, None), repeat=2) if near != (None, None)]
    for first, second in product(reach, reach if scope == "full" else [(1, 2)]):
        for wanted in product([(0,), (1,), (0, 1)], repeat=2):
            rows = [(m, 0, ids, 1) for m, ids in enumerate(wanted)]
            network = network_of(rows, [first, second], experts=[2], storage=1, cloud_ns=10)
            best = place(network, "exhaustive", bound="lp")
            assert best.bound is not None
            stated = dict(best.certificate.statement)
            stated["bound"] = str(best.bound + more)
            try:
                certify.check(Certificate("placement", stated, best.certificate.evidence))
            except CertificateRejected as error:
                return f"latencies {[first, second]}, events {wanted}: {error}"
            if best.bound > best.latency:
                return f"latencies {[first, second]}, events {wanted}: bound {best.bound} above {best.latency}"
    return None


@register(
    "claim",
    "placement-reported-greedy",
    cites=("chen-chen-huang-2025",),
    statement="As reported: for K = 1, with a knapsack at each of N servers, a greedy algorithm saves at least 1 - 1/e. We can confirm it for one server (claim `placement-enumeration`) and where no user reaches two servers (claim `placement-separate-exact`); for greedy by saving per byte it is false with two servers (control of claim `placement-greedy-half`); which greedy algorithm is meant is not visible to us.",
    latex=r"\mathrm{ALG} \ge (1 - 1/e)\,\mathrm{OPT}",
    status="[second hand]",
    evidence="none",
)
def reported_greedy() -> None:
    """State what is reported."""


@register(
    "claim",
    "placement-reported-constant",
    cites=("chen-chen-huang-2025", "manurangsi-2017"),
    statement="As reported: for K >= 1 successive greedy with max-convolution has a constant approximation guarantee; its constant and conditions are not visible to us. For K = 2, one server and one layer the problem contains densest k-subgraph, so under the exponential time hypothesis no polynomial algorithm has a universal constant for the savings (claim `placement-no-constant` is about the algorithm itself).",
    latex=r"\mathrm{ALG} \ge c\,\mathrm{OPT}",
    status="[second hand]",
    evidence="none",
)
def reported_constant() -> None:
    """State what is reported."""
