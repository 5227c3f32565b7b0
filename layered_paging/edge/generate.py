"""Networks with a seed: users and servers on a square, activations drawn or taken from a trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.trace import Trace
from ..errors import ParameterError
from ..profiles.profile import Profile
from .links import Radio
from .network import FAR, LONGEST, MOST_CELLS, MOST_LINKS, Activations, Network

__all__ = ["BY", "draw_activations", "generate", "group", "network_of", "profile_activations", "trace_activations"]

Ints = npt.NDArray[np.int64]
BY = ("session", "category", "dataset", "all")
DRAWS = 1 << 30


@kinds()
def generate(
    *,
    users: int = 12,
    servers: int = 3,
    layers: int = 6,
    experts: int = 16,
    top_k: int = 2,
    tokens: int | None = None,
    topics: int = 8,
    skew: float = 1.0,
    expert_bytes: int = 1 << 20,
    storage: int = 16 << 20,
    user_storage: int = 4 << 20,
    nonexpert_bytes: int = 0,
    token_bytes: int = 4096,
    side_m: float = 1000.0,
    reach_m: float = 500.0,
    local_ns: int = 100_000,
    server_ns: int = 100_000,
    cloud_extra_ns: int = 20_000_000,
    backhaul_ns: int | None = None,
    radio: Radio | None = None,
    seed: int = 0,
    trace: Trace | None = None,
    by: str = "session",
    profiles: Sequence[Profile] | None = None,
) -> Network:
    """Return a seeded network.

    Parameters
    ----------
    users, servers, layers, experts, top_k, tokens : int
        Each at least 1.  ``tokens`` tokens per user are drawn (default: 64), so every user has that total.
    topics : int
        Number of topics; each token is about one.  Each topic has its own order of the experts of every layer, so
        experts are activated together.  A user is about two topics, one of them in three tokens of four.
    skew : float
        The expert of rank r in a topic's order has weight 1 / r ** skew.
    expert_bytes, storage, user_storage, nonexpert_bytes : int
        Bytes of an expert, of each server, of each user beside the non-expert part, of the non-expert part.
    token_bytes : int
        Bytes of a hidden state.
    side_m, reach_m : float
        Users and servers are uniform on a square; a user reaches the servers within ``reach_m`` metres and
        always the nearest one.
    local_ns, server_ns : int
        What an expert takes at the user and at a server.
    cloud_extra_ns : int
        Nanoseconds from the nearest server to the cloud behind it.
    backhaul_ns : int, optional
        Nanoseconds from the nearest server to the others, which are then reached through it.
    radio : Radio, optional
        The wireless model.
    seed : int
    trace : Trace, optional
        Take the activations from here.  ``layers``, ``experts``, ``users`` and sizes (if it has any) are the trace's.
        ``top_k`` keeps the first experts in router order (0 keeps all).  ``tokens`` is how many rounds of each user are
        taken, evenly spaced (default: all).
    by : {"session", "category", "dataset", "all"}
        What makes a user of a trace: each session, the sessions of one category or data set of ``meta["items"]``, or all.
    profiles : sequence of Profile, optional
        Draw the activations from these instead, one user a profile (``profile_activations``).

    Raises
    ------
    ParameterError, NetworkError
        A parameter outside its range; the trace does not say what ``by`` needs; profiles of different shapes.
    """
    for name, value in (("servers", servers), ("topics", topics)):
        integer(name, value, 1)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(integer("seed", seed, 0)).spawn(2)]
    sizes: Any = integer("expert_bytes", expert_bytes, 1)
    token_bytes = integer("token_bytes", token_bytes, 1, 1 << 40)
    local_ns, server_ns = integer("local_ns", local_ns, 0, LONGEST), integer("server_ns", server_ns, 0, LONGEST)
    side_m, top_k = float(side_m), integer("top_k", top_k, 0)
    cloud_extra_ns = integer("cloud_extra_ns", cloud_extra_ns, 0, LONGEST)
    backhaul_ns = None if backhaul_ns is None else integer("backhaul_ns", backhaul_ns, 0, LONGEST)
    if not (0 <= side_m <= 1e7 and 0 <= reach_m <= 1e9):
        raise ParameterError(
            f"must be in 0..1e7 and reach_m in 0..1e9 metres; got {side_m} and {reach_m}", parameter="side_m"
        )
    number = integer("tokens", 64 if tokens is None else tokens, 1)
    totals: Any = number
    names = None
    widths: Any
    if trace is not None and profiles is not None:
        raise ParameterError("activations come from a trace or from profiles; got both")
    if profiles is not None:
        activations = profile_activations(profiles, number, top_k, streams[0])
        users, widths = len(profiles), profiles[0].n_experts
    elif trace is None:
        for name, value in (("users", users), ("layers", layers), ("experts", experts), ("top_k", top_k)):
            integer(name, value, 1)
        if top_k > experts:
            raise ParameterError(f"must be at most the experts of a layer, {experts}; got {top_k}", parameter="top_k")
        if not 0 <= skew <= 10:
            raise ParameterError(f"must be in 0..10; got {skew}", parameter="skew")
        if users * layers * number * top_k > DRAWS or users * layers * experts > MOST_CELLS:
            raise ParameterError(f"users x layers x tokens x top_k must be at most {DRAWS}")
        if topics * layers * experts > MOST_CELLS or users * servers > MOST_LINKS:
            raise ParameterError(
                f"topics x layers x experts must be at most {MOST_CELLS}, users x servers {MOST_LINKS}"
            )
        activations = draw_activations(users, layers, experts, top_k, number, topics, skew, streams[0])
        widths = [experts] * layers
    else:
        names, activations, totals = trace_activations(trace, by, top_k, tokens)
        users, widths = len(names), trace.n_experts
        if trace.expert_bytes is not None:
            sizes = trace.page_bytes
    radio = Radio() if radio is None else radio
    where, at = (streams[1].random((number, 2)) * side_m for number in (users, servers))
    distance = np.sqrt(((where[:, None] - at[None]) ** 2).sum(axis=2))
    near = np.full((users, servers), FAR, np.int64)
    cloud = np.zeros(users, np.int64)
    for m in range(users):
        home = int(distance[m].argmin())
        first = radio.trip_ns(token_bytes, float(distance[m, home]), server_ns)
        cloud[m] = first + cloud_extra_ns
        for n in range(servers):
            if n == home or distance[m, n] <= reach_m:
                near[m, n] = radio.trip_ns(token_bytes, float(distance[m, n]), server_ns)
            if n != home and backhaul_ns is not None:
                near[m, n] = min(near[m, n], first + backhaul_ns)
    return Network(
        experts=widths,
        expert_bytes=sizes,
        storage=storage,
        edge_ns=near,
        cloud_ns=cloud,
        local_ns=np.minimum(local_ns, cloud),
        activations=activations,
        totals=totals,
        user_storage=integer("user_storage", user_storage, 0) + integer("nonexpert_bytes", nonexpert_bytes, 0),
        nonexpert_bytes=nonexpert_bytes,
        users=names,
    )


def network_of(
    rows: Sequence[tuple[int, int, Sequence[int], int]],
    near: Sequence[Sequence[int | None]],
    *,
    experts: Sequence[int],
    storage: Any,
    expert_bytes: Any = 1,
    cloud_ns: Any = 100,
    totals: Any = 1,
    **more: Any,
) -> Network:
    """Return a network written out by hand.

    Parameters
    ----------
    rows : sequence of (user, layer, experts, count)
        The activations, ascending by user, then layer.
    near : sequence of sequences of int or None
        Nanoseconds from each user to each server; None is out of reach.
    experts, storage, expert_bytes, cloud_ns, totals, **more
        As for ``Network``; one ``storage`` is every server's.

    Examples
    --------
    >>> network = network_of([(0, 0, (0, 1), 1)], [[10, None]], experts=[2], storage=1)
    >>> network
    <Network: 1 users, 2 servers, 1 layers x 2 experts, top 2>
    """
    first = np.concatenate(([0], np.cumsum(experts)))
    columns = np.array([(user, layer, len(ids), count) for user, layer, ids, count in rows], np.int64).reshape(-1, 4)
    members = [int(first[layer]) + e for _, layer, ids, _ in rows for e in ids]
    starts = np.concatenate(([0], np.cumsum(columns[:, 2])))
    links = np.array([[FAR if t is None else t for t in user] for user in near], np.int64).reshape(len(near), -1)
    return Network(
        experts=experts,
        expert_bytes=expert_bytes,
        storage=np.repeat(storage, links.shape[1]) if np.ndim(storage) == 0 else storage,
        edge_ns=links,
        cloud_ns=cloud_ns,
        activations=Activations(
            columns[:, 0], columns[:, 1], starts.astype(np.int64), np.array(members, np.int64), columns[:, 3]
        ),
        totals=totals,
        **more,
    )


def draw_activations(
    users: int,
    layers: int,
    experts: int,
    top_k: int,
    tokens: int,
    topics: int,
    skew: float,
    stream: np.random.Generator,
) -> Activations:
    """Draw ``tokens`` tokens per user: a topic each, then in every layer ``top_k`` distinct experts by its weights."""
    ranks = np.arange(1, experts + 1, dtype=float) ** -skew
    odds = np.cumsum(ranks / ranks.sum())
    odds[-1] = 1.0
    orders = np.argsort(stream.random((topics, layers, experts)), axis=2)
    mine = stream.integers(0, topics, (users, 2))
    parts = []
    chunk = max(1, (1 << 23) // (tokens * layers * top_k))
    for low in range(0, users, chunk):
        some = min(chunk, users - low)
        topic = np.where(stream.random((some, tokens)) < 0.75, mine[low : low + some, :1], mine[low : low + some, 1:])
        picks = np.searchsorted(odds, stream.random((some, tokens, layers, top_k)), side="right")
        for k in range(1, top_k):
            while True:
                twice = (picks[..., k : k + 1] == picks[..., :k]).any(axis=-1)
                number = int(twice.sum())
                if not number:
                    break
                picks[..., k][twice] = np.searchsorted(odds, stream.random(number), side="right")
        ids = orders[topic[:, :, None, None], np.arange(layers)[None, None, :, None], picks]
        user = np.broadcast_to(np.arange(low, low + some)[:, None, None], (some, tokens, layers))
        layer = np.broadcast_to(np.arange(layers), (some, tokens, layers))
        parts.append(group(user.ravel(), layer.ravel(), ids.reshape(-1, top_k), np.full(layers, experts)))
    return _joined(parts)


def group(user: Ints, layer: Ints, ids: Ints, widths: Ints) -> Activations:
    """Return the activations of single events: equal ones are counted together; -1 where an event has fewer members."""
    ids = np.sort(ids, axis=1)
    table = np.concatenate([user[:, None], layer[:, None], ids], axis=1)
    table = table[ids[:, -1] >= 0]
    order = np.lexsort(table.T[::-1])
    table = table[order]
    new = np.ones(len(table), bool)
    new[1:] = (table[1:] != table[:-1]).any(axis=1)
    at = np.flatnonzero(new)
    count = np.diff(np.append(at, len(table)))
    rows = table[at]
    first = np.concatenate(([0], np.cumsum(widths)))[:-1]
    member = rows[:, 2:]
    here = member >= 0
    start = np.concatenate(([0], np.cumsum(here.sum(axis=1))))
    pages = (member + first[rows[:, 1]][:, None])[here]
    return Activations(rows[:, 0], rows[:, 1], start.astype(np.int64), pages.astype(np.int64), count.astype(np.int64))


def _joined(parts: list[Activations]) -> Activations:
    offsets = np.cumsum([0, *(len(p.members) for p in parts)])
    starts = [p.start[:-1] + o for p, o in zip(parts, offsets[:-1], strict=True)]
    return Activations(
        np.concatenate([p.user for p in parts]),
        np.concatenate([p.layer for p in parts]),
        np.concatenate([*starts, offsets[-1:]]).astype(np.int64),
        np.concatenate([p.members for p in parts]),
        np.concatenate([p.count for p in parts]),
    )


def profile_activations(
    profiles: Sequence[Profile], tokens: int, top_k: int, stream: np.random.Generator
) -> Activations:
    """Draw ``tokens`` tokens for each profile, ``top_k`` distinct experts in every layer.

    A profile knows how often each expert is used, not which are used together.  Experts are drawn by
    systematic sampling in a random order.  So every token has ``top_k`` experts, and each expert its share of the
    profile's uses (capped at every token). Beyond that, co-activation is left to chance.

    Raises
    ------
    ParameterError
        No profile, different shapes, or a layer of which fewer than ``top_k`` experts were ever used.
    """
    top_k = integer("top_k", top_k, 1)
    if len(profiles) == 0:
        raise ParameterError("must be at least one profile; got none", parameter="profiles")
    if len(profiles) * len(profiles[0].counts) * tokens > DRAWS // 1000:
        raise ParameterError(f"profiles x layers x tokens must be at most {DRAWS // 1000}")
    widths = profiles[0].n_experts
    users, layers, ids = [], [], []
    for user, profile in enumerate(profiles):
        if profile.n_experts != widths:
            raise ParameterError(
                f"profile {user}: must have the experts of the first, {widths}; got {profile.n_experts}"
            )
        for layer, uses in enumerate(profile.counts):
            if np.count_nonzero(uses) < top_k:
                raise ParameterError(f"profile {user}, layer {layer}: fewer than {top_k} experts were ever used")
            share = _inclusion(uses, top_k)
            for _ in range(tokens):
                drawn = _systematic(share, top_k, stream)
                while len(set(drawn)) < top_k:  # rounding, once in a very long while
                    drawn = _systematic(share, top_k, stream)
                ids.append(drawn)
            users += [user] * tokens
            layers += [layer] * tokens
    return group(np.array(users), np.array(layers), np.array(ids), np.array(widths))


def _systematic(share: npt.NDArray[np.float64], top_k: int, stream: np.random.Generator) -> list[int]:
    order = stream.permutation(len(share))
    ends = np.cumsum(share[order])
    marks = (stream.random() + np.arange(top_k)) * (ends[-1] / top_k)
    found: list[int] = order[np.minimum(np.searchsorted(ends, marks), len(share) - 1)].tolist()
    return found


def _inclusion(uses: npt.NDArray[np.float64], top_k: int) -> npt.NDArray[np.float64]:
    """Return chances proportional to uses that sum to ``top_k``, none above 1 (just below, so that draws are distinct)."""
    share: npt.NDArray[np.float64] = uses * (top_k / uses.sum())
    full = np.zeros(len(uses), bool)
    while (share > 1).any():
        full |= share >= 1
        rest = uses[~full].sum()
        share = np.where(full, 1.0, uses * ((top_k - full.sum()) / rest if rest > 0 else 0.0))
    return share


def trace_activations(
    trace: Trace, by: str = "session", top_k: int = 0, tokens: int | None = None
) -> tuple[list[str], Activations, Ints]:
    """Return (names of users, activations, totals) of a trace, of the rounds in which every layer names an expert.

    Raises
    ------
    ParameterError
        ``by`` is unknown or the trace's ``meta["items"]`` do not say it for every session. No round is
        complete, or a user has fewer than ``tokens``.
    """
    names, sessions = users_of(trace, by)
    length = np.diff(np.append(trace.sessions, trace.rounds))
    rows = np.repeat(sessions, length)
    at = complete(trace)
    if tokens is not None:
        at = at[_spaced(names, rows[at], integer("tokens", tokens, 1))]
    if not len(at):
        raise ParameterError("the trace has no round in which every layer names an expert")
    rows = rows[at]
    ids = trace.experts[at].astype(np.int64)
    order = np.argsort(ids < 0, axis=2, kind="stable")  # members first, in router order
    ids = np.take_along_axis(ids, order, axis=2)[:, :, : (integer("top_k", top_k, 0) or trace.top_k)]
    rounds, layers, k = ids.shape
    totals = np.bincount(rows, minlength=len(names))
    kept = np.flatnonzero(totals)
    user = np.repeat(np.searchsorted(kept, rows), layers)
    found = group(user, np.tile(np.arange(layers), rounds), ids.reshape(-1, k), np.array(trace.n_experts))
    return [names[u] for u in kept], found, totals[kept].astype(np.int64)


def complete(trace: Trace) -> Ints:
    """Return the rounds in which every layer names an expert (some prefills leave the last layer out)."""
    named: Any = (trace.experts >= 0).any(axis=2)
    return np.flatnonzero(named.all(axis=1))


def _spaced(names: list[str], rows: Ints, tokens: int) -> Ints:
    """Return ``tokens`` rounds of each user, evenly spaced, ascending."""
    chosen = []
    for user, name in enumerate(names):
        mine = np.flatnonzero(rows == user)
        if len(mine) < tokens:
            raise ParameterError(f"user {name!r} of the trace has {len(mine)} tokens, fewer than {tokens}")
        chosen.append(mine[np.arange(tokens) * len(mine) // tokens])
    return np.sort(np.concatenate(chosen))


def users_of(trace: Trace, by: str) -> tuple[list[str], Ints]:
    """Return (names of users, the user of each session)."""
    if by not in BY:
        raise ParameterError(f"must be one of {', '.join(BY)}; got {by!r}", parameter="by")
    number = len(trace.sessions)
    if by == "all":
        return ["all"], np.zeros(number, np.int64)
    if by == "session":
        return [f"session {n}" for n in range(number)], np.arange(number)
    items = trace.meta.get("items")
    good = isinstance(items, list) and len(items) == number and all(isinstance(i, dict) and i.get(by) for i in items)
    if not good:
        raise ParameterError(f"the trace's meta must hold 'items' with a {by!r} for each of {number} sessions")
    labels = [str(item[by]) for item in items]  # type: ignore[union-attr]
    names = sorted(set(labels))
    return names, np.array([names.index(label) for label in labels])
