"""Check an offline optimum: a schedule and prices that meet, in linear time and exact integers.

The schedule is one bit a request: did it hit?  A hit means that the page was kept since its
last use, all the way.  Forced, event number t of a pool leaves ``slots`` minus its members to
what is kept strictly over it.  With bypass, every gap before an event t holds at most ``slots`` pages.  Both are counted here as *points* t with a capacity.

The prices y_t >= 0, one per point, bound what any schedule can save.  Take an interval between two uses
that covers the points I and saves w.  It is worth at most sum(y over I) + max(0, w - sum(y over I)).
All that is kept together takes at most capacity_t of point t.  So no schedule saves more than

    sum of capacity_t * y_t  +  sum over all intervals of max(0, w - sum(y over I)).

If the schedule saves exactly that, its cost is the optimum.  With sizes an interval pays its
size times the price, and prices come with a common denominator; what they prove is a bound.

For the best split of slots over the layers, each layer brings several price vectors. Each bounds
the layer's savings by a linear function of its quota q, the least of them is U(q), and
``slot_price * slots + sum over layers of max over q of (U(q) - slot_price * q)`` bounds the whole.

Arrays are stored as ``{"length": n, "bytes": b, "data": base64}``: unsigned integers of b bytes
each, little-endian, or for b = 0 single bits, first bit highest.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..certificate import Certificate
from ..core.layout import Grid, lay_out, quotas
from ..core.rules import Rules
from ..core.trace import Trace
from ..errors import CertificateRejected
from .reading import integer, need

__all__ = ["check"]

Ints = npt.NDArray[np.int64]
SAFE = 1 << 62  # sums below this cannot overflow

STATEMENT = {
    "optimum": ("costs", "cost", "misses", "slots", "split", "quotas"),
    "optimum-bound": ("costs", "lower", "upper", "misses", "budget_bytes", "split"),
}
SHARED_KEYS = ("trace", "admission", "pool", "reset", "events", "prefill", "warm", "requests")


class Pool(NamedTuple):
    """Intervals between uses in one pool, and the members of its events."""

    begin: npt.NDArray[np.integer[Any]]
    end: npt.NDArray[np.integer[Any]]
    worth: Ints
    size: Ints
    kept: npt.NDArray[np.bool_]
    members: Ints  # what an event itself takes
    all_cost: int
    hits: int


def check(certificate: Certificate, trace: Any = None) -> None:
    """Return if the certificate proves its statement about ``trace``; raise ``CertificateRejected`` otherwise."""
    says, shows = certificate.statement, certificate.evidence
    bound = certificate.kind == "optimum-bound"
    need(isinstance(says["warm"], list) if "warm" in says else True, "warm must be a list")
    need(isinstance(trace, Trace), "an optimum is about a trace: give the trace too")
    keys = {*SHARED_KEYS, *STATEMENT[certificate.kind]}
    need(
        set(says) == keys, f"the statement must have the keys {', '.join(sorted(keys))}; got {', '.join(sorted(says))}"
    )
    need(says["trace"] == trace.digest(), f"made for another trace: {says['trace']!r} is not {trace.digest()!r}")
    for key, known in (
        ("admission", ("forced", "bypass")),
        ("pool", ("shared", "per-layer")),
        ("reset", ("never", "session")),
        ("events", ("atomic", "serial")),
        ("prefill", ("token", "merged")),
    ):
        need(says[key] in known, f"{key} must be one of {', '.join(known)}; got {says[key]!r}")
    costs = _per_page(says["costs"], trace.pages)
    sizes = trace.page_bytes if bound else np.ones(trace.pages, np.int64)
    need(sizes is not None, "a bound in bytes needs a trace with sizes")
    grid = lay_out(trace, Rules(events=says["events"], prefill=says["prefill"]))
    grids = [grid] if says["pool"] == "shared" else [grid.of_layer(j) for j in range(grid.n_layers)]
    split = [integer(x, "split", 0, SAFE) for x in says["split"]]
    total = integer(says["budget_bytes" if bound else "slots"], "slots", 0, SAFE)
    _check_split(split, trace, total, "given" if bound else says["quotas"], says["pool"])
    pools = _pools(grid, grids, split, trace, says, shows, costs, sizes)
    bypass = says["admission"] == "bypass"
    for pool, capacity in zip(pools, split, strict=True):
        _check_fits(pool, capacity, bypass)
    requests = int(np.count_nonzero(grid.experts >= 0))
    misses = requests - sum(pool.hits for pool in pools)
    cost = sum(pool.all_cost - int(pool.worth[pool.kept].sum()) for pool in pools)
    everything = sum(pool.all_cost for pool in pools)
    _equal("requests", says["requests"], requests)
    _equal("misses", says["misses"], misses)
    if bound:
        scale = integer(shows["denominator"], "denominator", 1, SAFE)
        saved = sum(_savings(p, _prices(x, p), q, bypass, scale) for p, x, q in _match(pools, shows["prices"], split))
        _equal("upper", says["upper"], cost)
        _equal("lower", says["lower"], everything - saved // scale)
        need(says["lower"] <= says["upper"], "the lower bound must not exceed the upper")
        return
    if says["quotas"] == "free":
        saved = _free(pools, shows, says["warm"], total, trace, bypass)
    else:
        saved = sum(_savings(p, _prices(x, p), q, bypass) for p, x, q in _match(pools, shows["prices"], split))
    _equal("cost", says["cost"], cost)
    need(
        everything - saved == cost, f"the prices prove a cost of at least {everything - saved}, the schedule has {cost}"
    )


def _check_split(split: list[int], trace: Trace, total: int, rule: Any, pool: str) -> None:
    pools = 1 if pool == "shared" else trace.layers
    need(len(split) == pools, f"split must have one entry for each of {pools} pools; got {len(split)}")
    need(rule in ("uniform", "free", "given"), f"quotas must be uniform, free or given; got {rule!r}")
    need(total >= 1, f"slots must be at least 1; got {total}")
    if rule == "uniform":
        uniform = (
            [total] if pool == "shared" else quotas(total, pools, np.any(trace.experts >= 0, axis=(0, 2)).tolist())
        )
        need(split == uniform, "split must be the uniform split")
    elif rule == "free":
        need(pool == "per-layer", "free quotas are about per-layer pools")
        need(sum(split) <= total, f"split must sum to at most {total}; got {sum(split)}")
    else:
        need(sum(split) == total, f"split must sum to {total}; got {sum(split)}")


def _pools(
    grid: Grid,
    grids: list[Grid],
    split: list[int],
    trace: Trace,
    says: Mapping[str, Any],
    shows: Mapping[str, Any],
    costs: Ints,
    sizes: Ints,
) -> list[Pool]:
    """Find the intervals of every pool and read off which ones are kept."""
    present = grid.experts >= 0
    hit = np.zeros(grid.shape, bool)
    hit[present] = _array(shows["hits"], int(np.count_nonzero(present))).astype(bool)
    warm = np.array([integer(p, "warm", 0, SAFE) for p in says["warm"]], np.int64)
    distinct = len(np.unique(warm)) == len(warm) and bool((warm < grid.pages).all())
    need(distinct, "warm must hold distinct pages of the model")
    pools = []
    first = trace.first_page.tolist()
    for number, (part, capacity) in enumerate(zip(grids, split, strict=True)):
        low, high = (
            (0, trace.pages) if says["pool"] == "shared" else (first[number], first[number] + trace.n_experts[number])
        )
        taken = int(sizes[warm[(warm >= low) & (warm < high)]].sum())
        need(taken <= capacity, f"the pages held at the start take {taken} in pool {number}; it holds {capacity}")
        columns = slice(None) if says["pool"] == "shared" else np.flatnonzero(grid.layer == number)
        pools.append(_pool(part, hit[:, columns], says, costs, sizes, warm))
    return pools


def _pool(
    grid: Grid, hit: npt.NDArray[np.bool_], says: Mapping[str, Any], costs: Ints, sizes: Ints, warm: Ints
) -> Pool:
    rounds, columns, width = grid.shape
    present = grid.experts.reshape(-1) >= 0
    small = np.uint16 if grid.pages < 1 << 16 else np.int64
    page = (grid.experts + grid.first[:, None].astype(np.int32)).astype(small).reshape(-1)[present]
    need(rounds * columns < 1 << 31, "more than 2^31 events")
    event = np.repeat(np.arange(rounds * columns, dtype=np.int32), np.count_nonzero(present.reshape(-1, width), axis=1))
    hits = hit.reshape(-1)[present]
    order = np.argsort(page, kind="stable")  # by page, then by time
    page, event, hits = page[order], event[order], hits[order]
    before = np.empty_like(event)  # event of the last use; -1: held at the start; -2: neither
    before[1:] = event[:-1]
    head = np.ones(len(page), bool)
    head[1:] = page[1:] != page[:-1]
    before[head] = np.where(np.isin(page[head], warm), -1, -2)
    if says["reset"] == "session":
        opening = np.repeat(grid.starts * columns, np.diff(np.append(grid.starts, rounds)) * columns).astype(np.int32)
        before[before < np.where(opening == 0, -1, opening)[event]] = -2
    again = before >= -1
    need(not bool((hits & ~again).any()), "a request without an earlier use in reach is marked as a hit")
    members = np.bincount(event, weights=None if (sizes == 1).all() else sizes[page], minlength=rounds * columns)
    need(int(sizes.max()) * len(page) < SAFE and int(costs.max()) * len(page) < SAFE, "the numbers are too large")
    if (sizes != 1).any():  # weights are floats: exact below 2^53
        need(float(members.max()) < 2.0**53, "the sizes are too large")
    end = event[again] if says["admission"] == "forced" else event[again] + 1
    return Pool(
        begin=before[again] + 1,
        end=end,
        worth=_of_pages(costs, page, again),
        size=_of_pages(sizes, page, again),
        kept=hits[again],
        members=members.astype(np.int64),
        all_cost=int(_of_pages(costs, page, slice(None)).sum()),
        hits=int(np.count_nonzero(hits)),
    )


def _of_pages(values: Ints, page: npt.NDArray[Any], chosen: Any) -> Ints:
    """Return the value of each page chosen; one number seen many times where all are equal."""
    chosen_pages = page[chosen]
    one = bool((values == values[0]).all())
    found: Ints = np.broadcast_to(values[0], chosen_pages.shape) if one else values[chosen_pages]
    return found


def _check_fits(pool: Pool, capacity: int, bypass: bool) -> None:
    """At every point, what is kept must fit beside what the event itself takes."""
    points = len(pool.members)
    change = np.zeros(points + 1, np.int64)
    if (pool.size == 1).all():
        change += np.bincount(pool.begin[pool.kept], minlength=points + 1)
        change -= np.bincount(pool.end[pool.kept], minlength=points + 1)
    else:
        size = pool.size[pool.kept]
        np.add.at(change, pool.begin[pool.kept], size)
        np.subtract.at(change, pool.end[pool.kept], size)
    used = np.cumsum(change[:-1])
    if not bypass:
        used += pool.members
    over = np.flatnonzero(used > capacity)
    if len(over):
        raise CertificateRejected(
            f"event {over[0]} of a pool: the schedule holds {used[over[0]]} where {capacity} is the capacity"
        )


def _savings(pool: Pool, price: Ints, capacity: int, bypass: bool, scale: int = 1) -> int:
    """Return what the prices prove about all schedules: an upper bound on what can be saved, times ``scale``."""
    slope, rest = _line(pool, price, bypass, scale)
    return slope * capacity + rest


def _line(pool: Pool, price: Ints, bypass: bool, scale: int = 1) -> tuple[int, int]:
    """Return (a, b) such that the prices bound what capacity q can save by a * q + b."""
    heaviest = max(1, int(pool.members.max(initial=0)), int(pool.size.max(initial=0)))
    need(int(price.max(initial=0)) * len(price) < SAFE, "the prices are too large")
    need(int(price.sum()) * heaviest < SAFE, "the prices are too large")
    need(int(pool.worth.max(initial=0)) * scale * len(pool.worth) < SAFE, "the costs are too large")
    before = np.zeros(len(price) + 1, np.int64)
    np.cumsum(price, out=before[1:])
    paid = (before[pool.end] - before[pool.begin]) * pool.size
    left = int(np.maximum(pool.worth * scale - paid, 0).sum())
    taken = 0 if bypass else int((price * pool.members).sum())
    return int(before[-1]), left - taken


def _free(pools: list[Pool], shows: Mapping[str, Any], warm: Any, slots: int, trace: Trace, bypass: bool) -> int:
    """Bound what any split of the slots over the layers can save."""
    slot_price = integer(shows["slot_price"], "slot_price", 0, SAFE)
    bound = slot_price * slots
    supports = shows["supports"]
    need(len(supports) == len(pools), "supports must have one entry a layer")
    for j, (pool, vectors) in enumerate(zip(pools, supports, strict=True)):
        lines = [_line(pool, _prices(vector, pool), bypass) for vector in vectors]
        need(len(lines) > 0, f"layer {j} has no prices")
        # fewer slots than are held at the start are not allowed, nor than the largest event if forced; more than the layer's experts change nothing
        first = int(trace.first_page[j])
        held = sum(first <= page < first + trace.n_experts[j] for page in warm)
        least = max(held, 0 if bypass else int(pool.members.max()))
        bound += max(min(a * q + b for a, b in lines) - slot_price * q for q in range(least, trace.n_experts[j] + 1))
    return bound


def _match(pools: list[Pool], vectors: Any, split: list[int]) -> list[tuple[Pool, Any, int]]:
    need(isinstance(vectors, list) and len(vectors) == len(pools), "prices must have one entry for each pool")
    return list(zip(pools, vectors, split, strict=True))


def _prices(field: Any, pool: Pool) -> Ints:
    return _array(field, len(pool.members))


def _array(field: Any, length: int) -> Ints:
    """Read an array of non-negative integers."""
    need(
        isinstance(field, Mapping) and set(field) == {"length", "bytes", "data"}, "an array has length, bytes and data"
    )
    _equal("length of an array", field["length"], length)
    need(field["bytes"] in (0, 1, 2, 4, 8), f"bytes of an array must be 0, 1, 2, 4 or 8; got {field['bytes']!r}")
    try:
        raw = np.frombuffer(base64.b64decode(field["data"], validate=True), np.uint8)
    except (binascii.Error, ValueError, TypeError):
        raise CertificateRejected("the data of an array must be base64") from None
    if field["bytes"] == 0:
        _equal("bytes in an array", len(raw), (length + 7) // 8)
        bits = np.unpackbits(raw)
        need(not bits[length:].any(), "the bits behind the end of an array must be 0")
        return bits[:length].astype(np.int64)
    _equal("bytes in an array", len(raw), length * field["bytes"])
    wide = raw.view(f"<u{field['bytes']}").astype(np.uint64)
    need(int(wide.max(initial=0)) < SAFE, "an entry of an array is too large")
    return wide.astype(np.int64)


def _per_page(costs: Any, pages: int) -> Ints:
    if costs is None:
        return np.ones(pages, np.int64)
    need(
        isinstance(costs, list) and len(costs) == pages, f"costs must be null or one integer for each of {pages} pages"
    )
    return np.array([integer(c, "costs", 0, SAFE) for c in costs], np.int64)


def _equal(name: str, stated: Any, found: int) -> None:
    same = isinstance(stated, int) and not isinstance(stated, bool) and stated == found
    need(same, f"{name} is stated as {stated!r}, found {found}")
