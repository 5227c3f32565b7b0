"""What a placement costs: the definition, and a vectorised twin that is tested equal to it.

A member of an event is served by the fastest place that holds it: the user itself, a server that the
user reaches, or the cloud, which holds everything. An event takes as long as its slowest member.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .network import FAR, Network, NetworkError

__all__ = ["Hits", "cost", "empty", "event_latency", "feasible", "hits", "reference", "slowest"]

Ints = npt.NDArray[np.int64]
Held = npt.NDArray[np.bool_]


class Hits(NamedTuple):
    """Shares of events served by the user alone, with a server but not the cloud, with the cloud; they sum to 1."""

    local: Fraction
    edge: Fraction
    neither: Fraction


def empty(network: Network) -> Held:
    """Return the placement in which no server holds anything, shape (servers, pages)."""
    return np.zeros((len(network.servers), network.pages), bool)


def feasible(network: Network, held: Held) -> None:
    """Raise ``NetworkError``, naming the server, unless what each server holds fits its storage."""
    shape = (len(network.servers), network.pages)
    if held.dtype != bool or held.shape != shape:
        raise NetworkError(f"a placement must be a bool array of shape {shape}; got {held.dtype} of shape {held.shape}")
    used = held @ network.sizes
    over = np.flatnonzero(used > network.storage)
    if over.size:
        n = int(over[0])
        raise NetworkError(
            f"server {network.servers[n]!r}: holds {int(used[n])} bytes, more than its storage of {int(network.storage[n])}"
        )


def event_latency(network: Network, held: Held, user: int, pages: Any) -> int:
    """Return the nanoseconds of one event, by the definition."""
    slowest = 0
    for page in pages:
        times = [int(network.cloud_ns[user])]
        if network.local[user, page]:
            times.append(int(network.local_ns[user]))
        for server in range(len(network.servers)):
            if held[server, page] and network.edge_ns[user, server] != FAR:
                times.append(int(network.edge_ns[user, server]))
        slowest = max(slowest, min(times))
    return slowest


def reference(network: Network, held: Held) -> Fraction:
    """Return the mean latency of a token in nanoseconds: mean over users of the sum over layers; O(everything)."""
    a = network.activations
    total = Fraction(0)
    for user in range(len(network.users)):
        total += int(network.nonexpert_ns[user])
        low, high = np.searchsorted(a.user, [user, user + 1])
        for g in range(int(low), int(high)):
            share = Fraction(int(a.count[g]), int(network.totals[user]))
            total += share * event_latency(network, held, user, a.members[a.start[g] : a.start[g + 1]].tolist())
    return total / len(network.users)


def fastest(network: Network, held: Held) -> Ints:
    """Return the latency of each entry of ``activations.members``; O(servers x entries), vectorised."""
    now = network.base()
    slot = network.slot_user()
    pages = network.activations.members
    for server in range(len(network.servers)):
        there = np.flatnonzero(held[server, pages])
        now[there] = np.minimum(now[there], network.edge_ns[slot[there], server])
    return now


def slowest(network: Network, held: Held) -> Ints:
    """Return the latency of each event, shape (groups,)."""
    late: Ints = np.maximum.reduceat(fastest(network, held), network.activations.start[:-1])
    return late


def cost(network: Network, held: Held) -> int:
    """Return the sum of weight times latency over all events, an exact integer; ``network.mean`` divides it."""
    return int((network.weight * slowest(network, held)).sum())


def hits(network: Network, held: Held) -> Hits:
    """Return where events are served, by the furthest place that one of their members needs.

    A member that is as fast at the user as elsewhere is the user's. One as fast at a server as in the
    cloud is the server's.
    """
    a = network.activations
    slot = network.slot_user()
    now = fastest(network, held)
    mine = network.local[slot, a.members] & (now == network.local_ns[slot])
    edge = np.full(len(a.members), FAR)
    for server in range(len(network.servers)):
        there = np.flatnonzero(held[server, a.members])
        edge[there] = np.minimum(edge[there], network.edge_ns[slot[there], server])
    place = np.where(mine, 0, np.where(edge == now, 1, 2))
    furthest = np.maximum.reduceat(place, a.start[:-1])
    weight = [int(network.weight[furthest == kind].sum()) for kind in range(3)]
    return Hits(*(Fraction(w, sum(weight)) for w in weight))
