"""Forgeries that agree with themselves: what a statement says is set to what the checker finds, until another rule refuses."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from forgeries import Case, forged

import layered_paging as lp
from layered_paging import certify
from layered_paging.certificate import Certificate
from layered_paging.errors import CertificateRejected

__all__ = ["consistent", "more", "repaired"]

FOUND = (
    (re.compile(r"^(\w+) is stated as .*, found (-?\d+)$"), lambda says, m: says.update({m[1]: int(m[2])})),
    (re.compile(r"^the latency is ([\d/]+), not"), lambda says, m: says.update({"latency": m[1]})),
    (re.compile(r"^the prices prove a bound of ([\d/-]+), not"), lambda says, m: says.update({"bound": m[1]})),
    (re.compile(r"stalls for (\d+) units, not for"), lambda says, m: says.update({"upper": int(m[1])})),
)


def repaired(case: Case) -> Case:
    """Return a certificate whose statement says what the checker finds."""
    says, shows = copy.deepcopy(dict(case.certificate.statement)), case.certificate.evidence
    for _ in range(8):
        made = Certificate(case.certificate.kind, says, shows)
        try:
            certify.check(made, case.trace)
        except CertificateRejected as error:
            hit = next(((m, change) for pattern, change in FOUND if (m := pattern.search(str(error)))), None)
            if hit is None or (hit[0].re.groups == 2 and hit[0][1] not in says):
                break
            hit[1](says, hit[0])
            continue
        break
    return Case(f"{case.name}, repaired", Certificate(case.certificate.kind, says, shows), case.trace, made=case.made)


def consistent(cases: list[Case]) -> Iterator[Case]:
    """Yield the repaired form of each forgery that has one."""
    for case in cases:
        try:
            new = repaired(case)
        except Exception:
            continue
        if new.certificate.statement != case.certificate.statement:
            yield new


def more(rng: Any) -> Iterator[Case]:
    """Yield weaker certificates that are true, and their forgeries: only the rule of what fits is left to refuse them."""
    draw = np.random.default_rng(11)
    ids = np.argsort(draw.random((6, 2, 4)), axis=2)[:, :, :2]
    trace = lp.Trace(ids, 4, [0, 3], expert_bytes=draw.integers(2, 6, 8))
    for n, options in enumerate(
        [
            {"budget_bytes": 14, "admission": "forced"},
            {"budget_bytes": 11, "admission": "bypass"},
            {"budget_bytes": 24, "admission": "forced", "pool": "per-layer"},
        ]
    ):
        good = lp.optimum(trace, **options, warm=[0, 4]).certificate  # type: ignore[arg-type]
        shows = copy.deepcopy(dict(good.evidence))
        shows["prices"] = [{"length": f["length"], "bytes": 0, "data": zeros(f["length"])} for f in shows["prices"]]
        weak = repaired(Case(f"weak bound {n}", Certificate(good.kind, good.statement, shows), trace))
        yield weak
        many = forged(weak, rng)
        yield from many
        yield from consistent(many)
        for budget in range(1, 30):
            says = dict(weak.certificate.statement)
            share = [budget] if says["pool"] == "shared" else [budget // 2, budget - budget // 2]
            says |= {"budget_bytes": budget, "split": share}
            yield repaired(Case(f"weak bound {n} of {budget} bytes", Certificate(good.kind, says, shows), trace))
        for power in (62, 61, 60, 59, 58, 56, 54, 53, 52):
            for less in (0, 1):
                price = (1 << power) - less
                dear = {**shows, "prices": [array([price] * f["length"]) for f in shows["prices"]]}
                yield repaired(
                    Case(
                        f"prices of 2^{power} - {less}, {n}",
                        Certificate(good.kind, weak.certificate.statement, dear),
                        trace,
                    )
                )
                says = {**weak.certificate.statement, "costs": [price] * 8}
                yield repaired(Case(f"costs of 2^{power} - {less}, {n}", Certificate(good.kind, says, shows), trace))
                yield repaired(
                    Case(
                        f"denominator 2^{power} - {less}, {n}",
                        Certificate(good.kind, weak.certificate.statement, {**shows, "denominator": price}),
                        trace,
                    )
                )
    layered = lp.optimum(trace, 6, admission="forced", pool="per-layer", warm=[0, 4]).certificate
    yield Case("warm pools", layered, trace)
    for warm in ([], [0], [4], [3], [7], [8], [0, 1, 2], [3, 4], [4, 5, 6, 7], [0, 0]):
        says = {**layered.statement, "warm": warm}
        yield repaired(Case(f"warm {warm}", Certificate("optimum", says, layered.evidence), trace))
        free = lp.optimum(trace, 6, admission="bypass", quotas="free", warm=[0, 4]).certificate
        yield repaired(
            Case(
                f"free and warm {warm}", Certificate("optimum", {**free.statement, "warm": warm}, free.evidence), trace
            )
        )
    yield Case("no trace", layered, None)
    yield Case("a text for a trace", layered, "trace")
    yield Case(
        "of no sizes", lp.optimum(trace, budget_bytes=14, admission="forced").certificate, lp.Trace(ids, 4, [0, 3])
    )
    for kind in ("optimum", "optimum-bound"):
        yield Case(
            f"another kind {kind}", Certificate(kind, weak.certificate.statement, weak.certificate.evidence), trace
        )
    yield from placements(rng)


def zeros(length: int) -> str:
    """Return packed bits of nothing."""
    import base64

    return base64.b64encode(bytes((length + 7) // 8)).decode()


def array(values: list[int]) -> dict[str, Any]:
    """Return a packed array of eight bytes each."""
    import base64

    return {"length": len(values), "bytes": 8, "data": base64.b64encode(np.array(values, "<u8").tobytes()).decode()}


def placements(rng: Any) -> Iterator[Case]:
    """Yield a network of small numbers, full servers and tight users, with bounds, and their forgeries."""
    users = [
        {"name": "u", "top_k": 2, "holds": [[0, 0]], "local_ns": 3, "nonexpert_ns": 1, "cloud": 9, "servers": {"a": 2, "b": 4}, "total": 4,
         "storage": 2, "activations": [[[[0, 1], 3], [[0], 1]], [[[1], 2], [[0, 1], 2]]]},
        {"name": "v", "top_k": 1, "holds": [], "local_ns": 0, "nonexpert_ns": 2, "cloud": 7, "servers": {"b": 1}, "total": 2,
         "activations": [[[[1], 2]], [[[1], 1], [[0], 1]]]},
        {"name": "w", "top_k": 1, "holds": [[1, 1]], "local_ns": 12, "nonexpert_ns": 0, "cloud": 5, "servers": {}, "total": 1,
         "activations": [[[[0], 1]], [[[1], 1]]]},
    ]  # fmt: skip
    for sizes in (1, [1, 2, 1, 2]):
        network = {"format": "layered-paging network", "version": 1, "experts": [2, 2], "expert_bytes": sizes, "nonexpert_bytes": 1,
                   "servers": [{"name": "a", "storage": 2}, {"name": "b", "storage": 3}], "users": users}  # fmt: skip
        held = {
            "a": [[0, 1]] if sizes != 1 else [[0, 1], [1, 1]],
            "b": [[1, 0], [1, 1]] if sizes != 1 else [[0, 0], [1, 0], [1, 1]],
        }
        for prices in (None, 0, 1, 2, 3):
            says = {"network": network, "held": held, "latency": "1", "bound": None if prices is None else "0"}
            case = Case(f"placed {sizes}", Certificate("placement", says, {}))
            for count in range(40) if prices is not None else (0,):
                shows = {} if prices is None else {"prices": [(prices * (i % 3)) % 4 for i in range(count)]}
                case = repaired(Case(f"placed {sizes}, {prices}", Certificate("placement", says, shows)))
                try:
                    certify.check(case.certificate)
                    break
                except CertificateRejected:
                    continue
            yield case
            many = forged(case, rng)
            yield from many
            yield from consistent(many)
