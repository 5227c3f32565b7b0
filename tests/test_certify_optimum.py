"""Forged certificates of optima: rejected, or still true; never accepted when false."""

from __future__ import annotations

import base64
import copy
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.offline import recount


def example(seed: int, rounds: int = 12, layers: int = 3, top_k: int = 2, experts: int = 5) -> lp.Trace:
    rng = np.random.default_rng(seed)
    ids = np.argsort(rng.random((rounds, layers, experts)), axis=2)[:, :, :top_k]
    sizes = rng.integers(3, 9, layers * experts)
    return lp.Trace(ids, experts, [0, rounds // 2], expert_bytes=sizes)


CASES: list[dict[str, Any]] = [
    {"slots": 6, "admission": "forced"},
    {"slots": 6, "admission": "bypass", "reset": "session"},
    {"slots": 9, "admission": "forced", "pool": "per-layer"},
    {"slots": 7, "admission": "bypass", "warm": [0, 4, 7]},
    {"slots": 6, "admission": "forced", "events": "serial"},
    {"slots": 6, "admission": "forced", "costs": [1, 5, 2] * 5},
    {"slots": 8, "admission": "bypass", "costs": "bytes", "pool": "per-layer"},
    {"slots": 8, "admission": "forced", "quotas": "free"},
    {"slots": 8, "admission": "bypass", "quotas": "free", "costs": [3, 1, 4] * 5},
    {"budget_bytes": 38, "admission": "forced"},
    {"budget_bytes": 41, "admission": "bypass", "reset": "session"},
]


def read(field: dict[str, Any]) -> np.ndarray[Any, Any]:
    raw = np.frombuffer(base64.b64decode(field["data"]), np.uint8)
    if field["bytes"] == 0:
        return np.unpackbits(raw)[: field["length"]].astype(np.int64)
    return raw.view(f"<u{field['bytes']}").astype(np.int64)


def write(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    wide = bool(values.max(initial=0) > 1)
    raw = values.astype("<u8").tobytes() if wide else np.packbits(values.astype(np.uint8)).tobytes()
    return {"length": len(values), "bytes": 8 if wide else 0, "data": base64.b64encode(raw).decode()}


def fields_of(evidence: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Return (container, key) of every packed array."""
    found: list[tuple[Any, Any]] = [(evidence, "hits")]
    for vectors in (evidence.get("prices", []), *evidence.get("supports", [])):
        found += [(vectors, n) for n in range(len(vectors))]
    return found


def forge(certificate: Certificate, rng: np.random.Generator) -> tuple[str, Certificate]:
    """Change one thing; the digest of the result is computed from its contents, so it fits."""
    says, shows = copy.deepcopy(dict(certificate.statement)), copy.deepcopy(dict(certificate.evidence))
    part = str(rng.choice(["statement", "number", "array", "array", "array", "shape"]))
    if part == "statement":
        key = str(rng.choice(sorted(says)))
        value = says[key]
        if key in ("admission", "pool", "reset", "events", "prefill"):
            pairs = {
                "forced": "bypass", "bypass": "forced", "shared": "per-layer", "per-layer": "shared",
                "never": "session", "session": "never", "atomic": "serial", "serial": "atomic", "token": "merged",
            }  # fmt: skip
            says[key] = pairs[value]
        elif key == "trace":
            says[key] = value[:-1] + ("0" if value[-1] != "0" else "1")
        elif key == "quotas":
            says[key] = "given" if value != "given" else "uniform"
        elif key == "costs":
            says[key] = [2] * 15 if value is None else [value[0] + 1, *value[1:]]
        elif key == "warm":
            says[key] = [1] if not value else value[1:]
        elif key == "split":
            at = int(rng.integers(len(value)))
            says[key] = [q + (int(rng.choice([-1, 1])) if j == at else 0) for j, q in enumerate(value)]
        else:
            says[key] = value + int(rng.choice([-2, -1, 1, 2]))
        return key, Certificate(certificate.kind, says, shows)
    if part == "number":
        key = str(rng.choice([k for k in ("slot_price", "denominator") if k in shows] or ["hits"]))
        if key != "hits":
            shows[key] += int(rng.choice([-1, 1]))
            return key, Certificate(certificate.kind, says, shows)
        both = int(rng.choice([-1, 1]))  # a consistent lie: value and misses moved together
        for key in ("cost", "misses", "upper", "lower"):
            if key in says:
                says[key] += both
        return "value", Certificate(certificate.kind, says, shows)
    box, key = fields_of(shows)[int(rng.integers(len(fields_of(shows))))]
    values = read(box[key])
    if part == "shape":
        box[key] = write(values[:-1]) if rng.random() < 0.5 else box[key] | {"bytes": 3}
        return "shape", Certificate(certificate.kind, says, shows)
    at = int(rng.integers(len(values)))
    if key == "hits":
        values[at] = 1 - values[at]
        if rng.random() < 0.5:  # and say so in the statement
            step = 1 - 2 * int(values[at])
            for name in ("misses", "cost", "upper"):
                if name in says:
                    says[name] += step
    else:
        values[at] = max(0, int(values[at]) + int(rng.choice([-1, 1, 3])))
    box[key] = write(values)
    return "hits" if key == "hits" else "prices", Certificate(certificate.kind, says, shows)


def is_true(says: dict[str, Any], kind: str, trace: lp.Trace) -> bool:
    """Decide a statement by another road: the integer program, or networkx, from the statement alone."""
    options = {key: says[key] for key in ("admission", "pool", "reset", "events", "prefill", "warm")}
    if kind == "optimum-bound":
        best = lp.optimum(trace, budget_bytes=says["budget_bytes"], costs=says["costs"], solver="ilp", **options)
        return best.exact and says["lower"] <= best.cost <= says["upper"]
    quotas = "free" if says["quotas"] == "free" else says["split"] if options["pool"] == "per-layer" else "uniform"
    best = lp.optimum(trace, says["slots"], costs=says["costs"], solver="networkx", quotas=quotas, **options)
    return bool(best.cost == says["cost"])


def test_forgeries(capsys: pytest.CaptureFixture[str]) -> None:
    """Hundreds of mutations: rejected, or what is then stated is still true by another road."""
    rng = np.random.default_rng(20)
    counts: Counter[str] = Counter()
    for seed, case in enumerate(CASES):
        trace = example(seed)
        best = lp.optimum(trace, **case)
        lp.certify.check(best.certificate, trace)
        for _ in range(70):
            what, forged = forge(best.certificate, rng)
            again = Certificate.from_json(forged.to_json())  # the digest fits, as it must
            try:
                lp.certify.check(again, trace)
            except lp.CertificateRejected:
                counts["rejected"] += 1
                continue
            loose = {"misses", *(("lower", "upper") if again.kind == "optimum-bound" else ())}
            if what in ("hits", "prices", "denominator", "slot_price", "value"):  # the statement is the same
                assert all(again.statement[k] == v for k, v in best.certificate.statement.items() if k not in loose)
            true = is_true(dict(again.statement), again.kind, trace)
            counts["still true" if true else "wrongly accepted"] += 1
            assert what not in ("trace", "admission", "cost", "misses", "requests", "lower", "upper", "value"), what
    with capsys.disabled():
        print(
            f"\nforged certificates of optima: {counts['rejected']} rejected, "
            f"{counts['still true']} still prove a true statement, {counts['wrongly accepted']} wrongly accepted"
        )
    assert counts["wrongly accepted"] == 0
    assert counts["rejected"] > 400


@pytest.mark.parametrize("case", CASES)
def test_every_statement_is_needed(case: dict[str, Any]) -> None:
    """Without its trace, for another trace, or for another value a certificate is rejected."""
    trace = example(3)
    best = lp.optimum(trace, **case)
    certificate = best.certificate
    with pytest.raises(lp.CertificateRejected, match="give the trace"):
        lp.certify.check(certificate)
    with pytest.raises(lp.CertificateRejected, match="another trace"):
        lp.certify.check(certificate, example(4))
    for key in certificate.statement:
        less = {k: v for k, v in certificate.statement.items() if k != key}
        with pytest.raises(lp.CertificateRejected, match="must have the keys"):
            lp.certify.check(Certificate(certificate.kind, less, certificate.evidence), trace)
    for name in ("cost", "lower", "upper", "misses", "requests"):
        if name in certificate.statement:
            for step in (-1, 1):
                says = dict(certificate.statement) | {name: certificate.statement[name] + step}
                with pytest.raises(lp.CertificateRejected):
                    lp.certify.check(Certificate(certificate.kind, says, certificate.evidence), trace)
    recount(
        best.schedule, costs=None if best._problem.costs is None else best._problem.costs, sizes=best._problem.sizes
    )


def test_tight_inequalities_are_tight() -> None:
    """One more page kept where the cache is full is refused, and one price less no longer proves the value."""
    trace = example(5)
    certificate = lp.optimum(trace, 6, admission="forced").certificate
    prices = read(certificate.evidence["prices"][0])
    assert prices.sum() > 0
    for at in np.flatnonzero(prices):
        less = prices.copy()
        less[at] -= 1
        with pytest.raises(lp.CertificateRejected, match="prices prove"):
            lp.certify.check(
                Certificate("optimum", certificate.statement, {**certificate.evidence, "prices": [write(less)]}), trace
            )
    hits = read(certificate.evidence["hits"])
    refused: Counter[str] = Counter()
    for at in np.flatnonzero(hits == 0):
        more = hits.copy()
        more[at] = 1
        says = dict(certificate.statement)
        says["misses"] -= 1
        says["cost"] -= 1
        with pytest.raises(lp.CertificateRejected) as caught:
            lp.certify.check(Certificate("optimum", says, {**certificate.evidence, "hits": write(more)}), trace)
        refused["room" if "is the capacity" in str(caught.value) else "use"] += 1
    assert refused["room"] > 0 and refused["use"] > 0  # no room, or no earlier use


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hits": {"length": 72, "bytes": 0, "data": "###"}}, "base64"),
        ({"hits": {"length": 72, "bytes": 0, "data": ""}}, "bytes in an array"),
        ({"hits": []}, "an array has length"),
        ({"prices": []}, "one entry for each pool"),
        ({"prices": 3}, "one entry for each pool"),
        ({"prices": [write(np.full(36, 1 << 61))]}, "too large"),
        ({"prices": [write(np.full(36, 1 << 58))]}, "too large"),
    ],
)
def test_broken_evidence(change: dict[str, Any], message: str) -> None:
    trace = example(6)
    certificate = lp.optimum(trace, 6, admission="forced").certificate
    with pytest.raises(lp.CertificateRejected, match=message):
        lp.certify.check(Certificate("optimum", certificate.statement, {**certificate.evidence, **change}), trace)


def test_altered_file_is_refused(tmp_path: Any) -> None:
    trace = example(7)
    certificate = lp.optimum(trace, 6, admission="forced").certificate
    for name in ("c.json", "c.json.gz"):
        certificate.save(tmp_path / name)
        assert Certificate.load(tmp_path / name) == certificate
    fields = json.loads((tmp_path / "c.json").read_text())
    fields["statement"]["cost"] -= 1
    (tmp_path / "c.json").write_text(json.dumps(fields))
    with pytest.raises(lp.LayeredPagingError, match="digest does not fit"):
        Certificate.load(tmp_path / "c.json")


def test_commands(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from layered_paging.cli import main

    trace = example(8)
    lp.save_trace(trace, tmp_path / "t.npz")
    (tmp_path / "costs.json").write_text(json.dumps([1, 2, 3]))
    base = ["optimum", str(tmp_path / "t.npz"), "--admission", "forced", "--json"]
    for words in (
        ["--slots", "6"],
        ["--slots", "6", "--costs", "bytes"],
        ["--slots", "6", "--costs", str(tmp_path / "costs.json")],
        ["--slots", "8", "--quotas", "free"],
        ["--bytes", "40"],
    ):
        assert main([*base, *words, "-o", str(tmp_path / "c.json.gz")]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["lower"] <= answer["upper"] and answer["requests"] == 72
        assert main(["check", str(tmp_path / "c.json.gz"), "--trace", str(tmp_path / "t.npz"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["checked"][0]["accepted"]
        assert main(["check", str(tmp_path / "c.json.gz")]) == 1
        assert "give the trace" in capsys.readouterr().out
        assert main([*base[:-1], *words]) == 0
        capsys.readouterr()
    assert main([*base, "--slots", "6", "--lookahead", "1"]) == 0
    assert not json.loads(capsys.readouterr().out)["exact"]
    before = (tmp_path / "c.json.gz").read_bytes()
    for words, message in (
        (["--slots", "1"], "largest event"),
        (["--slots", "6", "--bytes", "40"], "exactly one of"),
        (["--slots", "6", "--costs", "nowhere.json"], "JSON list"),
        (["--slots", "6", "--solver", "magic"], "solver must be one of"),
    ):
        assert main([*base, *words, "-o", str(tmp_path / "c.json.gz")]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert (tmp_path / "c.json.gz").read_bytes() == before
