"""Check a placement of experts on edge servers: it fits, it takes what is stated, and nothing takes less than the bound.

The statement holds the network itself as plain JSON, what each server holds, the mean latency of a token,
and a lower bound on it.  It says nothing else: an unknown key is rejected, wherever it is.  Everything is
recomputed here from the definition:

A member of an event is served by the fastest place that holds it: the user, a server that the user reaches,
the cloud.  An event takes as long as its slowest member.  Weights are the shares of events, over a common
denominator; the cost of a placement is the sum of weight times latency.

The bound.  Let an event take B without any server.  Its user has possible latencies: its own, and those of its servers.
Each of them that is below B, and not below the fastest server's, is a row t.  Being done within t saves the difference to
the next larger such latency (or to B).  This needs every member that takes longer than t without servers to
be at a server of at most t.  Each need has a price y >= 0.  A row of worth g saves at most the sum of its
prices, if all its needs are met, plus max(0, g - that sum).  Prices of needs that are met are paid to some
expert at some server near enough.  A server's storage holds a knapsack of such payments, which is at most
the fractional knapsack.  So no placement saves more than

    sum over rows of max(0, g - sum of y)  +  sum over servers of the fractional knapsack.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from ..certificate import Certificate
from ..errors import CertificateRejected
from .reading import fraction, integer

__all__ = ["check"]

FORMAT, VERSION = "layered-paging network", 1
NETWORK = {"format", "version", "experts", "expert_bytes", "nonexpert_bytes", "servers", "users"}
SERVER = {"name", "storage"}
USER = {"name", "top_k", "holds", "local_ns", "nonexpert_ns", "cloud", "servers", "total", "activations"}


class User(NamedTuple):
    """One user: latencies, what it holds, and events as (pages, weight)."""

    cloud: int
    local: int
    fixed: int
    holds: frozenset[int]
    near: dict[int, int]
    events: list[tuple[list[int], int]]


class Problem(NamedTuple):
    """The network: bytes of each page, storage of each server, users, the common denominator of weights."""

    sizes: dict[int, int]
    servers: list[str]
    storage: list[int]
    first: list[int]
    users: list[User]
    scale: int


def check(certificate: Certificate) -> None:
    """Return if the placement fits, has the stated latency, and the stated bound is proved.

    Raises
    ------
    CertificateRejected
        Otherwise.
    """
    statement, evidence = certificate.statement, certificate.evidence
    if set(statement) != {"network", "held", "latency", "bound"} or not set(evidence) <= {"prices"}:
        raise CertificateRejected("a placement states network, held, latency and bound, and has prices as evidence")
    problem = read(statement["network"])
    held = _held(problem, statement["held"])
    paid = sum(w * _event(user, pages, held) for user in problem.users for pages, w in user.events)
    if _mean(problem, paid) != fraction(statement, "latency"):
        raise CertificateRejected(f"the latency is {_mean(problem, paid)}, not {statement['latency']}")
    if statement["bound"] is None:
        return
    nothing: list[set[int]] = [set() for _ in problem.servers]
    without = sum(w * _event(user, pages, nothing) for user in problem.users for pages, w in user.events)
    most = _most_saved(problem, evidence["prices"])
    proved = _mean(problem, without - most)
    if fraction(statement, "bound") > proved:
        raise CertificateRejected(f"the prices prove a bound of {proved}, not {statement['bound']}")


def read(document: Any) -> Problem:
    """Read the network; every number in it must be an integer in its range, and it must say nothing else."""
    _keys("the network", document, NETWORK)
    for n, server in enumerate(document["servers"]):
        _keys(f"server {n}", server, SERVER)
    for m, user in enumerate(document["users"]):
        _keys(f"user {m}", user, USER, {"storage"})
    if document["format"] != FORMAT or integer(document["version"], "version", 0) != VERSION:
        raise CertificateRejected(f"the network must have format {FORMAT!r}, version {VERSION}")
    first = [0]
    for number in document["experts"]:
        first.append(first[-1] + integer(number, "experts", 1))
    given = document["expert_bytes"]
    # no more sizes than pages that the document names: nothing is allocated that it does not spell out
    sizes: dict[int, int]
    if isinstance(given, list):
        if len(given) != first[-1]:
            raise CertificateRejected(f"expert_bytes must be one int, or one for each of {first[-1]} experts")
        sizes = {p: integer(s, "expert_bytes", 1) for p, s in enumerate(given)}
    else:
        each = integer(given, "expert_bytes", 1)
        sizes = defaultdict(lambda: each)
    servers = [server["name"] for server in document["servers"]]
    storage = [integer(server["storage"], "storage", 0) for server in document["servers"]]
    if len(set(servers)) != len(servers):
        raise CertificateRejected("two servers have the same name")
    totals = [integer(user["total"], "total", 1) for user in document["users"]]
    if not totals:
        raise CertificateRejected("a network has at least one user")
    scale = math.lcm(*totals)
    users = [_user(user, first, servers, scale // total) for user, total in zip(document["users"], totals, strict=True)]
    if len({user["name"] for user in document["users"]}) != len(users):
        raise CertificateRejected("two users have the same name")
    fixed = integer(document["nonexpert_bytes"], "nonexpert_bytes", 0)
    for entry, user in zip(document["users"], users, strict=True):
        _fits(entry, user, fixed, sizes)
    return Problem(sizes, servers, storage, first, users, scale)


def _keys(where: str, given: Any, needed: set[str], free: set[str] | None = None) -> None:
    """Reject what is not an object of exactly these keys; those of ``free`` may be left out."""
    if not isinstance(given, dict):
        raise CertificateRejected(f"{where} must be an object; got {type(given).__name__}")
    lacking, unknown = needed - set(given), set(given) - needed - (free or set())
    if lacking or unknown:
        what = f"lacks {min(lacking)!r}" if lacking else f"has the unknown key {min(unknown)[:60]!r}"
        raise CertificateRejected(f"{where} {what}; it has the keys {', '.join(sorted(needed | (free or set())))}")


def _fits(entry: Mapping[str, Any], user: User, fixed: int, sizes: dict[int, int]) -> None:
    """Reject a user who names more experts at once, or holds more bytes, than it says it may."""
    widest = max((len(pages) for pages, _ in user.events), default=1)
    if integer(entry["top_k"], "top_k", 1) < widest:
        raise CertificateRejected(f"user {entry['name']!r}: an event names {widest} experts, more than its top_k")
    if "storage" in entry:
        used = fixed + sum(sizes[p] for p in user.holds)
        if used > integer(entry["storage"], "storage", 0):
            raise CertificateRejected(f"user {entry['name']!r} takes {used} bytes, more than its storage")


def _user(user: Mapping[str, Any], first: list[int], servers: list[str], unit: int) -> User:
    cloud, local = integer(user["cloud"], "cloud", 1), integer(user["local_ns"], "local_ns", 0)
    holds = frozenset(_page(first, layer, expert) for layer, expert in user["holds"])
    near = {servers.index(name): integer(t, "a latency", 1) for name, t in user["servers"].items()}
    if len(user["activations"]) != len(first) - 1:
        raise CertificateRejected("activations must have one list for each layer")
    events = []
    for layer, rows in enumerate(user["activations"]):
        total = 0
        for ids, count in rows:
            pages = [_page(first, layer, e) for e in ids]
            if not pages or len(set(pages)) != len(pages):
                raise CertificateRejected("an event must name distinct experts")
            total += integer(count, "a count", 1)
            events.append((pages, count * unit))
        if total != user["total"]:
            raise CertificateRejected(f"user {user['name']!r}, layer {layer}: counts sum to {total} of {user['total']}")
    return User(cloud, local, integer(user["nonexpert_ns"], "nonexpert_ns", 0), holds, near, events)


def _held(problem: Problem, given: Mapping[str, Any]) -> list[set[int]]:
    held: list[set[int]] = [set() for _ in problem.servers]
    for name, pairs in given.items():
        n = problem.servers.index(name)
        held[n] = {_page(problem.first, layer, expert) for layer, expert in pairs}
        used = sum(problem.sizes[p] for p in held[n])
        if used > problem.storage[n]:
            raise CertificateRejected(
                f"server {name!r} holds {used} bytes, more than its storage of {problem.storage[n]}"
            )
    return held


def _event(user: User, pages: list[int], held: list[set[int]]) -> int:
    """Return the latency of an event: its slowest member, each at the fastest place that holds it."""
    return max(min([_alone(user, p), *(t for n, t in user.near.items() if p in held[n])]) for p in pages)


def _alone(user: User, page: int) -> int:
    """Return the latency of a member without servers."""
    return min(user.cloud, user.local) if page in user.holds else user.cloud


def _mean(problem: Problem, cost: int) -> Fraction:
    fixed = sum(user.fixed for user in problem.users)
    return Fraction(cost, problem.scale * len(problem.users)) + Fraction(fixed, len(problem.users))


def _most_saved(problem: Problem, prices: Any) -> int:
    """Return the most that any placement saves, by these prices."""
    for y in prices:
        integer(y, "a price", 0)
    queue = iter(prices)
    total = 0
    paid: list[dict[int, int]] = [{} for _ in problem.servers]
    for user in problem.users:
        times = sorted({*user.near.values(), user.local})
        for pages, weight in user.events:
            slowest = max(_alone(user, p) for p in pages)
            for at, t in enumerate(times):
                near = [n for n, s in user.near.items() if s <= t]
                if not near:
                    continue
                following = min([slowest, *times[at + 1 : at + 2]])
                sum_y = 0
                for p in pages:
                    if _alone(user, p) > t:
                        y = next(queue, None)
                        if y is None:
                            raise CertificateRejected("there are fewer prices than needs")
                        sum_y += y
                        for n in near:
                            paid[n][p] = paid[n].get(p, 0) + y
                total += max(0, weight * (following - t) - sum_y)
    if next(queue, None) is not None:
        raise CertificateRejected("there are more prices than needs")
    return math.floor(total + sum(_knapsack(problem, n, pay) for n, pay in enumerate(paid)))


def _knapsack(problem: Problem, server: int, pay: dict[int, int]) -> Fraction:
    """Return the fractional knapsack of a server."""
    room, total = problem.storage[server], Fraction(0)
    for page in sorted(pay, key=lambda p: Fraction(pay[p], problem.sizes[p]), reverse=True):
        part = min(Fraction(1), Fraction(room, problem.sizes[page]))
        total += part * pay[page]
        room -= min(room, problem.sizes[page])
    return total


def _page(first: list[int], layer: Any, expert: Any) -> int:
    integer(layer, "a layer", 0), integer(expert, "an expert", 0)
    if layer >= len(first) - 1 or expert >= first[layer + 1] - first[layer]:
        raise CertificateRejected(f"layer {layer}, expert {expert} does not exist")
    return int(first[layer] + expert)
