"""The checker that is proved and the one in Python: they accept the same certificates, and refuse the same forgeries."""

from __future__ import annotations

import copy
import os
import random
import re
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging import certify, proved
from layered_paging.certificate import Certificate
from layered_paging.certify.verified import NotCovered, questions
from layered_paging.cli import main
from layered_paging.errors import CertificateRejected, LayeredPagingError, NotChecked, SolverError
from tests.test_certify_ratio import altered, leaves, mutate

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = sorted((ROOT / "docs" / "atlas").glob("*.json.gz"))
GIVEN = [path for path in SHIPPED if not path.name.startswith("best-")]
MISSING = proved.available()
built = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
LLRU = ["llru", "llru(same_layer='near')", "llru(rounds='absolute')", "llru(rounds='absolute', same_layer='near')"]


@pytest.fixture(scope="module")
def proved_checker() -> Path:
    return proved.build(ROOT / "build" / "checker")


def answers(proved_checker: Path, data: list[int]) -> str:
    """What the program prints for these numbers; nothing if it cannot read them."""
    text = " ".join(map(str, data))
    return subprocess.run([proved_checker], input=text, capture_output=True, text=True, check=False).stdout.strip()


def test_a_checker_that_was_killed_says_nothing_of_the_certificate(tmp_path: Path) -> None:
    dies = tmp_path / "dies"
    dies.write_text("#!/bin/sh\nkill -9 $$\n")
    dies.chmod(0o700)
    with pytest.raises(NotChecked, match="ended by signal 9"):
        proved.obtain(Certificate.load(GIVEN[0]), dies)


@built
def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("layered_paging.proved.available", lambda: None)
    assert main(["check", "--verified", str(SHIPPED[0])]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "file/layered-paging: the proved checker cannot be kept there; Not a directory (XDG_CACHE_HOME names" in said


def test_both_accept_every_shipped_certificate_of_a_policy(proved_checker: Path) -> None:
    assert len(GIVEN) >= 80
    for path in GIVEN:
        certificate = Certificate.load(path)
        if certificate.statement["layers"] * certificate.statement["experts"] <= 4:
            certify.check(certificate)
        found = proved.obtain(certificate, proved_checker)
        assert [theorem.split()[0] for theorem in found.theorems] == ["exact"]
        assert f"is {certificate.statement['value']}, with" in found.words


@built
@pytest.mark.parametrize("policy", ["lru", "fifo", "mark-far", *LLRU])
@pytest.mark.parametrize(
    "size",
    [
        {"layers": 2, "experts": 3, "slots": 4},
        {"layers": 3, "experts": 2, "slots": 4, "offline_slots": 3},
        {"layers": 2, "experts": 2, "slots": 3, "general": True},
        {"layers": 3, "experts": 2, "slots": 2},
    ],
)
def test_every_policy_that_is_proved_is_the_one_in_python(
    policy: str, size: dict[str, Any], proved_checker: Path
) -> None:
    """A machine in Coq that moved otherwise than the class in Python would lead out of the table of its states."""
    certificate = lp.competitive_ratio(policy, **size).certificate
    found = proved.obtain(certificate, proved_checker)
    assert found.words.count(" ") > 10
    other = altered(certificate, lambda s, e: s.update(policy="fifo" if policy == "lru" else "lru"))
    if lp.competitive_ratio(other.statement["policy"], **size).statement["value"] != certificate.statement["value"]:
        with pytest.raises(CertificateRejected):
            proved.obtain(other, proved_checker)


@built
def test_an_unbounded_ratio_and_a_lower_side_alone(proved_checker: Path) -> None:
    whole = lp.competitive_ratio("llru", layers=2, experts=3, slots=4).certificate
    statement = {key: v for key, v in whole.statement.items() if key not in ("value", "additive")}
    cycle = {"prefix": whole.evidence["prefix"], "cycle": whole.evidence["cycle"]}
    found = proved.obtain(Certificate("ratio-lower", {**statement, "lower": "4"}, cycle), proved_checker)
    assert found.theorems == ("at_least 2 3 4 (policy_cost 2 3 4 (Llru true true)) 4 1",)
    for lower in ("41/10", "5"):
        with pytest.raises(CertificateRejected, match="refuses"):
            proved.obtain(Certificate("ratio-lower", {**statement, "lower": lower}, cycle), proved_checker)
    whole = lp.competitive_ratio("lru", layers=1, experts=3, slots=2).certificate
    evidence = {"prefix": [[0], [1]], "cycle": [[0], [1]]}
    statement = {**whole.statement, "value": None, "additive": None}
    with pytest.raises(CertificateRejected):
        proved.obtain(Certificate("ratio-policy", statement, evidence), proved_checker)


def verdict(check: Callable[[Certificate], Any], certificate: Certificate) -> bool:
    try:
        check(certificate)
    except (CertificateRejected, NotCovered):
        return False
    return True


@built
@pytest.mark.parametrize("policy", ["lru", "mark-far", "llru"])
def test_the_same_forgeries_are_refused(policy: str, proved_checker: Path) -> None:
    """Any one change, digest recomputed: both checkers say the same; where they do not, it was no forgery."""
    certificate = lp.competitive_ratio(policy, layers=2, experts=2, slots=3).certificate
    parts = {"statement": dict(certificate.statement), "evidence": dict(certificate.evidence)}
    dice = random.Random(7)
    paths = list(leaves(parts))
    refused = 0
    for path in dice.sample(paths, min(len(paths), 60)) + [p for p in paths if p[0] == "statement"] * 3:
        changed = copy.deepcopy(parts)
        mutate(changed, path, dice)
        forged = Certificate(certificate.kind, changed["statement"], changed["evidence"])
        mine, theirs = verdict(lambda c: proved.obtain(c, proved_checker), forged), verdict(certify.check, forged)
        assert mine == theirs, (path, changed["statement"], mine)
        refused += not mine
    assert refused > 40


Forge = Callable[[dict[str, Any], dict[str, Any]], None]


def without_caches(s: dict[str, Any], e: dict[str, Any]) -> None:
    e["potential"] = [row[:2] for row in e["potential"]]


def without_a_state(s: dict[str, Any], e: dict[str, Any]) -> None:
    del e["states"][-1], e["potential"][-1]


def without_the_start(s: dict[str, Any], e: dict[str, Any]) -> None:
    at = e["states"].index([0] * 7)
    del e["states"][at], e["potential"][at]


def lower_potentials(s: dict[str, Any], e: dict[str, Any]) -> None:
    e["potential"] = [[x - (i & 1) for i, x in enumerate(row)] for row in e["potential"]]


def idle_cycle(s: dict[str, Any], e: dict[str, Any]) -> None:
    e.update(prefix=[[0], [3]], cycle=[[0], [3]])


def half_a_round(s: dict[str, Any], e: dict[str, Any]) -> None:
    e["cycle"] = e["cycle"][:-1]


def no_ratio(s: dict[str, Any], e: dict[str, Any]) -> None:
    s.update(value=None, additive=None)


def worth(value: str, additive: str = "0") -> Forge:
    return lambda s, e: s.update(value=value, additive=additive)


@built
@pytest.mark.parametrize(
    "forge",
    [
        *(without_caches, without_a_state, without_the_start, lower_potentials, idle_cycle, half_a_round, no_ratio),
        *(
            pytest.param(worth(value), id=f"value {value}")
            for value in ("1/2", "1", "3", "7/2", "39/10", "41/10", "99", "0", "-3", "8/2", "4.0")
        ),
        *(pytest.param(worth("4", additive), id=f"additive {additive}") for additive in ("1", "-1", "1/3", "1/1")),
    ],
)
def test_forgeries_by_hand_are_refused_by_both(forge: Forge, proved_checker: Path) -> None:
    for policy in ("lru", "llru"):
        forged = altered(Certificate.load(ROOT / "docs" / "atlas" / f"{policy}-2x3-4.json.gz"), forge)
        with pytest.raises(CertificateRejected):
            certify.check(forged)
        with pytest.raises(CertificateRejected):
            proved.obtain(forged, proved_checker)


@built
@pytest.mark.parametrize("name", ["lru-2x2-3", "llru-2x3-3", "mark-far-2x2-3"])
def test_one_number_changed_on_its_way_to_the_program_proves_nothing_false(name: str, proved_checker: Path) -> None:
    """The translation is not trusted: whatever reaches the program, it prints a theorem only if it is true."""
    (data,) = questions(Certificate.load(ROOT / "docs" / "atlas" / f"{name}.json.gz"))
    truth = answers(proved_checker, data)
    assert truth.startswith("proved: exact")
    dice = random.Random(3)
    refused = 0
    for _ in range(250):
        changed = list(data)
        at = dice.randrange(len(changed))
        changed[at] += dice.choice([-2, -1, 1, 2])
        said = answers(proved_checker, changed)
        refused += not said.startswith("proved")
        if said.startswith("proved") and said != truth:  # another statement, and a true one
            kind, *size = re.findall(r"exact|\d+", said)
            assert kind == "exact"
            value, unit, additive = map(int, size[-3:])
            assert Fraction(value, unit) == Fraction(*map(int, re.findall(r"\d+", truth)[-3:-1]))
            assert additive == 0
    assert refused > 120


@built
def test_a_class_that_is_not_the_policy_of_its_name_gets_no_theorem(proved_checker: Path) -> None:
    """The proved checker plays its own policies: states that forget something lead to a refusal."""
    certificate = Certificate.load(ROOT / "docs" / "atlas" / "llru-2x3-4.json.gz")

    def forgetful(s: dict[str, Any], e: dict[str, Any]) -> None:
        e["states"] = [[layer, *(3 * (label & 1) for label in labels)] for layer, *labels in e["states"]]

    with pytest.raises(CertificateRejected, match="refuses"):
        proved.obtain(altered(certificate, forgetful), proved_checker)


def test_what_the_proved_checker_does_not_know() -> None:
    for policy, size in [
        ("clock", {"layers": 2, "experts": 2, "slots": 3}),
        ("lru", {"layers": 2, "experts": 2, "slots": 3, "pool": "per-layer"}),
        ("lru", {"layers": 2, "experts": [1, 3], "slots": 3}),
        ("lru", {"layers": 2, "experts": 3, "slots": 4, "top_k": 2}),
    ]:
        with pytest.raises(NotCovered, match="the proved checker knows"):
            questions(lp.competitive_ratio(policy, **size).certificate)
    with pytest.raises(NotCovered, match="equal width"):
        questions(lp.optimal_ratio(layers=2, experts=[1, 3], slots=2).certificate)
    with pytest.raises(NotCovered, match="ratio-random"):
        questions(Certificate.load(ROOT / "docs" / "atlas" / "best-randomized-2x2-2.json.gz"))


@built
def test_both_accept_every_shipped_certificate_of_the_best_policy(proved_checker: Path) -> None:
    """Some policy has the ratio, and none has less; both sides have the same value in every one of these."""
    games = [path for path in SHIPPED if path.name.startswith("best-deterministic")]
    assert len(games) >= 25
    for path in games:
        certificate = Certificate.load(path)
        certify.check(certificate)
        upper, lower = proved.obtain(certificate, proved_checker).theorems
        assert upper.split()[0], lower.split()[0] == ("some_policy", "every_policy")
        assert upper.split()[1:] == lower.split()[1:]


def without_request(s: dict[str, Any], e: dict[str, Any]) -> None:
    at = next(i for i, moves in enumerate(e["policy"]["victims"]) if len(moves) > 2)
    e["policy"]["victims"][at] = e["policy"]["victims"][at][2:]


def without_position(side: str) -> Forge:
    def forge(s: dict[str, Any], e: dict[str, Any]) -> None:
        for column in e[side].values():
            del column[-1]

    return forge


def without_empty(side: str) -> Forge:
    def forge(s: dict[str, Any], e: dict[str, Any]) -> None:
        at = e[side]["positions"].index(0)
        for column in e[side].values():
            del column[at]

    return forge


def a_potential_moved(side: str, by: int) -> Forge:
    def forge(s: dict[str, Any], e: dict[str, Any]) -> None:
        e[side]["potential"][1] += by

    return forge


@built
@pytest.mark.parametrize(
    "forge",
    [
        without_request,
        pytest.param(lambda s, e: e.update(adversary=None), id="no adversary"),
        pytest.param(lambda s, e: s.update(upper="5/2"), id="upper 5/2"),
        pytest.param(lambda s, e: s.update(lower="7/2"), id="lower 7/2"),
        pytest.param(lambda s, e: s.update(slots=3), id="slots 3"),
        *(pytest.param(without_position(side), id=f"{side} cut") for side in ("policy", "adversary")),
        *(pytest.param(without_empty(side), id=f"{side} without start") for side in ("policy", "adversary")),
        *(pytest.param(a_potential_moved(s, by), id=f"{s} {by}") for s in ("policy", "adversary") for by in (-9, 9)),
    ],
)
def test_forgeries_of_the_best_ratio_are_refused_by_both(forge: Forge, proved_checker: Path) -> None:
    forged = altered(Certificate.load(ROOT / "docs" / "atlas" / "best-deterministic-2x3-4.json.gz"), forge)
    with pytest.raises(CertificateRejected):
        certify.check(forged)
    with pytest.raises(CertificateRejected):
        proved.obtain(forged, proved_checker)


@built
def test_the_same_forgeries_of_the_best_ratio_are_refused(proved_checker: Path) -> None:
    certificate = Certificate.load(ROOT / "docs" / "atlas" / "best-deterministic-2x2-3.json.gz")
    parts = {"statement": dict(certificate.statement), "evidence": dict(certificate.evidence)}
    dice = random.Random(13)
    paths = list(leaves(parts))
    refused = 0
    for path in dice.sample(paths, min(len(paths), 80)) + [p for p in paths if p[0] == "statement"] * 3:
        changed = copy.deepcopy(parts)
        mutate(changed, path, dice)
        forged = Certificate(certificate.kind, changed["statement"], changed["evidence"])
        assert verdict(certify.check, forged) == verdict(lambda c: proved.obtain(c, proved_checker), forged), path
        refused += not verdict(certify.check, forged)
    assert refused > 40


@built
def test_the_adversary_that_repeats_one_page_is_refused_by_the_proved_checker_itself(proved_checker: Path) -> None:
    """A number that falls on every idle move cannot be made up for a cycle: the translation is bypassed."""
    (_, data) = questions(Certificate.load(ROOT / "docs" / "atlas" / "best-deterministic-2x2-2.json.gz"))
    truth = answers(proved_checker, data)
    assert truth == "proved: every_policy 2 2 2 3 2"
    dice = random.Random(4)
    refused = 0
    for _ in range(300):
        changed = list(data)
        at = dice.randrange(1, len(changed))
        changed[at] += dice.choice([-2, -1, 1, 2])
        said = answers(proved_checker, changed)
        refused += not said.startswith("proved")
        if said.startswith("proved"):
            layers, experts, slots, p, q = map(int, said.split()[2:])
            assert Fraction(p, q) <= lp.optimal_ratio(layers=layers, experts=experts, slots=slots).lower
    assert refused > 200


@built
@pytest.mark.parametrize(
    ("name", "theorems"),
    [
        ("best-deterministic-3x3-4", ["some_policy 3 3 4 7 3", "every_policy 3 3 4 7 3"]),
        ("best-deterministic-4x2-5", ["some_policy 4 2 5 7 3", "every_policy 4 2 5 7 3"]),
        ("llru-2x4-6", ["exact 2 4 6 (policy_cost 2 4 6 (Llru true true)) 13 2 0"]),
        pytest.param(
            "llru-visit-near-3x3-8",
            ["exact 3 3 8 (policy_cost 3 3 8 (Llru true false)) 9 1 0"],
            marks=pytest.mark.skipif(not os.environ.get("LAYERED_PAGING_FULL"), reason="long: LAYERED_PAGING_FULL=1"),
        ),
    ],
)
def test_larger_certificates_shipped_with_the_proofs(name: str, theorems: list[str], proved_checker: Path) -> None:
    certificate = Certificate.load(ROOT / "proofs" / "certificates" / f"{name}.json.gz")
    assert list(proved.obtain(certificate, proved_checker).theorems) == theorems


@built
def test_a_small_certificate_in_the_kernel(proved_checker: Path) -> None:
    for name in ("best-deterministic-2x2-2", "llru-2x2-3"):
        certificate = Certificate.load(ROOT / "docs" / "atlas" / f"{name}.json.gz")
        assert proved.in_kernel(certificate, proved_checker) == proved.obtain(certificate, proved_checker)
    forged = altered(certificate, lower_potentials)
    with pytest.raises(CertificateRejected, match="the kernel refuses it"):
        proved.in_kernel(forged, proved_checker)


@built
def test_the_command_prints_the_theorem(proved_checker: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proved, "build", lambda: proved_checker)
    good, other = str(GIVEN[-1]), str(ROOT / "docs" / "atlas" / "best-randomized-2x2-2.json.gz")
    assert main(["check", "--verified", good]) == 0
    assert "theorem, by the proved checker: exact 3 2 5" in capsys.readouterr().out
    assert main(["check", "--verified", good, other]) == 1
    assert "no theorem: the proved checker reads ratio-policy" in capsys.readouterr().out


def test_without_the_programs_one_line_says_so(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["check", "--verified", str(GIVEN[0])]) == 2
    said = capsys.readouterr().err
    assert "the proved checker did not run: coqc, ocamlfind, ocamlopt not found" in said
    assert len(said.strip().splitlines()) == 1
    with pytest.raises(LayeredPagingError, match="did not run"):
        proved.build(tmp_path)


@built
def test_a_proof_that_fails_gives_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = proved._sources

    def weakened(proofs: Path) -> dict[str, bytes]:
        found = real(proofs)
        found["library/Exact.v"] = found["library/Exact.v"].replace(b"(P * B <=? Q * A) && witness", b"witness")
        return found

    monkeypatch.setattr(proved, "_sources", weakened)
    with pytest.raises(SolverError, match="coqc"):
        proved.build(tmp_path)
