"""The checker of optima against its own definition, spelled out in plain loops: same verdict, same numbers."""

from __future__ import annotations

import base64
import copy
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify import check
from layered_paging.certify.optimum import SAFE, Pool, _array, _line
from layered_paging.errors import CertificateRejected

Interval = tuple[int, int, int, int, bool]  # first point, point after the last, worth, size, kept
MODES: list[dict[str, Any]] = [
    {"admission": admission, "pool": pool, "reset": reset, "events": events, "warm": warm}
    for admission, pool, reset, events, warm in [
        ("forced", "shared", "never", "atomic", []),
        ("bypass", "shared", "never", "atomic", [1, 4]),
        ("forced", "shared", "session", "serial", [0, 3]),
        ("bypass", "shared", "session", "serial", []),
        ("forced", "per-layer", "session", "atomic", [2, 3]),
        ("bypass", "per-layer", "never", "serial", [0, 3]),
        ("bypass", "per-layer", "session", "atomic", []),
    ]
]
NONE = -1
# members of an event in ascending order, as a grid lays them out, and the absent ones last
IDS = [[[0, 1], [0, NONE]], [[0, 2], [1, 2]], [[1, NONE], [NONE, NONE]], [[0, 1], [0, 2]], [[2, NONE], [0, 1]]]


SIZES = {"ones": [1] * 6, "mixed": [2, 1, 3, 1, 2, 2], "large": [2, 2, 3, 4, 2, 3]}


def small(sizes: str = "ones") -> lp.Trace:
    """Five rounds of two layers of three experts, with absent members and an empty event; two sessions."""
    return lp.Trace(IDS, 3, [0, 3], expert_bytes=SIZES[sizes])


def pack(values: list[int], width: int) -> dict[str, Any]:
    array = np.array(values, np.uint8 if width == 0 else f"<u{width}")
    raw = np.packbits(array).tobytes() if width == 0 else array.tobytes()
    return {"length": len(values), "bytes": width, "data": base64.b64encode(raw).decode()}


def pools_of(mode: dict[str, Any]) -> list[list[tuple[int, int, list[int]]]]:
    """Return for each pool its events: (session, column, pages)."""
    pools: list[list[tuple[int, int, list[int]]]] = [[] for _ in range(2 if mode["pool"] == "per-layer" else 1)]
    for r, row in enumerate(IDS):
        for j, members in enumerate(row):
            pages = [j * 3 + e for e in members]
            parts = [[p] for p in pages] if mode["events"] == "serial" else [pages]
            for part in parts:
                real = [p for p, e in zip(pages, members, strict=True) if p in part and e != NONE]
                pools[j if len(pools) > 1 else 0].append((int(r >= 3), j, real))
    return pools


def by_definition(
    mode: dict[str, Any], split: list[int], hits: list[int], costs: list[int], sizes: list[int]
) -> tuple[list[list[Interval]], list[list[int]], int, bool] | None:
    """Return intervals and capacities of each pool, the misses, and whether the schedule fits; None for a bad hit."""
    flags = dict(zip(order_of(mode), hits, strict=True))
    forced, found, room, misses, fits = mode["admission"] == "forced", [], [], 0, True
    for number, events in enumerate(pools_of(mode)):
        mine = [p for p in mode["warm"] if mode["pool"] == "shared" or p // 3 == number]
        fits &= sum(sizes[p] for p in mine) <= split[number]
        rows: list[Interval] = []
        for t, (session, _, pages) in enumerate(events):
            for p in pages:
                before = [s for s in range(t) if p in events[s][2]]
                start: int | None = before[-1] if before else -1 if p in mine else None
                if (
                    mode["reset"] == "session"
                    and start is not None
                    and (0 if start < 0 else events[start][0]) != session
                ):
                    start = None
                hit = bool(flags[number, t, p])
                if hit and start is None:
                    return None
                misses += not hit
                if start is not None:
                    rows.append((start + 1, t if forced else t + 1, costs[p], sizes[p], hit))
        taken = [sum(sizes[p] for p in pages) if forced else 0 for _, _, pages in events]
        capacity = [split[number] - used for used in taken]
        for point, left in enumerate(capacity):
            fits &= sum(size for a, b, _, size, kept in rows if kept and a <= point < b) <= left
        found.append(rows)
        room.append(capacity)
    return found, room, misses, fits


def order_of(mode: dict[str, Any]) -> Iterator[tuple[int, int, int]]:
    """Yield (pool, event, page) of every request in the order in which the hits are written."""
    at = [0, 0]
    for row in IDS:
        for j, members in enumerate(row):
            pool = j if mode["pool"] == "per-layer" else 0
            for part in [[e] for e in members] if mode["events"] == "serial" else [members]:
                for e in part:
                    if e != NONE:
                        yield pool, at[pool], j * 3 + e
                at[pool] += 1


def bound_of(found: list[list[Interval]], room: list[list[int]], prices: list[list[int]], scale: int) -> int:
    """Return scale times what the prices prove that no schedule saves more than."""
    saved = 0
    for rows, capacity, price in zip(found, room, prices, strict=True):
        saved += sum(c * y for c, y in zip(capacity, price, strict=True))
        saved += sum(max(0, worth * scale - size * sum(price[a:b])) for a, b, worth, size, _ in rows)
    return saved


def accepted(certificate: Certificate, trace: lp.Trace) -> bool:
    try:
        check(certificate, trace)
    except CertificateRejected:
        return False
    return True


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(map(str, mode.values())))
@pytest.mark.parametrize("sized", SIZES)
def test_bounds_by_definition(mode: dict[str, Any], sized: str) -> None:
    rng = np.random.default_rng(3)
    trace = small(sized)
    sizes = SIZES[sized]
    count = trace.requests
    points = [len(events) for events in pools_of(mode)]
    verdicts = []
    for turn in range(30):
        costs = [1] * 6 if turn % 3 else rng.integers(0, 5, 6).tolist()
        hits = (rng.random(count) < rng.choice([0.1, 0.3, 0.6])).astype(int).tolist()
        split = rng.integers(0, rng.choice([3, 9]), len(points)).tolist()
        split[-1] += not any(split)
        scale = int(rng.integers(1, 4))
        prices = [(rng.integers(0, 3, n) * (rng.random(n) < 0.5)).tolist() for n in points]
        reference = by_definition(mode, split, hits, costs, sizes)
        while reference is None:  # a first use cannot be a hit
            assert hits != [0] * count
            hits[int(rng.choice(np.flatnonzero(hits)))] = 0
            reference = by_definition(mode, split, hits, costs, sizes)
        found, room, misses, fits = reference
        everything = sum(costs[page] for _, _, page in order_of(mode))
        upper = everything - sum(row[2] for rows in found for row in rows if row[4])
        lower = everything - bound_of(found, room, prices, scale) // scale
        says = {
            **mode, "trace": trace.digest(), "prefill": "token", "requests": count, "misses": misses, "split": split,
            "costs": costs if costs != [1] * 6 or turn % 2 else None, "budget_bytes": sum(split), "lower": lower,
            "upper": upper,
        }  # fmt: skip
        width = int(rng.choice([1, 2, 4, 8]))
        shows = {"hits": pack(hits, 0), "prices": [pack(row, width) for row in prices], "denominator": scale}
        good = accepted(Certificate("optimum-bound", says, shows), trace)
        assert good == (fits and lower <= upper), (turn, fits)
        verdicts.append(good)
        if good:
            for key in ("requests", "misses", "lower", "upper"):
                for step in (-1, 1):
                    wrong = {**says, key: says[key] + step}
                    assert not accepted(Certificate("optimum-bound", wrong, shows), trace), key
    assert 1 < sum(verdicts) < 30 or mode == MODES[3]  # where little can be kept, it always fits


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(map(str, mode.values())))
def test_a_hit_without_a_use_in_reach(mode: dict[str, Any]) -> None:
    """Exactly the requests without an earlier use in reach must not be hits."""
    trace, points = small(), [len(events) for events in pools_of(mode)]
    for at in range(trace.requests):
        hits = [int(t == at) for t in range(trace.requests)]
        reference = by_definition(mode, [9] * len(points), hits, [1] * 6, [1] * 6)
        says = {
            **mode, "trace": trace.digest(), "prefill": "token", "requests": trace.requests, "costs": None,
            "misses": trace.requests - 1, "split": [9] * len(points), "budget_bytes": 9 * len(points),
            "upper": trace.requests - 1, "lower": 0,
        }  # fmt: skip
        shows = {"hits": pack(hits, 0), "prices": [pack([0] * n, 1) for n in points], "denominator": 1}
        if reference is None:
            with pytest.raises(CertificateRejected, match="without an earlier use in reach"):
                check(Certificate("optimum-bound", says, shows), trace)
        else:
            again = sum(len(rows) for rows in reference[0])
            check(Certificate("optimum-bound", {**says, "lower": trace.requests - again}, shows), trace)


def exact(mode: dict[str, Any], trace: lp.Trace, **more: Any) -> Certificate:
    options = {
        key: mode[key] for key in ("admission", "pool", "reset", "events") if "quotas" not in more or key != "pool"
    }
    found: Certificate = lp.optimum(trace, **{"slots": 6, **options, **more}).certificate
    return found


def changed(certificate: Certificate, about: lp.Trace, match: str, /, **facts: Any) -> None:
    """One fact changed, in the statement or the evidence, is refused with these words."""
    says, shows = copy.deepcopy((dict(certificate.statement), dict(certificate.evidence)))
    for key, value in facts.items():
        (says if key in says else shows)[key] = value
    with pytest.raises(CertificateRejected, match=match):
        check(Certificate(certificate.kind, says, shows), about)


def test_exact_optima_and_what_is_wrong_with_them() -> None:
    trace = small()
    good = exact(MODES[0], trace, slots=4)
    check(good, trace)
    cost, count = good.statement["cost"], trace.requests
    changed(good, trace, f"cost is stated as {cost + 1}, found {cost}", cost=cost + 1)
    changed(good, trace, f"misses is stated as {cost - 1}, found {cost}", misses=cost - 1)
    changed(good, trace, f"requests is stated as {count + 1}, found {count}", requests=count + 1)
    changed(good, trace, "cost is stated as True", cost=True)
    changed(good, trace, "split must be the uniform split", split=[5])
    changed(good, trace, r"split must sum to 4; got 5", split=[5], quotas="given")
    changed(good, trace, r"slots must be at least 1; got 0", split=[0], slots=0)
    changed(good, trace, "one entry for each of 1 pools; got 2", split=[2, 2])
    changed(good, trace, "quotas must be uniform, free or given; got 'even'", quotas="even")
    changed(good, trace, "free quotas are about per-layer pools", quotas="free")
    changed(good, trace, "split must be an integer of at least 0; got True", split=[True])
    changed(good, trace, "split must be an integer of at least 0; got 4611686018427387904", split=[1 << 62])
    changed(good, trace, "warm must be a list", warm={})
    changed(good, trace, "warm must hold distinct pages", warm=[1, 1])
    changed(good, trace, "warm must hold distinct pages", warm=[6])
    changed(good, trace, "warm must be an integer of at least 0; got -1", warm=[-1])
    changed(good, trace, "take 5 in pool 0; it holds 4", warm=[0, 1, 2, 3, 4])
    changed(good, trace, "made for another trace", trace="x")
    changed(good, trace, "costs must be null or one integer for each of 6 pages", costs=[1] * 5)
    changed(good, trace, "costs must be an integer of at least 0; got -1", costs=[-1] * 6)
    changed(good, trace, "numbers are too large", costs=[1 << 61] * 6)
    changed(good, trace, "prices must have one entry for each pool", prices=[])
    changed(good, trace, "the prices prove a cost of at least", prices=[pack([0] * 10, 0)])
    for key in ("admission", "pool", "reset", "events", "prefill"):
        changed(good, trace, f"{key} must be one of .*; got 'x'", **{key: "x"})
    with pytest.raises(CertificateRejected, match="must have the keys"):
        check(Certificate("optimum", {**good.statement, "more": 1}, good.evidence), trace)
    cold = {key: value for key, value in good.statement.items() if key != "warm"}
    with pytest.raises(CertificateRejected, match="must have the keys"):
        check(Certificate("optimum", cold, good.evidence), trace)
    with pytest.raises(CertificateRejected, match="give the trace"):
        check(good)
    unsized = lp.Trace(IDS, 3, [0, 3])
    bound = {key: good.statement[key] for key in good.statement if key not in ("cost", "slots", "quotas")}
    bound = {**bound, "trace": unsized.digest(), "lower": 0, "upper": 0, "budget_bytes": 4}
    with pytest.raises(CertificateRejected, match="needs a trace with sizes"):
        check(Certificate("optimum-bound", bound, good.evidence), unsized)


def test_uniform_splits() -> None:
    trace = small()
    good = lp.optimum(trace, 5, admission="forced", pool="per-layer", reset="never").certificate
    check(good, trace)
    assert good.statement["split"] == [3, 2]
    changed(good, trace, "split must be the uniform split", split=[2, 3])
    changed(good, trace, "split must be the uniform split", split=[5, 0])
    free = lp.optimum(trace, 5, admission="forced", quotas="free", reset="never").certificate
    changed(free, trace, "split must be the uniform split", quotas="uniform", split=[4, 1])


def test_arrays_are_read_exactly() -> None:
    trace = small()
    good = exact(MODES[0], trace, slots=4)
    field = dict(good.evidence["hits"])
    bits = np.unpackbits(np.frombuffer(base64.b64decode(field["data"]), np.uint8))[: field["length"]].tolist()
    for width in (0, 1, 2, 4, 8):  # the same hits in any width
        check(Certificate("optimum", good.statement, {**good.evidence, "hits": pack(bits, width)}), trace)
    length = field["length"]
    for wrong, words in (
        ({**field, "length": length + 1}, f"length of an array is stated as {length + 1}, found {length}"),
        ({**field, "bytes": 3}, "bytes of an array must be 0, 1, 2, 4 or 8; got 3"),
        ({**field, "data": "?"}, "must be base64"),
        ({**field, "data": 5}, "must be base64"),
        ({**field, "more": 1}, "an array has length, bytes and data"),
        ([], "an array has length, bytes and data"),
        ({**field, "data": base64.b64encode(b"\0" * (length // 8 + 2)).decode()}, "bytes in an array is stated as"),
        ({**pack(bits, 2), "bytes": 4}, "bytes in an array is stated as"),
        (pack([*bits[:-1], 1 << 62], 8), "an entry of an array is too large"),
        (pack([*bits, 1], 0) | {"length": length}, "bits behind the end"),
    ):
        changed(good, trace, words, hits=wrong)
    assert length % 8 != 0
    changed(good, trace, "prices are too large", prices=[pack([(1 << 62) - 1] + [0] * 9, 8)])
    changed(good, trace, "prices are too large", prices=[pack([1 << 59] * 10, 8)])


def test_arrays_of_any_length() -> None:
    for length in range(18):
        values = [t % 3 % 2 for t in range(length)]
        for width in (0, 1, 2):
            assert _array(pack(values, width), length).tolist() == values


def bound(trace: lp.Trace, hits: list[int], **says: Any) -> Certificate:
    """A certificate whose prices are all 0, so that its lower bound is what first uses cost."""
    count = trace.requests
    facts = {
        "admission": "bypass", "pool": "shared", "reset": "never", "events": "atomic", "prefill": "token", "warm": [],
        "trace": trace.digest(), "requests": count, "misses": count - sum(hits), "costs": None, "lower": 0,
        "upper": count - sum(hits), "split": [9], "budget_bytes": 9, **says,
    }  # fmt: skip
    events = trace.rounds * trace.layers
    return Certificate(
        "optimum-bound", facts, {"hits": pack(hits, 0), "prices": [pack([0] * events, 1)], "denominator": 1}
    )


def test_numbers_at_their_limits() -> None:
    ids = [[[0]], [[1]], [[0]], [[1]]]
    trace = lp.Trace(ids, 2, expert_bytes=[1 << 54, 1])
    with pytest.raises(CertificateRejected, match="the sizes are too large"):  # floats count members in bytes
        check(bound(trace, [0] * 4, lower=2), trace)
    for size, good in ((1 << 53, False), ((1 << 53) - 1, True)):
        trace = lp.Trace(ids, 2, expert_bytes=[size, 1])
        assert accepted(bound(trace, [0, 0, 0, 1], lower=2), trace) is good
    trace = lp.Trace(ids, 2, expert_bytes=[1 << 60, 1])
    with pytest.raises(CertificateRejected, match="the numbers are too large"):
        check(bound(trace, [0] * 4, lower=2), trace)
    trace = lp.Trace(ids, 2, expert_bytes=[1, 1])
    check(bound(trace, [0, 0, 1, 1], lower=2), trace)
    most = (1 << 60) - 1
    check(bound(trace, [0, 0, 1, 1], lower=most, upper=most, costs=[most, 0]), trace)
    with pytest.raises(CertificateRejected, match="the numbers are too large"):
        check(bound(trace, [0] * 4, costs=[1 << 60, 0]), trace)
    dear = bound(trace, [0, 0, 1, 1], lower=2)
    with pytest.raises(CertificateRejected, match="the prices are too large"):
        check(Certificate(dear.kind, dear.statement, {**dear.evidence, "prices": [pack([1 << 60, 0, 0, 0], 8)]}), trace)
    with pytest.raises(CertificateRejected, match="lower is stated as 2"):
        check(
            Certificate(dear.kind, dear.statement, {**dear.evidence, "prices": [pack([(1 << 60) - 1, 0, 0, 0], 8)]}),
            trace,
        )
    free = bound(trace, [0, 0, 1, 1], lower=0, upper=0, costs=[0, 0])
    check(Certificate(free.kind, free.statement, {**free.evidence, "denominator": 1 << 61}), trace)
    dear = bound(trace, [0, 0, 1, 1], lower=2)
    for scale, good in (((1 << 61) - 1, True), (1 << 61, False)):
        assert accepted(Certificate(dear.kind, dear.statement, {**dear.evidence, "denominator": scale}), trace) is good


def test_one_page_and_very_many() -> None:
    one = lp.Trace([[[0]], [[0]]], 1, expert_bytes=[2])
    check(bound(one, [0, 1], lower=1), one)
    fine = bound(one, [0, 1], lower=1)
    check(Certificate(fine.kind, fine.statement, {**fine.evidence, "denominator": 1 << 61}), one)
    one = lp.Trace([[[0]], [[0]]], 1, expert_bytes=[1])
    check(bound(one, [0, 1], lower=1, split=[1], budget_bytes=1), one)
    for experts in (65535, 65536, 65537, 70000):  # pages are numbered in 16 bits only where they fit
        wide = lp.Trace([[[3]], [[experts - 1]], [[(experts - 1) % 65536]], [[3]]], experts, expert_bytes=1)
        again = [0, 0, int(experts <= 65536), 1]
        found = bound(wide, again, lower=4 - sum(again))
        check(found, wide)
        wrong = [0, 0, 1, 1] if experts > 65536 else [0, 1, 1, 1]
        assert experts == 65537 or not accepted(bound(wide, wrong, lower=4 - sum(again)), wide)
        largest = lp.Trace([[[experts - 1]], [[0]]], experts, expert_bytes=1)
        assert not accepted(bound(largest, [0, 1], lower=1), largest)


@pytest.mark.parametrize("admission", ["forced", "bypass"])
@pytest.mark.parametrize(("warm", "costs"), [([], None), ([0, 1, 3], [3, 1, 4, 1, 5, 2]), ([0, 1, 2], None)])
def test_free_quotas_by_definition(admission: str, warm: list[int], costs: list[int] | None) -> None:
    """Every split of the slots at once: the bound is the largest over each layer's own number of slots."""
    trace = small()
    mode = {"admission": admission, "pool": "per-layer", "reset": "never", "events": "atomic", "warm": warm}
    prices = costs or [1] * 6
    everything = sum(prices[page] for _, _, page in order_of(mode))
    for slots in (4, 5, 6) if warm != [0, 1, 2] else (5, 6):
        good = lp.optimum(
            trace, slots, admission=admission, quotas="free", warm=warm, costs=costs, reset="never"
        ).certificate
        check(good, trace)
        cost = good.statement["cost"]
        best = everything
        for first in range(1, slots):  # any split, by the optimum of each layer with its own slots
            split = [first, slots - first]
            held = [sum(p // 3 == j for p in warm) for j in range(2)]
            if any(q < h for q, h in zip(split, held, strict=True)) or (admission == "forced" and min(split) < 2):
                continue
            best = min(best, brute(trace.requests, mode, split, prices))
        assert cost == best
        shows = good.evidence
        for key in ("cost", "slots"):
            changed(good, trace, ".", **{key: good.statement[key] - 1})
        changed(good, trace, "supports must have one entry a layer", supports=shows["supports"][:1])
        changed(good, trace, "layer 1 has no prices", supports=[shows["supports"][0], []])
        changed(good, trace, "split must sum to at most", split=[slots, 1])
        price = shows["slot_price"]
        lines = []
        for j, vectors in enumerate(shows["supports"]):
            layer = []
            for vector in vectors:
                raw = base64.b64decode(vector["data"])
                if vector["bytes"]:
                    y = np.frombuffer(raw, f"<u{vector['bytes']}").tolist()
                else:
                    y = np.unpackbits(np.frombuffer(raw, np.uint8))[: vector["length"]].tolist()
                layer.append(y)
            lines.append((j, layer))
        zero = [0] * trace.requests
        flat = [[pack([0] * 5, 1)]] * 2  # one vector a layer, and nothing in it
        for rows_of, supports in ((lines, shows["supports"]), ([(0, [[0] * 5]), (1, [[0] * 5])], flat)):
            for other in range(price + 3):
                bound = other * slots
                for j, layer in rows_of:
                    least = max(sum(p // 3 == j for p in warm), 2 if admission == "forced" else 0)
                    savings = []
                    for q in range(least, 4):
                        reference = by_definition(mode, [q, q], zero, prices, [1] * 6)
                        assert reference is not None
                        rows, room = reference[0][j], reference[1][j]
                        savings.append(min(bound_of([rows], [room], [y], 1) for y in layer) - other * q)
                    bound += max(savings)
                evidence = {**shows, "slot_price": other, "supports": supports}
                assert accepted(Certificate("optimum", good.statement, evidence), trace) == (everything - bound == cost)


def brute(count: int, mode: dict[str, Any], split: list[int], costs: list[int]) -> int:
    """Return the least cost over all schedules, layer by layer."""
    total = 0
    zero = by_definition(mode, split, [0] * count, costs, [1] * 6)
    assert zero is not None
    for rows, room in zip(zero[0], zero[1], strict=True):
        best = 0
        for chosen in itertools.product((0, 1), repeat=len(rows)):
            kept = [row for row, take in zip(rows, chosen, strict=True) if take]
            if all(sum(a <= point < b for a, b, *_ in kept) <= left for point, left in enumerate(room)):
                best = max(best, sum(row[2] for row in kept))
        total += best
    return sum(costs[page] for _, _, page in order_of(mode)) - total


def test_prices_up_to_what_sums_can_hold() -> None:
    """A price times the heaviest of sizes and events must stay below the limit, no more than that."""
    one = np.array([1], np.int64)
    for members, size, most in ((1, 1, SAFE - 1), (0, 0, SAFE - 1), (2, 1, SAFE // 2 - 1), (1, 3, SAFE // 3)):
        pool = Pool(one - 1, one, one, one * size, one > 1, one * members, 1, 0)
        slope, rest = _line(pool, one * most, True)
        assert (slope, rest) == (most, 1 if size == 0 else 0)
        with pytest.raises(CertificateRejected, match="the prices are too large"):
            _line(pool, one * (most + 1), True)
