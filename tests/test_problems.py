"""Open problems: stated in Coq, compared with what is known, and moved by certificates only."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging import problems
from layered_paging.certificate import Certificate
from layered_paging.cli import main
from layered_paging.errors import CertificateRejected, FormatError, NotRegistered, ParameterError
from layered_paging.problems import PROBLEMS, Bounds, Size, bounds, formal, known, named, standing, submit
from layered_paging.problems.standing import verdict
from layered_paging.problems.stated import BEST

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "proofs" / "open"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a copy of a checkout that knows theorems and nothing else."""
    for name in (known.ATLAS, known.KEPT, "proofs/open_problems.v"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in (known.ATLAS, known.KEPT):
        (tmp_path / name).write_text('{"rows": []}')
    monkeypatch.setattr("layered_paging.catalog.content_root", lambda: tmp_path)
    known.forget()
    yield tmp_path
    monkeypatch.undo()
    known.forget()


def test_every_problem_is_a_definition_and_every_definition_is_a_problem() -> None:
    text = (ROOT / "proofs" / "open_problems.v").read_text()
    defined = {
        line.split()[1] for line in text.splitlines() if line.startswith("Definition ") and " : Prop := forall" in line
    }
    assert defined == {problem.constant for problem in PROBLEMS}
    assert len({problem.name for problem in PROBLEMS}) == len(PROBLEMS)
    for problem in PROBLEMS:
        assert formal(problem).endswith(".") and f"Definition {problem.constant} " in formal(problem)
        assert list(problem.sizes(10)), problem.name


def test_nothing_is_refuted_and_no_size_is_a_theorem_already() -> None:
    for problem in PROBLEMS:
        for row in standing(problem, 12).rows:
            assert row.verdict != "refuted", (problem.name, row)
            sources = {row.known.below, row.known.above}
            proved = row.verdict == "holds" and all(source.startswith("theorem") for source in sources if source)
            # LRU has less than H_k at some sizes; there nothing is left to be found
            assert not proved or problem.relation == "<", (problem.name, row)


@pytest.mark.parametrize(
    ("relation", "low", "high", "wanted"),
    [
        ("=", 2, 2, "holds"), ("=", 1, 2, "open"), ("=", 3, 3, "refuted"), ("=", 1, 1, "refuted"), ("=", 3, None, "refuted"),
        ("=", None, 1, "refuted"), ("=", None, None, "open"), ("=", 2, None, "open"),
        ("<=", None, 2, "holds"), ("<=", 1, 3, "open"), ("<=", 3, None, "refuted"), ("<=", 2, 3, "open"), ("<=", 1, 1, "holds"),
        ("<", None, 1, "holds"), ("<", None, 2, "open"), ("<", 2, 2, "refuted"), ("<", 1, 3, "open"),
        (">=", 2, None, "holds"), (">=", 1, 1, "refuted"), (">=", 3, 3, "holds"), (">=", 1, 2, "open"), (">=", None, 2, "open"),
        ("known", 1, 1, "holds"), ("known", 1, 2, "open"), ("known", None, None, "open"),
    ],
)  # fmt: skip
def test_verdicts(relation: str, low: int | None, high: int | None, wanted: str) -> None:
    sides = [None if x is None else Fraction(x) for x in (low, high)]
    problem = problems.Problem("p", "p", "lru", "", relation, lambda s: True, lambda s: Fraction(2))
    assert verdict(problem, Size(2, 2, 2), Bounds(*sides, "", "")) == wanted


def test_a_certificate_moves_a_problem_and_is_kept(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = Size(2, 4, 4)
    assert str(bounds(BEST, size)) == "3..4"
    found = lp.optimal_ratio(layers=2, experts=4, slots=4)
    assert found.certificate is not None
    found.certificate.save(checkout / "best.json")
    assert main(["problems", "--submit", str(checkout / "best.json"), "--keep", "--json"]) == 0
    [entry] = json.loads(capsys.readouterr().out)["submitted"]
    assert entry["kept"] and entry["moves"] == [
        {"problem": "tightness", "before": "3..4", "after": "3", "was": "open", "is": "holds", "moves": True}
    ]
    assert str(bounds(BEST, size)) == "3" and bounds(BEST, size).above.startswith("certificate ")
    [row] = problems.kept()
    assert row["digest"] == found.certificate.digest
    # a second time it moves nothing, and is not kept
    again = submit(found.certificate)
    assert not again.improves and not any(move.moves for move in again.moves)
    with pytest.raises(ParameterError, match="improves no bound"):
        problems.keep(again)


def test_a_forged_certificate_moves_nothing(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = lp.optimal_ratio(layers=2, experts=4, slots=4).certificate
    assert found is not None
    for changes in ({"lower": "4"}, {"upper": "2"}, {"lower": "2", "upper": "2"}, {"slots": 5}):
        forged = Certificate(found.kind, {**found.statement, **changes}, found.evidence)
        with pytest.raises(CertificateRejected):
            submit(forged)
        forged.save(checkout / "forged.json")
        assert main(["problems", "--submit", str(checkout / "forged.json"), "--keep"]) == 1
        assert "rejected" in capsys.readouterr().out
    assert problems.kept() == []


def test_what_no_problem_is_about_is_said(checkout: Path) -> None:
    for options in ({"general": True}, {"pool": "per-layer"}, {"offline_slots": 1}, {"experts": [1, 2]}):
        size = {"layers": 2, "experts": 2, "slots": 2, **options}
        ratio = lp.competitive_ratio("llru", **size)  # type: ignore[arg-type]
        assert ratio.certificate is not None
        with pytest.raises(ParameterError, match="no open problem is about"):
            submit(ratio.certificate)
    with pytest.raises(ParameterError, match=r"no open problem is about lru at 2 x 3, k = 3"):
        submit(lp.competitive_ratio("lru", layers=2, experts=3, slots=3).certificate)
    with pytest.raises(ParameterError, match="no open problem is about certificates of kind 'optimum'"):
        submit(Certificate("optimum", {}, {}))


def test_contradictions_are_refused(checkout: Path) -> None:
    row = {"policy": BEST, **Size(2, 4, 4)._asdict(), "lower": "9/2", "upper": "5"}
    (checkout / known.KEPT).write_text(json.dumps({"rows": [row]}))
    known.forget()
    with pytest.raises(FormatError, match="proves at least 9/2, theorem lru_exact at most 4"):
        bounds(BEST, Size(2, 4, 4))
    for text in ("[]", '{"rows": [1]}', '{"rows": [{"policy": "lru"}]}', "x"):
        (checkout / known.KEPT).write_text(text)
        known.forget()
        with pytest.raises(FormatError, match="must hold an object with rows"):
            bounds("lru", Size(2, 4, 4))


def test_unknown_names_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotRegistered, match="did you mean 'tightness'"):
        named("tightnes")
    assert main(["problems", "--keep"]) == 2
    assert main(["problems", "--pages", "25"]) == 2
    capsys.readouterr()


def test_the_rows_kept_are_what_their_certificates_say() -> None:
    rows = problems.kept()
    assert rows and all({"digest", "lower", "upper"} <= set(row) for row in rows)
    shipped = {row["certificate"]: row for row in rows if "certificate" in row}
    assert set(shipped) == {path.name for path in KEPT.glob("*.json.gz")}
    for name, row in shipped.items():
        found = Certificate.load(KEPT / name)
        says = found.statement
        assert found.digest == row["digest"], name
        assert [says["layers"], says["experts"], says["slots"]] == [row["layers"], row["experts"], row["slots"]]
        assert (says.get("top_k", 1), says.get("admission", "forced")) == (row["top_k"], row["admission"])
        assert row["lower"] in (says.get("value"), says.get("lower")), name
    for name in random.Random(1).sample(sorted(shipped), min(3, len(shipped))):
        lp.certify.check(Certificate.load(KEPT / name))


def test_the_command_prints_every_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["problems", "--pages", "6"]) == 0
    out = capsys.readouterr().out
    assert all(problem.name in out for problem in PROBLEMS)
    for problem in PROBLEMS:
        assert main(["problems", problem.name, "--pages", "6"]) == 0
        assert f"Definition {problem.constant}" in capsys.readouterr().out


def test_the_rows_are_written_as_the_command_writes_them() -> None:
    text = (KEPT / "standing.json").read_text()
    rows = json.loads(text)["rows"]
    again = ",\n".join(json.dumps(row) for row in rows)
    assert text == f'{{"rows": [\n{again}\n]}}\n'
