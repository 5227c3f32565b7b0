"""A class of one's own wherever a policy is named on the command line; a certificate never runs a file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.cli import main
from layered_paging.core import registry
from layered_paging.errors import CertificateRejected
from layered_paging.policies.lru import LRU
from layered_paging.samples import SAMPLE
from layered_paging.scaffold import files_of

SIZE = ["--layers", "2", "--experts", "2", "--slots", "3"]


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[str]:
    text = files_of("policy", "far-off")["far_off/policy.py"]
    plain = text.replace('@register("policy", "far-off", stack=True, lazy=True)\n', "")
    (tmp_path / "own.py").write_text(plain)
    yield f"{tmp_path / 'own.py'}:FarOff"
    registry._table.pop(("policy", "far-off"), None)


def test_ratio_check_replay_and_attack(mine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "c.json")
    assert main(["ratio", mine, *SIZE, "-o", out, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["policy"] == "far-off"
    assert main(["check", out, "--policy", mine]) == 0
    assert main(["replay", str(SAMPLE), "--slots", "24", "--policy", "lru", mine, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["runs"]
    assert [row["policy"] for row in rows] == ["lru", "far-off"]
    assert main(["attack", mine, "--with", "layered-cruel", *SIZE, "--rounds", "50"]) == 0


def test_every_option_that_names_a_policy_takes_it(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    tiers = ["--tier", "a=24slots", "--tier", "b=24slots"]
    assert main(["replay", str(SAMPLE), "--policy", "lru", *tiers, "--lower", mine, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["tiers"]
    assert [row["policy"] for row in one["rows"]] == ["lru", "far-off"]
    gap = ["gap", str(SAMPLE), "--demand", "2", "--reset", "never", "--json"]
    assert main([*gap, "--policy", "lru", "--base", mine]) == 0
    assert json.loads(capsys.readouterr().out)["base"] == "far-off"
    assert main(["diagnose", str(SAMPLE), "--slots", "24", "--against", mine, "llru", "--json"]) == 0
    capsys.readouterr()


def test_the_command_of_a_sheet_names_the_file(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    for policy, against in ((mine, "lru"), ("llru", mine)):
        given = ["evidence", str(SAMPLE), "--policy", policy, "--against", against, "--slots", "24", "60", "--json"]
        assert main(given) == 0
        shown = shlex.split(json.loads(capsys.readouterr().out)["command"])
        assert shown[shown.index("--policy") + 1] == policy and shown[shown.index("--against") + 1] == against


def test_a_certificate_of_ones_own_class_needs_the_class(mine: str, tmp_path: Path) -> None:
    out = str(tmp_path / "c.json")
    assert main(["ratio", mine, *SIZE, "-o", out]) == 0
    registry._table.pop(("policy", "far-off"))
    assert main(["check", out]) == 1
    assert main(["check", out, "--policy", mine]) == 0


def test_a_name_in_a_certificate_never_runs_a_file(mine: str, tmp_path: Path) -> None:
    good = lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    evil = Certificate(good.kind, {**good.statement, "policy": f"{tmp_path / 'evil.py'}:Evil"}, good.evidence)
    with pytest.raises(CertificateRejected):
        lp.certify.check(evil)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "has no class FarOff"), ("1 / 0", "ZeroDivisionError"), ("class FarOff: pass", "it lacks hit, miss, victim")],
)
def test_bad_files_are_one_line(text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.py").write_text(text)
    assert main(["ratio", f"{tmp_path / 'own.py'}:FarOff", *SIZE]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert main(["ratio", f"{tmp_path / 'none.py'}:FarOff", *SIZE]) == 2
    assert "no such file" in capsys.readouterr().err


def test_a_class_without_its_file_is_told_how_it_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ratio", "own:FarOff", *SIZE]) == 2
    assert "a class of your own is FILE.py:CLASS, on the command line" in capsys.readouterr().err


class Mine(LRU):
    """A class that nobody registered."""


def test_a_certificate_of_a_class_that_is_not_registered() -> None:
    found = lp.competitive_ratio(Mine, layers=2, experts=2, slots=3).certificate
    lp.certify.check(found, policy=Mine)
    with pytest.raises(lp.CertificateRejected, match=r"'Mine', which is not registered here: give its class"):
        lp.certify.check(found)
    with pytest.raises(lp.CertificateRejected, match="about the policy 'Mine'; got 'lru'"):
        lp.certify.check(found, policy=LRU)
    with pytest.raises(lp.LayeredPagingError, match="policy is for certificates of a policy's ratio"):
        lp.certify.check(lp.optimal_ratio(layers=2, experts=2, slots=3).certificate, policy=Mine)


def test_a_board_of_an_own_class_and_public_names() -> None:
    trace = lp.Trace([[0], [1], [0]], n_experts=2)
    assert ">Mine<" in lp.report.board(trace, Mine, 1)
    assert lp.report.board(trace, [Mine, "opt"], 1).count("<table") == 2
    assert dir(lp) == sorted([*lp.__all__, "__version__"])
    assert {"testing", "plot", "adversary"} <= set(dir(lp))
    assert lp.testing.check_policy and lp.plot.plot_curves and lp.adversary


def test_a_mistake_in_an_own_class_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "class Mine:\n    def __init__(self, instance): pass\n    def hit(self, page, time): pass\n    miss = hit\n"
        "    def state(self, resident, time): return {page: 0 for page in resident}\n"
        "    def victim(self, candidates, time): return self.oldest\n"
    )
    assert main(["ratio", f"{path}:Mine", *SIZE]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(f"layered-paging ratio: {path} line 6, in victim: AttributeError: ")
    with pytest.raises(AttributeError, match="oldest"):
        main(["ratio", f"{path}:Mine", *SIZE, "-v"])
    for words in (["ratio", str(path), *SIZE], ["check", str(path), "--policy", str(path)]):
        assert main(words) == 2
        assert f"as in {path}:CLASS" in capsys.readouterr().err


def test_an_unbounded_ratio_is_said_by_the_checker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "lifo.json")
    assert main(["ratio", "lifo", *SIZE, "-o", file]) == 0
    assert "unbounded" in capsys.readouterr().out
    assert main(["check", file]) == 0
    assert "ratio unbounded, policy lifo" in capsys.readouterr().out


def test_the_worst_cycle_of_an_own_class_is_shown(
    mine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = str(tmp_path / "worst.json"), str(tmp_path / "worst.html")
    assert main(["ratio", mine, *SIZE, "-o", file]) == 0
    registry._table.pop(("policy", "far-off"))
    assert main(["show", file, "-o", page]) == 2
    assert "unknown policy 'far-off'; give its class by --policy FILE.py:CLASS" in capsys.readouterr().err
    assert main(["show", file, "--policy", "lru", "-o", page]) == 2
    assert "--policy must be the one that the certificate names, 'far-off'; got 'lru'" in capsys.readouterr().err
    assert not Path(page).exists()
    assert main(["show", file, "--policy", mine, "-o", page]) == 0
    assert Path(page).exists()
