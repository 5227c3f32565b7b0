"""Small certificates of every kind, and what a forger would make of them: every leaf of the JSON changed, one at a time.

``genuine`` are true and accepted.  ``forged`` change one place each: numbers moved, fractions and texts replaced, entries
dropped, doubled, exchanged, keys added or left out.  Some stay true (a larger potential); what matters is that the
checker's answer does not change when one of its conditions does not.
"""

from __future__ import annotations

import base64
import copy
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import layered_paging as lp
from layered_paging import certify
from layered_paging.certificate import Certificate
from layered_paging.certify.meter import LIMIT, metered

__all__ = ["Case", "corpus", "forged", "genuine"]

EACH = 220  # forgeries of one certificate


class Case(NamedTuple):
    """What is given to the checker: a certificate with the trace that it is about, and the limit of the check.

    ``asked`` is about the numbers that are written for the proved checker, after a check that its limit has ended.
    """

    name: str
    certificate: Any
    trace: Any = None
    limit: int = LIMIT
    asked: bool = False
    made: bool = True  # by hand, or genuine: not one of many
    policy: Any = None  # the class that the certificate is about

    @property
    def kind(self) -> Any:
        """The kind of the certificate, if it is one."""
        return getattr(self.certificate, "kind", None)


def corpus(kinds: set[Any] | None = None, seed: int = 0) -> list[Case]:
    """Return the cases of these kinds, or all: genuine ones, with their least limit and one step less, and forged ones."""
    import drawn
    import edges
    import handmade
    import own
    import repair

    cases = []
    for case in genuine(kinds):
        if kinds is not None and case.kind not in kinds:
            continue
        cases.append(case)
        if case.certificate.kind != "placement":
            least = steps(case)
            cases += [
                Case(f"{case.name} at its limit", *case[1:3], least),
                Case(f"{case.name} below its limit", *case[1:3], least - 1),
            ]
        many = forged(case, random.Random(f"{seed} {case.name}"))
        cases += many
        if case.certificate.kind.startswith(("optimum", "placement", "stall")):
            cases += repair.consistent(many)
    more: list[Case] = []
    if kinds is None or any(str(kind).startswith("ratio") for kind in kinds):
        more += handmade.cases()
        more += own.cases()
    more += edges.cases(kinds)
    more += drawn.cases(kinds)
    if kinds is None or "optimum" in kinds or "placement" in kinds:
        more += repair.more(random.Random(seed))
    return cases + [
        case for case in more if kinds is None or (isinstance(case.kind, str | None) and case.kind in kinds)
    ]


def steps(case: Case) -> int:
    """Return the least limit under which a certificate is accepted."""
    import importlib

    kind = case.certificate.kind
    module = importlib.import_module(f"layered_paging.certify.{certify.KINDS[kind]}")
    with metered(LIMIT) as account:
        module.check(case.certificate, case.trace) if certify.KINDS[kind] in certify.ABOUT_TRACES else module.check(
            case.certificate
        )
    limit, left, entries = account
    held = limit // 50 - entries
    return max(limit - left, 50 * held)


def genuine(kinds: set[Any] | None = None) -> Iterator[Case]:
    """Yield true certificates of every kind, as small as they can be while every rule plays a part."""
    if kinds is None or any(str(kind).startswith("ratio") for kind in kinds):
        yield from _ratios()
    yield from _optima()
    yield from _stalls()
    yield from _placements()


def _ratios() -> Iterator[Case]:
    ratio = lp.competitive_ratio
    for policy, size in {
        "lru": {"layers": 2, "experts": 2, "slots": 3},
        "fifo": {"layers": 2, "experts": 2, "slots": 2},
        "mark-far": {"layers": 2, "experts": 2, "slots": 3},
        "llru": {"layers": 2, "experts": 2, "slots": 3},
        "llru(rounds='absolute', same_layer='near')": {"layers": 3, "experts": 2, "slots": 3},
        "fwf": {"layers": 1, "experts": 3, "slots": 2},
        "lifo": {"layers": 1, "experts": 3, "slots": 2},
        "marking": {"layers": 1, "experts": 3, "slots": 2},
        "least-stale": {"layers": 2, "experts": 2, "slots": 2},
        "online-min": {"layers": 1, "experts": 3, "slots": 2},
        "lru-2": {"layers": 1, "experts": 3, "slots": 2},
    }.items():
        yield from _ratio(f"{policy} {size}", ratio(policy, **size))  # type: ignore[arg-type]
    for options in (
        {"layers": 2, "experts": [1, 2], "slots": 2},
        {"layers": 2, "experts": 2, "slots": 2, "general": True},
        {"layers": 2, "experts": 2, "slots": 2, "pool": "per-layer"},
        {"layers": 2, "experts": 2, "slots": 3, "offline_slots": 2},
        {"layers": 1, "experts": 4, "slots": 3, "top_k": 2},
        {"layers": 1, "experts": 4, "slots": 2, "top_k": 2, "admission": "bypass"},
        {"layers": 2, "experts": 2, "slots": 2, "admission": "bypass"},
        {"layers": 3, "experts": 1, "slots": 2},
    ):
        yield from _ratio(f"lru {options}", ratio("lru", **options))  # type: ignore[arg-type]
    yield from _ratio("lifo with bypass", ratio("lifo", layers=1, experts=3, slots=2, admission="bypass"))
    best: dict[str, dict[str, Any]] = {
        "game": {"layers": 2, "experts": 2, "slots": 2},
        "one layer": {"layers": 1, "experts": 3, "slots": 2},
        "uneven game": {"layers": 2, "experts": [1, 2], "slots": 2},
        "events": {"layers": 1, "experts": 4, "slots": 3, "top_k": 2},
        "events with bypass": {"layers": 2, "experts": 2, "slots": 2, "top_k": 1, "admission": "bypass"},
        "two layers of events": {"layers": 2, "experts": 3, "slots": 5, "top_k": 2},
        "random": {"layers": 2, "experts": 2, "slots": 2, "randomized": True},
        "one layer random": {"layers": 1, "experts": 3, "slots": 2, "randomized": True},
        "uneven random": {"layers": 2, "experts": [1, 2], "slots": 2, "randomized": True, "seconds": 2},
    }
    for name, size in best.items():
        found = lp.optimal_ratio(**size).certificate
        assert found is not None
        yield Case(name, found)
        if "random" in name:  # either side alone
            half = {**found.statement, "upper": None}, {key: found.evidence[key] for key in ("source",)}
            yield Case(f"{name}, below", Certificate(found.kind, *half))
            half = {**found.statement, "lower": "0"}, {"source": None, "policy": found.evidence["policy"]}
            yield Case(f"{name}, above", Certificate(found.kind, *half))
        else:
            half = {**found.statement, "upper": None}, {**found.evidence, "policy": None}
            yield Case(f"{name}, below", Certificate(found.kind, *half))
            half = {**found.statement, "lower": "0"}, {**found.evidence, "adversary": None}
            yield Case(f"{name}, above", Certificate(found.kind, *half))


def _ratio(name: str, found: Any) -> Iterator[Case]:
    certificate = found.certificate
    yield Case(name, certificate)
    if found.value is not None:
        says = {key: value for key, value in certificate.statement.items() if key not in ("value", "additive")}
        shows = {key: certificate.evidence[key] for key in ("prefix", "cycle")}
        yield Case(f"{name}, lower", Certificate("ratio-lower", {**says, "lower": str(found.value)}, shows))


def _optima() -> Iterator[Case]:
    rng = np.random.default_rng(7)
    ids = np.argsort(rng.random((6, 2, 4)), axis=2)[:, :, :2]
    ids[2, 1, 1] = -1
    trace = lp.Trace(ids, 4, [0, 3], expert_bytes=rng.integers(3, 9, 8))
    for n, case in enumerate(
        [
            {"slots": 4, "admission": "forced"},
            {"slots": 3, "admission": "bypass", "reset": "session"},
            {"slots": 5, "admission": "forced", "pool": "per-layer"},
            {"slots": 5, "admission": "bypass", "warm": [0, 4, 7]},
            {"slots": 4, "admission": "forced", "events": "serial", "warm": [1]},
            {"slots": 4, "admission": "forced", "costs": [1, 5, 2, 3] * 2},
            {"slots": 5, "admission": "forced", "quotas": "free"},
            {"slots": 4, "admission": "bypass", "quotas": "free", "warm": [0, 5]},
            {"budget_bytes": 22, "admission": "forced"},
            {"budget_bytes": 17, "admission": "bypass", "reset": "session", "warm": [2]},
        ]
    ):
        yield Case(f"optimum {n}", lp.optimum(trace, **case).certificate, trace)  # type: ignore[arg-type]


def _stalls() -> Iterator[Case]:
    from layered_paging.prefetch.stall import least_stall
    from layered_paging.prefetch.timing import TimeModel

    rng = np.random.default_rng(3)
    for n, (rounds, layers, experts, top_k, slots, compute, load) in enumerate(
        [(5, 1, 3, 1, 2, 2, 3), (3, 2, 3, 1, 3, 1, 2), (3, 1, 4, 2, 3, 2, 2)]
    ):
        trace = lp.Trace(np.argsort(rng.random((rounds, layers, experts)), axis=2)[:, :, :top_k], n_experts=experts)
        clock = TimeModel(compute=compute, bandwidth=10**9, latency=load - 1, channels=1, overlap=True)
        yield Case(f"stall {n}", least_stall(trace, slots, time=clock, page_bytes=1).certificate, trace)


def _placements() -> Iterator[Case]:
    network = lp.edge.generate(servers=2, users=2, layers=2, experts=3, top_k=2, seed=1)
    yield Case("placement", lp.edge.place(network, "greedy").certificate)


def forged(case: Case, rng: random.Random) -> list[Case]:
    """Return forgeries of a certificate, each changed in one place of its statement or its evidence."""
    whole: dict[str, Any] = {"statement": dict(case.certificate.statement), "evidence": dict(case.certificate.evidence)}
    paths = list(leaves(whole))
    first = [path for path in paths if path[0] == "statement" or len(path) <= 2]
    rest = [path for path in paths if path not in set(first)]
    rng.shuffle(rest)
    found: list[Case] = []
    for path in [*first, *rest]:
        old = _at(whole, path)
        for what, new in changes(old, rng):
            made = copy.deepcopy(whole)
            holder = _at(made, path[:-1])
            if what == "left out":
                del holder[path[-1]]
            else:
                holder[path[-1]] = new
            name = f"{case.name}: {'.'.join(map(str, path))}: {what}"
            forgery = Certificate(case.certificate.kind, made["statement"], made["evidence"])
            found.append(Case(name, forgery, case.trace, made=False))
    kept, more = found[: EACH // 2], found[EACH // 2 :]
    return kept + rng.sample(more, min(len(more), EACH - len(kept)))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything below a value: of long lists the first, the last, and some between."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = [(i, x) for i, x in enumerate(value) if i < 6 or i >= len(value) - 2]
    else:
        return
    for key, item in items:
        yield (*path, key)
        yield from leaves(item, (*path, key))


def _at(whole: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        whole = whole[key]
    return whole


def changes(old: Any, rng: random.Random) -> Iterator[tuple[str, Any]]:
    """Yield what a value may be replaced by, with a word for it."""
    if isinstance(old, bool):
        yield "turned", not old
        yield "as a number", int(old)
    elif isinstance(old, int):
        yield "+1", old + 1
        yield "-1", old - 1
        yield "negative", -old - 1
        yield "huge", old + (1 << 70)
        yield "as text", str(old)
        yield "as truth", bool(old)
    elif isinstance(old, str):
        number, _, below = old.partition("/")
        if number.lstrip("-").isdigit():
            yield "more", f"{int(number) + 1}/{below}" if below else str(int(number) + 1)
            yield "less", f"{int(number) - 1}/{below}" if below else str(int(number) - 1)
            yield "not in lowest terms", f"{2 * int(number)}/{2 * int(below or 1)}"
            yield "negative", f"-{old}"
        yield "another text", "x"
        yield "empty", ""
        yield "null", None
    elif old is None:
        yield "a number", 0
        yield "a fraction", "1"
        yield "a list", []
    elif isinstance(old, dict):
        for key in list(old)[:8]:
            yield f"without {key}", {k: v for k, v in old.items() if k != key}
        yield "with more", {**old, "more": 1}
        yield "as a list", list(old.items())
        if set(old) == {"length", "bytes", "data"}:
            yield from _arrays(old, rng)
    elif isinstance(old, list):
        yield "empty", []
        yield "as null", None
        yield "as an object", {}
        if old:
            yield "one less", old[:-1]
            yield "without the first", old[1:]
            yield "the last twice", [*old, old[-1]]
        if len(old) > 1:
            i, j = rng.sample(range(len(old)), 2)
            swapped = list(old)
            swapped[i], swapped[j] = old[j], old[i]
            yield "exchanged", swapped
            yield "doubled", [*old[:-1], old[0]]


def _arrays(old: dict[str, Any], rng: random.Random) -> Iterator[tuple[str, Any]]:
    """Yield packed arrays with one entry changed."""
    raw = bytearray(base64.b64decode(old["data"]))
    for _ in range(min(6, len(raw))):
        new = bytearray(raw)
        at = rng.randrange(len(new))
        new[at] = new[at] ^ (1 << rng.randrange(8)) if old["bytes"] == 0 else (new[at] + rng.choice((1, -1))) % 256
        yield f"byte {at}", {**old, "data": base64.b64encode(bytes(new)).decode()}
