"""Static placement against an online policy at one server, on the same requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.trace import Trace
from ..errors import ParameterError
from ..policies.spec import PolicySpec
from .generate import complete, trace_activations, users_of
from .network import LONGEST, Network
from .placing import place

__all__ = ["Served", "online_against_static", "server_network"]

EDGE_NS, CLOUD_NS = 2_000_000, 22_000_000


@dataclass(frozen=True)
class Served:
    """How one server served the test requests.

    Attributes
    ----------
    name : str
        The policy, or ``static (...)``.
    hit_rate : Fraction
        Share of expert requests that were at the server.
    events : Fraction
        Share of events all of whose experts were at the server, over the rounds in which every layer names some.
    latency : Fraction
        Mean latency of a token in nanoseconds, over users alike: an event takes the server's latency if all
        its experts were there, else the cloud's.
    loads : int
        Experts loaded into the server while serving.
    """

    name: str
    hit_rate: Fraction
    events: Fraction
    latency: Fraction
    loads: int


def server_network(
    trace: Trace, slots: int, *, by: str = "category", edge_ns: int = EDGE_NS, cloud_ns: int = CLOUD_NS
) -> Network:
    """Return the network of one server that holds ``slots`` experts, and the users of a trace, who hold none."""
    names, activations, totals = trace_activations(trace, by)
    return Network(
        experts=trace.n_experts,
        expert_bytes=1,
        storage=[integer("slots", slots, 0)],
        edge_ns=np.full((len(names), 1), integer("edge_ns", edge_ns, 1, LONGEST), np.int64),
        cloud_ns=cloud_ns,
        activations=activations,
        totals=totals,
        users=names,
    )


@kinds()
def online_against_static(
    trace: Trace,
    slots: int,
    *,
    policies: Sequence[str | type | PolicySpec] = ("lru", "lfu", "llru"),
    algorithms: Sequence[str] = ("popularity", "best"),
    by: str = "category",
    edge_ns: int = EDGE_NS,
    cloud_ns: int = CLOUD_NS,
    progress: Callable[[int], object] | None = None,
) -> list[Served]:
    """Serve every second session of a trace by one server, with online policies and with static placements.

    Parameters
    ----------
    trace : Trace
        At least two sessions.  The odd ones (the second, the fourth, ...) are served. A static placement is
        learnt from the even ones, and, as ``in hindsight``, from the served ones themselves.
    slots : int
        Experts that the server holds, at least 1.
    policies : sequence of str, class or PolicySpec
        Replayed on the served sessions from an empty server (shared pool, forced, never reset).
    algorithms : sequence of str
        Static placements (see ``ALGORITHMS``).
    by : str
        What makes a user (``generate``).
    edge_ns, cloud_ns : int
        Latency of an event whose experts are all at the server; of any other.
    progress : callable, optional
        Called with the number of rows that are done.

    Raises
    ------
    ParameterError
        Fewer than two sessions; what ``replay`` and ``place`` raise.
    """
    from ..engine.run import replay

    edge_ns, cloud_ns = integer("edge_ns", edge_ns, 1, LONGEST), integer("cloud_ns", cloud_ns, 1, LONGEST)
    if len(trace.sessions) < 2:
        raise ParameterError("static against online needs a trace of at least two sessions: to learn, and to serve")
    learnt = server_network(
        trace.select(range(0, len(trace.sessions), 2)), slots, by=by, edge_ns=edge_ns, cloud_ns=cloud_ns
    )
    served = trace.select(range(1, len(trace.sessions), 2))
    known = server_network(served, slots, by=by, edge_ns=edge_ns, cloud_ns=cloud_ns)
    pages = np.where(served.experts >= 0, served.experts + served.first_page[:, None], -1)
    rows: list[Served] = []

    def keep(row: Served) -> None:
        rows.append(row)
        if progress is not None:
            progress(len(rows))

    for policy in policies:
        run = replay(served, policy, slots, record=True)
        assert run.missed is not None
        missed = run.missed.reshape(served.rounds, served.layers, -1)
        keep(_served(run.policy, served, by, missed, run.misses, edge_ns, cloud_ns))
    for algorithm in algorithms:
        for network, note in ((learnt, "learnt"), (known, "in hindsight")):
            held = place(network, algorithm).held[0]
            absent = (pages >= 0) & ~held[np.maximum(pages, 0)]
            keep(_served(f"static ({algorithm}, {note})", served, by, absent, 0, edge_ns, cloud_ns))
    return rows


def _served(
    name: str, trace: Trace, by: str, missed: npt.NDArray[Any], loads: int, edge_ns: int, cloud_ns: int
) -> Served:
    names, sessions = users_of(trace, by)
    user = np.repeat(sessions, np.diff(np.append(trace.sessions, trace.rounds)))
    rounds = complete(trace)
    user = user[rounds]
    late: Any = missed[rounds].any(axis=2)
    clouds = np.bincount(user, weights=late.sum(axis=1), minlength=len(names)).astype(int).tolist()
    tokens = np.bincount(user, minlength=len(names)).tolist()
    total = sum(
        (
            Fraction(c * cloud_ns + (t * trace.layers - c) * edge_ns, t)
            for c, t in zip(clouds, tokens, strict=True)
            if t
        ),
        Fraction(0),
    )
    return Served(
        name,
        1 - Fraction(int(missed.sum()), trace.requests),
        1 - Fraction(int(late.sum()), late.size),
        total / sum(t > 0 for t in tokens),
        loads,
    )
