"""Every claim holds at small scope, its control is refuted, and the status page is current."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from layered_paging import catalog, claims
from layered_paging.claims import Verdict, all_claims, cheapest, counter_model, layered_sequences, problems, verify
from layered_paging.cli import main
from layered_paging.cli import verify as command
from layered_paging.core import registry
from layered_paging.core.registry import Entry
from layered_paging.errors import NotRegistered, ParameterError
from layered_paging.policies.belady import furthest

ROOT = Path(__file__).resolve().parents[1]
CLAIMS = all_claims()
KNOWN = {entry.name for entry in CLAIMS}


@pytest.mark.parametrize("entry", CLAIMS, ids=lambda entry: entry.name)
def test_claim(entry: Entry) -> None:
    [verdict] = verify(entry.name)
    if entry.properties["evidence"] == "none":
        assert verdict.holds is None and verdict.control_refuted is None
    elif verdict.holds is None:
        pytest.skip(verdict.reason)
    else:
        assert verdict.holds, verdict.reason
        assert verdict.control_refuted, verdict.reason


def test_no_content_file_failed_to_load() -> None:
    assert [f for f in catalog.failures() if f.source.endswith(".py") and "proofs" in f.source] == []


def test_every_row_of_the_theory_is_there() -> None:
    expected = {
        "fixed-partition", "deterministic-lower", "lru-lower", "lru-upper", "randomized-lower", "yao-exact", "log-k",
        "heavy-layer", "yao-general", "randomized-upper", "lru-equals-partition", "mark-far", "llru-augmented",
        "lru-vs-fifo", "tightness", "randomized-gap", "llru-competitive",
        "belady-optimal", "stack-policies", "fifo-anomaly", "marking-ratio", "coupon-identities",
        "batch-belady-optimal", "serial-relaxation", "bypass-chain",
    }  # fmt: skip
    assert expected <= KNOWN


@pytest.mark.parametrize("entry", CLAIMS, ids=lambda entry: entry.name)
def test_registration(entry: Entry) -> None:
    assert problems(entry) == []
    facts = entry.properties
    words = re.findall(r"\[(.*?)\]", facts["status"])
    assert words and set(words) <= {"text", "second hand", "derived", "computed", "classical", "open"}
    # an adversary or policy or claim that is named as tight exists
    if "tight" in facts:
        named = {e.name for e in registry.entries()}
        assert any(word in named for word in re.findall(r"[a-z][a-z-]+[a-z]", facts["tight"])), facts["tight"]
    for other in re.findall(r"claim `([a-z-]+)`", facts["statement"]):
        assert other in KNOWN


def test_sources_are_in_the_bibliography() -> None:
    text = (ROOT / "papers" / "references.bib").read_text()
    keys = re.findall(r"@\w+\{([^,]+),", text)
    assert len(keys) == len(set(keys))
    cited = {key for entry in registry.entries() for key in entry.properties.get("cites", ())}
    assert cited <= set(keys), cited - set(keys)


def test_status_page_is_current() -> None:
    page = ROOT / "docs" / "claims-status.md"
    assert page.read_text() == claims.status_page(), "run: layered-paging verify --status docs/claims-status.md"


def entry_of(function: object, **facts: object) -> Entry:
    base = {
        "statement": "s", "latex": "x", "status": "[derived]", "evidence": "exhaustive", "cites": (),
        "scope": {"small": "a", "full": "b"}, "control": {"extra": 1},
    }  # fmt: skip
    return Entry("claim", "made-up", function, "here", {**base, **facts})


def test_engine_notices_what_is_wrong() -> None:
    good = claims._run(entry_of(lambda scope, extra=0: "no" if extra else None), "full")
    assert good.holds and good.control_refuted and good.scope == "b" and not good.failed
    false = claims._run(entry_of(lambda scope, extra=0: "here"), "small")
    assert false.holds is False and false.reason == "counterexample: here" and false.failed
    lax = claims._run(entry_of(lambda scope, extra=0: None), "small")
    assert lax.holds and lax.control_refuted is False and lax.failed and "not refuted" in lax.reason
    broken = claims._run(entry_of(lambda scope, extra=0: 1 // 0), "small")
    assert broken.holds is False and "ZeroDivisionError" in broken.reason
    for facts, words in [
        ({"evidence": "certain"}, "evidence must be"),
        ({"evidence": "none"}, "neither scope nor control"),
        ({"control": {}}, "needs a control"),
        ({"scope": {"small": "a"}}, "scope must describe"),
        ({"status": "[open]"}, "open question"),
    ]:
        wrong = claims._run(entry_of(lambda scope, extra=0: None, **facts), "small")
        assert wrong.failed and words in wrong.reason


def test_missing_package_is_said_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "z3", None)
    [verdict] = verify("yao-source-cost")
    assert verdict.holds is None and not verdict.failed and "needs z3" in verdict.reason


def test_solver_is_asked_the_right_way_round() -> None:
    z3 = pytest.importorskip("z3")
    x = z3.Int("x")
    assert counter_model("a", [x > 1], x > 0) is None
    assert counter_model("a", [x > 0], x > 1) == "a: [x = 1]"


def test_bounds_with_an_additive_constant() -> None:
    found = claims.certified_ratio("lru", layers=2, experts=2, slots=3, offline_slots=1)
    assert claims.within(found, Fraction(1), 1)
    assert not claims.within(found, found.value - Fraction(1, 100), 50)
    assert not claims.within(found, found.value, -1)
    assert not claims.within(SimpleNamespace(value=None), Fraction(9), 9)


def test_verify_refuses() -> None:
    with pytest.raises(ParameterError, match="scope must be"):
        verify("*", "huge")
    with pytest.raises(NotRegistered, match="did you mean 'lru-upper'"):
        verify("lru-uper")


def test_enumeration_is_complete() -> None:
    """Every sequence is a renaming of exactly one that is listed."""
    listed = {tuple(pages) for pages in layered_sequences(2, 2, 3)}
    assert len(listed) == len(list(layered_sequences(2, 2, 3))) == 16
    for code in range(64):
        bits = [code >> t & 1 for t in range(6)]
        pages = [2 * (t % 2) + b for t, b in enumerate(bits)]
        name: dict[int, int] = {}
        for page in pages:
            name.setdefault(page, 2 * (page // 2) + sum(q // 2 == page // 2 for q in name))
        assert tuple(name[page] for page in pages) in listed


def test_cheapest_is_belady_for_single_requests() -> None:
    for pages in layered_sequences(2, 2, 4):
        for slots in (1, 2, 3):
            assert cheapest([frozenset({p}) for p in pages], slots) == sum(furthest(pages, slots))


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["verify", "fifo-*", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["claims"]
    assert row["name"] == "fifo-anomaly" and row["holds"] is True and row["control_refuted"] is True
    assert {"evidence", "scope", "seconds"} <= set(row)
    assert main(["verify", "tightness-*"]) == 0
    assert "0 verified, 1 stated only" in capsys.readouterr().out
    assert main(["verify", "nothing-*"]) == 2
    assert main(["verify", "--status", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text() == claims.status_page()
    monkeypatch.setattr(
        command, "verify", lambda *a, **k: [Verdict("x", "[derived]", "proof", "all", True, False, 0.1, "lax")]
    )
    assert main(["verify", "x"]) == 1


def test_the_readme_names_evidence_as_registered() -> None:
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+`) \| (\w+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    named = [(claim, evidence) for claims, evidence in rows for claim in re.findall(r"`([a-z-]+)`", claims)]
    assert len(named) >= 8
    for claim, evidence in named:
        assert {e.name: e for e in CLAIMS}[claim].properties["evidence"] == evidence, claim
