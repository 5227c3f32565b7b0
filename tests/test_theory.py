"""The closed forms against everything that was computed."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging import problems
from layered_paging.cli import main
from layered_paging.problems import SUBJECTS, Size, bounds, compared
from layered_paging.ratio import atlas

ROOT = Path(__file__).resolve().parent.parent
ROWS = [row for row in atlas.load(ROOT / "docs" / "atlas") if "error" not in row]


def lru(layers: int, slots: int) -> Fraction:
    """The ratio of LRU, written down once more."""
    if slots < layers:
        return Fraction(layers - 1, layers - slots)
    return 2 - Fraction(1, layers) if slots == layers else Fraction(min(slots, 2 * (slots - layers) + 1))


def test_lru_has_its_closed_form_in_every_row_of_the_atlas() -> None:
    found = [row for row in ROWS if row["policy"] == "lru"]
    assert len(found) >= 55
    for row in found:
        assert Fraction(row["lower"]) == Fraction(row["upper"]) == lru(row["layers"], row["slots"]), row


def test_llru_is_below_its_bound_at_every_size_and_meets_it_at_two_layers() -> None:
    rows = [row for row in [*ROWS, *problems.kept()] if row["policy"].startswith("llru")]
    rows = [row for row in rows if row.get("top_k", 1) == 1 and row.get("admission", "forced") == "forced"]
    assert len(rows) >= 4 * 55
    assert all(Fraction(row["upper"]) <= row["slots"] + row["layers"] - 1 for row in rows)
    meet = {(r["layers"], r["experts"], r["slots"]) for r in rows if r["lower"] == str(r["slots"] + r["layers"] - 1)}
    assert (2, 4, 7) in meet


@pytest.mark.parametrize("slots", [7, 8, 9])
def test_llru_meets_its_bound_at_two_layers_of_five(slots: int) -> None:
    assert lp.competitive_ratio("llru", layers=2, experts=5, slots=slots).value == slots + 1


def test_theorems_and_values_agree_at_every_size_of_twelve_pages() -> None:
    for pages in range(2, 13):
        for layers in range(1, pages // 2 + 1):
            if pages % layers == 0:
                rows = compared(layers, pages // layers)
                assert len(rows) == len(SUBJECTS) * (pages - 1) and all(row.agrees for row in rows)


def test_a_value_that_contradicts_a_theorem_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = problems.known.Found("lru", Size(2, 2, 3), Fraction(4), Fraction(4), "wrong")
    monkeypatch.setattr(problems.known, "_stored", lambda: {("lru", Size(2, 2, 3)): [wrong]})
    assert main(["theory", "--layers", "2", "--experts", "2"]) == 1
    assert "1 values contradict a theorem" in capsys.readouterr().out


def test_the_command_is_json_and_its_picture_is_the_page_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["theory", "--layers", "3", "--experts", "2", "-o", str(tmp_path / "theory.svg"), "--json"]
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {row["subject"] for row in answer["rows"]} == set(SUBJECTS)
    assert all(row["agrees"] for row in answer["rows"])
    drawn, page = ((folder / "theory.svg").read_text() for folder in (tmp_path, ROOT / "docs" / "explanation"))
    assert drawn.count("<path") == page.count("<path")
    assert main(["theory", "--layers", "5", "--experts", "5"]) == 2


def test_sources_are_kept_apart() -> None:
    size = Size(3, 2, 4)
    assert str(bounds("best deterministic", size, "theorems")) == "2..3"
    assert str(bounds("best deterministic", size, "computed")) == str(bounds("best deterministic", size)) == "2"
