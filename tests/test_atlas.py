"""The atlas: shipped certificates hold, the page is the table's, a run goes on where it stopped."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from layered_paging import certify
from layered_paging.certificate import Certificate
from layered_paging.errors import FormatError
from layered_paging.ratio import atlas

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "atlas"
ROWS = atlas.load(FOLDER)
SHIPPED = [row for row in ROWS if row.get("certificate")]


def test_every_certificate_belongs_to_a_row():
    assert {row["certificate"] for row in SHIPPED} == {path.name for path in FOLDER.glob("*.json.gz")}
    assert len(SHIPPED) > 80


@pytest.mark.parametrize("layers", sorted({row["layers"] for row in SHIPPED}))
def test_shipped_certificates_hold_and_say_what_the_table_says(layers):
    for row in SHIPPED:
        if row["layers"] != layers:
            continue
        certificate = Certificate.load(FOLDER / row["certificate"])
        certify.check(certificate)
        stated = certificate.statement
        assert all(stated[key] == row[key] for key in ("layers", "experts", "slots"))
        if "value" in stated:
            assert stated["policy"] == row["policy"]
            assert (stated["value"] or "unbounded") == row["lower"] == row["upper"]
        else:
            assert (stated["lower"], stated["upper"]) == (row["lower"], row["upper"])


def test_the_page_is_generated_from_the_table():
    assert (FOLDER / "README.md").read_text() == atlas.page(ROWS)


def test_the_proved_bounds_hold_in_every_row():
    cells = {(row["layers"], row["experts"], row["slots"], row["policy"]): row for row in ROWS}
    for (layers, experts, slots, policy), row in cells.items():
        if "error" in row or row["lower"] == "unbounded":
            continue
        lower, upper = Fraction(row["lower"]), Fraction(row["upper"])
        assert lower <= upper
        best = cells.get((layers, experts, slots, atlas.BEST))
        if policy not in (atlas.RANDOMIZED, "marking"):
            assert upper >= max(1, slots - layers + 1)
            assert best is None or lower >= Fraction(best["upper"])
        if policy == "lru":
            assert upper <= slots
            assert (slots + 1) % layers or (slots + 1) // layers > experts or lower == slots
            assert slots != layers or lower == 2 - Fraction(1, layers)
        if policy == "mark-far" and slots + 1 == layers * experts:
            assert lower == slots - layers + 1
        if policy == atlas.RANDOMIZED:
            assert best is None or lower <= Fraction(best["upper"])
            assert layers > 1 or lower == sum(Fraction(1, i) for i in range(1, slots + 1))


def test_a_run_goes_on_where_it_stopped(tmp_path):
    atlas.fill(tmp_path, 3, policies=["lru"])
    seen = []
    rows = atlas.fill(tmp_path, 4, policies=["lru", atlas.BEST], tick=lambda done, total, what: seen.append(total))
    assert len(rows) == len(atlas.jobs(4, ["lru", atlas.BEST])) == 18
    assert seen[0] == 18 - 3
    assert atlas.load(tmp_path) == rows
    assert "| 2 | 2 | 3 | 2 |" in (tmp_path / "README.md").read_text()
    certify.check(Certificate.load(tmp_path / "best-deterministic-2x2-3.json.gz"))
    (tmp_path / "table.json").write_text("{}")
    with pytest.raises(FormatError, match="rows"):
        atlas.load(tmp_path)
