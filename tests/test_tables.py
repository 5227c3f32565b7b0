"""Results leave: as frames, LaTeX, Markdown, CSV and HTML, from Python and from the command line."""

from __future__ import annotations

import copy
import csv
import io
import json
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging import claims
from layered_paging.cli import common, main
from layered_paging.core.tables import Tabular, as_csv, as_html, as_latex, as_markdown
from layered_paging.errors import LayeredPagingError, ParameterError
from layered_paging.ratio import lru_closed_form
from layered_paging.samples import SAMPLE

TRACE = lp.Trace([[[0, 1], [0, 1]], [[0, 2], [0, 1]], [[1, 2], [1, 2]]], n_experts=3)
SIZE = {"layers": 2, "experts": 2, "slots": 3}


def results() -> list[Tabular]:
    return [
        lp.replay(TRACE, "lru", 4),
        lp.optimum(TRACE, 4, admission="forced"),
        lp.competitive_ratio("lru", **SIZE),
        lp.optimal_ratio(**SIZE),
        lp.diagnose(TRACE, 4),
        lp.gap_table({"a": TRACE}, ["lru"], tokens=[1.25]),
        lp.table(["lru"], [(2, 2, 3)]),
        lp.miss_curve(TRACE, "lru"),
        claims.all_claims(),
        claims.verify("batch-belady-optimal"),
    ]


@pytest.mark.parametrize("result", results(), ids=lambda result: type(result).__name__)
def test_every_result_leaves_in_every_way(result: Tabular) -> None:
    rows = result.to_rows()
    assert rows and all(isinstance(row, dict) for row in rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    read = list(csv.reader(io.StringIO(result.to_csv())))
    assert read[0] == columns and len(read) == len(rows) + 1
    assert result.to_markdown().count("\n") == len(rows) + 2
    assert result.to_latex(caption="50 % & more", label="t:x").count(r" \\" + "\n") == len(rows) + 1
    assert r"\caption{50 \% \& more}" in result.to_latex(caption="50 % & more")
    assert result._repr_html_().startswith("<table>") and result._repr_latex_() == result.to_latex()
    assert "\n" not in repr(result)


def test_a_curve_is_an_array_and_a_table() -> None:
    curve = lp.miss_curve(TRACE, "fifo")
    plain = np.array(curve)
    assert {row["slots"]: row["misses"] for row in curve.to_rows()} == {
        slots: lp.replay(TRACE, "fifo", slots).misses for slots in range(2, TRACE.pages + 1)
    }
    for other in (curve[2:], curve + 1, curve - curve, np.minimum(curve, 3), curve[curve >= 0], curve >= 0):
        assert type(other) is np.ndarray  # no row of it would be a number of slots
    assert np.array_equal(curve, plain) and curve.sum() == plain.sum() and not isinstance(curve.max(), np.ndarray)
    again = copy.deepcopy(curve)
    assert again.to_rows() == curve.to_rows() and repr(curve) == repr(plain)


def test_claims_and_verdicts_are_lists_and_tables() -> None:
    every = claims.all_claims()
    assert [row["claim"] for row in every.to_rows()] == [entry.name for entry in every]
    assert {row["evidence"] for row in every.to_rows()} <= set(claims.EVIDENCE)
    [row] = claims.verify("batch-belady-optimal").to_rows()
    assert row["holds"] is True and row["control_refuted"] is True


def test_rows_say_what_the_result_says() -> None:
    run = lp.replay(TRACE, "lru", 4)
    assert sum(row["misses"] for row in run.to_rows()) == run.misses
    [row] = lp.competitive_ratio("lru", **SIZE).to_rows()
    assert (row["ratio"], row["slots"]) == (Fraction(3), 3)
    [row] = lp.optimal_ratio(**SIZE).to_rows()
    assert row["lower"] == row["upper"] == 2 and row["solved"]


@given(st.lists(st.tuples(st.text(max_size=5), st.fractions(), st.none() | st.integers()), max_size=4))
def test_csv_is_read_back(rows: list[tuple[str, Fraction, int | None]]) -> None:
    rows = [row for row in rows if "\r" not in row[0] and "\0" not in row[0]]
    read = list(csv.reader(io.StringIO(as_csv(["a", "b", "c"], rows), newline="")))[1:]
    assert [tuple(row) for row in read] == [(a, str(b), "" if c is None else str(c)) for a, b, c in rows]


def test_what_is_special_is_escaped() -> None:
    assert as_latex(["a_b"], [["x & 5 % {y} \\ ^~#$"]]).count(r"\&") == 1
    assert r"$-\frac{1}{2}$" in as_latex(["a"], [[Fraction(-1, 2)]])
    assert r"a\|b" in as_markdown(["a|b"], [["c"]])
    assert "<script>" not in as_html(["<b>"], [["<script>"]], title="<i>")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed: the LaTeX was not compiled")
def test_the_latex_compiles(tmp_path: Path) -> None:
    body = "".join(result.to_latex(caption="a_b") for result in results())
    text = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + body + r"\end{document}"
    (tmp_path / "t.tex").write_text(text)
    subprocess.run(["pdflatex", "-interaction=batchmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)


def test_frames_come_from_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    result = lp.table(["lru"], [(2, 2, 3)])

    class Frame(ModuleType):
        @staticmethod
        def DataFrame(data: object, strict: bool = True) -> object:
            return data

    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    for library in (None, "pandas", "polars"):
        with pytest.raises(LayeredPagingError, match=r"not installed|neither is installed"):
            result.to_frame(library)
    monkeypatch.setitem(sys.modules, "polars", Frame("polars"))
    assert result.to_frame()["H_k"] == ["11/6"]
    monkeypatch.setitem(sys.modules, "pandas", Frame("pandas"))
    assert result.to_frame()["H_k"] == [Fraction(11, 6)]
    with pytest.raises(ParameterError, match="must be 'pandas' or 'polars'"):
        result.to_frame("excel")


def test_a_real_frame() -> None:
    pandas = pytest.importorskip("pandas")
    frame = lp.replay(TRACE, "lru", 4).to_frame()
    assert isinstance(frame, pandas.DataFrame) and frame["misses"].sum() == lp.replay(TRACE, "lru", 4).misses


def test_the_table_of_ratios() -> None:
    class Mine:
        """A class of one's own: LRU under another name."""

        symmetric = True

        def __init__(self, instance: lp.Instance) -> None:
            self._last: dict[int, int] = {}

        def hit(self, page: int, time: object) -> None:
            self._last[page] = time.clock  # type: ignore[attr-defined]

        miss = hit

        def victim(self, candidates: list[int], time: object) -> int:
            return min(candidates, key=lambda page: (self._last[page], page))

        def state(self, resident: list[int], time: object) -> dict[int, int]:
            order = sorted(resident, key=lambda page: -self._last[page])
            return {page: at + 1 for at, page in enumerate(order)}

    sizes = [(2, 2, 1), (2, 2, 2), (2, 2, 3), (3, 2, 4)]
    found = lp.table(["lru", Mine], sizes, best=True)
    for row, (layers, _, slots) in zip(found.to_rows(), sizes, strict=True):
        assert row["lru"] == row["Mine"] == lru_closed_form(layers, slots)
        assert row["best deterministic"] <= row["lru"]
        assert row["k - l + 1"] == (slots - layers + 1 if slots >= layers else None)
    with pytest.raises(ParameterError, match="at least one policy"):
        lp.table([], [(2, 2, 3)])


def test_the_closed_form_against_the_atlas() -> None:
    page = Path(__file__).parents[1] / "docs" / "atlas" / "table.json"
    rows = [row for row in json.loads(page.read_text())["rows"] if row["policy"] == "lru" and row["experts"] >= 2]
    assert len(rows) >= 20
    for row in rows:
        value = Fraction(row["upper"])
        assert value == lru_closed_form(row["layers"], row["slots"]), row


@pytest.mark.parametrize("name", ["csv", "md", "tex", "json", "table"])
def test_the_command_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["replay", str(SAMPLE), "--slots", "24", "--policy", "lru", "--reset", "session", "--format", name]
    assert main(words) == 0
    out = capsys.readouterr().out
    misses = lp.replay(lp.load_trace(SAMPLE), "lru", 24, reset="session").misses
    if name == "csv":
        head, row = csv.reader(io.StringIO(out))
        assert dict(zip(head, row, strict=True))["misses"] == str(misses)
    elif name == "json":
        assert json.loads(out)["runs"][0]["misses"] == misses
    elif name == "tex":
        assert out.startswith("% needs \\usepackage{booktabs}\n\\begin{tabular}") and str(misses) in out
    elif name == "md":
        assert out.startswith("| policy |")
    else:
        assert f"{misses:,}" in out


def test_an_answer_without_a_table_is_a_row(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = str(tmp_path / "play.html")
    assert main(["show", "--play", "-o", page, "--format", "csv"]) == 0
    head, row = csv.reader(io.StringIO(capsys.readouterr().out))
    assert dict(zip(head, row, strict=True))["output"] == page


@pytest.mark.parametrize("words", [["list"], ["list", "policies"], ["list", "claims"]])
def test_a_list_as_csv_is_one_table(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert main([*words, "--format", "csv"]) == 0
    head, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert head == ["kind", "name", "what", "declares", "source"] and {len(row) for row in rows} == {5}
    assert len(rows) == sum(len(found) for key, found in answer.items() if key != "failed_to_load")
    assert {row[0] for row in rows} == {entry.kind for entry in lp.catalog.collect()} or len(words) == 2


@given(
    st.lists(
        st.integers(1, 4).flatmap(
            lambda wide: st.tuples(
                st.text("ab\n,", max_size=3),
                st.lists(st.sampled_from("abcd"), min_size=wide, max_size=wide),
                st.lists(st.lists(st.text('x",\n', min_size=1), min_size=wide, max_size=wide), max_size=3),
            )
        ),
        min_size=2,
        max_size=4,
    )
)
def test_several_tables_are_one_csv(tables: list[tuple[str, list[str], list[list[str]]]]) -> None:
    head, *rows = csv.reader(io.StringIO(common.written(tables, "csv")))
    flat = [(title, columns, row) for title, columns, cells in tables for row in cells]
    assert head[0] == "table" and {len(row) for row in rows} <= {len(head)} and len(rows) == len(flat)
    for got, (title, columns, row) in zip(rows, flat, strict=True):
        assert got[0] == title
        cells = [(name, cell) for name, cell in zip(head[1:], got[1:], strict=True) if cell]
        assert sorted(cells) == sorted(zip(columns, row, strict=True))


def test_a_command_of_several_tables_is_one_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(SAMPLE), "--format", "csv"]) == 0
    head, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert {len(row) for row in rows} == {len(head)} and len({row[0] for row in rows}) > 1 and head[0] == "table"
