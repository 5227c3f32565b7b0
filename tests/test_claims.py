"""Every claim holds at small scope, its control is refuted, and the status page is current."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from layered_paging import catalog, claims
from layered_paging.claims import Verdict, all_claims, cheapest, counter_model, layered_sequences, running, verify
from layered_paging.cli import main
from layered_paging.cli import verify as command
from layered_paging.core import registry
from layered_paging.core.registry import Entry, register
from layered_paging.errors import NotRegistered, ParameterError
from layered_paging.policies.belady import furthest
from layered_paging.theorems import available

ROOT = Path(__file__).resolve().parents[1]
CLAIMS = all_claims()
KNOWN = {entry.name for entry in CLAIMS}


@pytest.mark.skipif(available() is not None, reason=f"no theorem was checked: {available()}")
def test_theorems(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All in one call of the proof kernel."""
    monkeypatch.setenv("LAYERED_PAGING_THEOREMS", str(compiled))
    found = verify("theorem-*")
    assert len(found) == sum(entry.properties["evidence"] == "theorem" for entry in CLAIMS) > 5
    assert [verdict.reason for verdict in found if not (verdict.holds and verdict.control_refuted)] == []


@pytest.mark.parametrize(
    "entry", [e for e in CLAIMS if e.properties["evidence"] != "theorem"], ids=lambda entry: entry.name
)
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
    facts = entry.properties
    words = re.findall(r"\[(.*?)\]", facts["status"])
    assert words and set(words) <= {"text", "second hand", "derived", "computed", "classical", "open"}
    # an adversary or policy or claim that is named as tight exists
    if "tight" in facts:
        named = {e.name for e in registry.entries()}
        assert any(word in named for word in re.findall(r"[a-z][a-z-]+[a-z]", facts["tight"])), facts["tight"]
    for other in re.findall(r"claim `([a-z-]+)`", facts["statement"]):
        assert other in KNOWN


@pytest.mark.parametrize("entry", [e for e in CLAIMS if "breaks" in e.properties], ids=lambda entry: entry.name)
def test_the_step_that_a_control_breaks_is_one_step(entry: Entry) -> None:
    """The words that name it stand in at most one of the counterexamples that the claim's function can return."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(entry.obj)))
    said = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and node.value is not None:
            said.append(
                "".join(n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant) and type(n.value) is str)
            )
    assert sum(entry.properties["breaks"] in words for words in said) <= 1


def test_sources_are_in_the_bibliography() -> None:
    text = (ROOT / "papers" / "references.bib").read_text()
    keys = re.findall(r"@\w+\{([^,]+),", text)
    assert len(keys) == len(set(keys))
    cited = {key for entry in registry.entries() for key in entry.properties.get("cites", ())}
    assert cited <= set(keys), cited - set(keys)


def test_status_page_is_current() -> None:
    page = ROOT / "docs" / "reference" / "claims-status.md"
    assert page.read_text() == claims.status_page(), (
        "run: layered-paging verify --status docs/reference/claims-status.md"
    )


def entry_of(function: object, **facts: object) -> Entry:
    base = {
        "statement": "s", "latex": "x", "status": "[derived]", "evidence": "exhaustive", "cites": (),
        "scope": {"small": "a", "full": "b"}, "control": {"extra": 1}, "breaks": "no",
    }  # fmt: skip
    return Entry("claim", "made-up", function, "here", {**base, **facts})


def test_engine_notices_what_is_wrong() -> None:
    good = running._run(entry_of(lambda scope, extra=0: "no" if extra else None), "full")
    assert good.holds and good.control_refuted and good.scope == "b" and not good.failed
    false = running._run(entry_of(lambda scope, extra=0: "here"), "small")
    assert false.holds is False and false.reason == "counterexample: here" and false.failed
    lax = running._run(entry_of(lambda scope, extra=0: None), "small")
    assert lax.holds and lax.control_refuted is False and lax.failed and "not refuted" in lax.reason
    trivial = running._run(entry_of(lambda scope, extra=0: "another step" if extra else None, breaks="main"), "small")
    assert trivial.holds and trivial.control_refuted is False and "by another step than 'main'" in trivial.reason
    broken = running._run(entry_of(lambda scope, extra=0: 1 // 0), "small")
    assert broken.holds is False and "ZeroDivisionError" in broken.reason


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"evidence": "certain"}, "evidence must be"),
        ({"evidence": "proof"}, "evidence must be"),
        ({"evidence": "none"}, "neither scope nor control"),
        ({"evidence": "theorem"}, "needs theorem="),
        ({"theorem": "lru_upper"}, "has evidence 'theorem'"),
        ({"control": {}}, "needs a control"),
        ({"scope": {"small": "a"}}, "scope must describe"),
        ({"scope": "l <= 6"}, "scope must describe"),
        ({"status": "[open]"}, "open question"),
        ({"breaks": ""}, "which step it breaks"),
        ({"cites": "key"}, "cites must be a tuple"),
    ],
)
def test_a_malformed_claim_is_refused_when_it_registers(facts: dict[str, object], words: str) -> None:
    given = {**entry_of(None).properties, **facts}
    with pytest.raises(ParameterError, match=words) as told:
        register("claim", "made-up", **given)(lambda scope: None)
    assert "\n" not in str(told.value)
    with pytest.raises(ParameterError, match="lacks 'statement'"):
        register("claim", "made-up")(lambda scope: None)


@pytest.mark.parametrize(
    ("kind", "name", "facts", "words"),
    [
        ("adversary", "x", {}, "lacks 'kind'"),
        ("adversary", "x", {"kind": "cruel", "forces": "k", "cites": ()}, "kind must be one of"),
        ("adversary", "x", {"kind": "random", "forces": "k", "cites": (), "bound": len}, "at least 3 sizes"),
        ("result", "x", {"reported": "", "status": "", "agrees_when": ""}, "PAPER/NAME"),
        ("result", "a/x", {}, "lacks 'reported'"),
    ],
)
def test_other_contributions_are_checked_too(kind: str, name: str, facts: dict[str, object], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        register(kind, name, **facts)(lambda: None)


def test_one_malformed_claim_disturbs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is listed as failed to load; everything else is verified."""
    for folder in catalog.FOLDERS:
        (tmp_path / folder).mkdir()
    text = (
        "from layered_paging.core.registry import register\n@register('claim', 'bad', scope='...')\ndef bad(): pass\n"
    )
    (tmp_path / "proofs" / "bad.py").write_text(text)
    monkeypatch.setattr(catalog, "content_root", lambda: tmp_path)
    monkeypatch.setattr(catalog, "_failures", {})
    catalog.collect(again=True)
    assert any("lacks 'statement'" in failure.reason for failure in catalog.failures())
    assert verify("fifo-anomaly")[0].holds
    assert "`fifo-anomaly`" in claims.status_page()


def test_without_the_kernel_a_theorem_is_not_run_and_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layered_paging.theorems.available", lambda: "coqc not found")
    [verdict] = verify("theorem-deterministic-lower")
    assert verdict.holds is None and verdict.control_refuted is None and "not run: coqc not found" in verdict.reason


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
        command, "verify", lambda *a, **k: [Verdict("x", "[derived]", "theorem", "all", True, False, 0.1, "lax")]
    )
    assert main(["verify", "x"]) == 1


def test_theorems_that_were_checked_together_have_no_seconds_of_their_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = [Verdict(name, "[known]", "theorem", "all", True, True, 7.25, "", 2) for name in ("a", "b")]
    monkeypatch.setattr(
        command, "verify", lambda *a, **k: [*kernel, Verdict("c", "[known]", "enumeration", "all", True, True, 0.5)]
    )
    assert main(["verify", "x"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("7.25") == 1 and "the proof kernel took 7.25 s for all 2 in one call" in shown
    assert shown.count("0.50") == 1


def test_the_page_of_evidence_names_it_as_registered() -> None:
    rows = re.findall(
        r"^\| [^|]+ \| (`[^|]+`) \| (\w+) \|$", (ROOT / "docs" / "reference" / "evidence.md").read_text(), re.MULTILINE
    )
    named = [(claim, evidence) for claims, evidence in rows for claim in re.findall(r"`([a-z-]+)`", claims)]
    assert len(named) >= 8
    for claim, evidence in named:
        assert {e.name: e for e in CLAIMS}[claim].properties["evidence"] == evidence, claim
