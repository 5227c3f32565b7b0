"""The lessons: questions, solutions and checks are there, and their pages show what the notebooks show.

``make docs`` runs all of them, and fails where an assertion in one does; here one is run as the script it also is.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
FULL = bool(os.environ.get("LAYERED_PAGING_FULL"))
LESSONS = sorted((ROOT / "docs" / "lessons").glob("lesson_*.py"))

pytest.importorskip("marimo", reason="marimo is not installed (group dev)")


@pytest.fixture(scope="module")
def export() -> Any:
    spec = importlib.util.spec_from_file_location("export_of_lessons", ROOT / "docs" / "lessons" / "export.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_asks_answers_and_checks(path: Path, export: Any) -> None:
    text = path.read_text()
    assert text.count("mo.accordion(") >= 4 and text.count("assert ") >= 4
    assert path.stem in (ROOT / "docs" / "index.md").read_text()
    assert all(source for source, _ in export.cells(path))


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_has_goals_a_time_a_control_and_a_proof(path: Path) -> None:
    text = path.read_text()
    assert re.search(r"\*\*You will learn\*\* \(\d+ minutes; needs ", text)
    assert text.count("mo.ui.") == 1 and "## Move it yourself" in text
    proof = text.partition("## Prove it")[2]
    assert '"proved" if ' in proof and '"not yet"' in proof  # what the reader writes is checked
    assert "assert " in proof and "Solution" in proof  # and so is the solution, by the same function


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_played_board_stands_in_a_solution_or_has_a_blank_twin(path: Path) -> None:
    for shown in re.findall(r"mo\.Html\(.*", path.read_text()):
        if "board(" in shown or "_played" in shown:
            assert "blank=True" in shown or "class='answer'>{_played}</div><div class='paper' hidden>{_blank}" in shown


def test_there_are_seven() -> None:
    assert len(LESSONS) == 7


@pytest.mark.parametrize("path", LESSONS if FULL else LESSONS[2:3], ids=lambda p: p.stem)
def test_a_lesson_runs_as_a_script(path: Path) -> None:
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


NOTEBOOK = '''
import marimo

app = marimo.App()

with app.setup:
    import marimo as mo


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # A title

    With $k \\\\le 3$.

    ## A part
    """)
    return


@app.cell
def _():
    x = {"ratio": 3}
    x
    return (x,)


@app.cell(hide_code=True)
def _(x):
    assert x["ratio"] == THREE
    mo.accordion({"Solution": mo.md("It is **three**.")})
    return
'''


def test_the_page_of_a_notebook(tmp_path: Path, export: Any) -> None:
    path = tmp_path / "lesson_9.py"
    path.write_text(NOTEBOOK.replace("THREE", "3"))
    page = export.page(path)
    assert page.startswith("# A title\n") and "\n## A part\n" in page
    assert '```python\nx = {"ratio": 3}\nx\n```' in page and "{'ratio': 3}" in page
    assert "<details><summary>Solution</summary>" in page and "<strong>three</strong>" in page
    assert "<math" in page and "<marimo" not in page and "THREE" not in page
    assert not re.search(r'(src|href)="http', page)
    path.write_text(NOTEBOOK.replace("THREE", "4"))
    with pytest.raises(AssertionError):
        export.page(path)
    with pytest.raises(ValueError, match="<marimo-table"):
        export.plain("<p><marimo-table></marimo-table></p>")


def test_a_sheet_without_and_with_solutions(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("sheets_of_lessons", ROOT / "docs" / "lessons" / "sheet.py")
    assert spec is not None and spec.loader is not None
    sheets = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sheets)
    path = tmp_path / "lesson_9.py"
    played = """@app.cell\ndef _():\n    mo.Html("<div class='answer'><div>played</div></div><div class='paper' hidden>to fill in</div>")\n    return\n\n\n"""
    head = "@app.cell(hide_code=True)\ndef _(x):"
    path.write_text(NOTEBOOK.replace("THREE", "3").replace(head, played + head))
    blank, solved = (sheets.sheet(path, solutions=told) for told in (False, True))
    assert "<title>A title</title>" in blank and 'class="room"' in blank and "three" not in blank
    assert "played" not in blank and "<div>played</div>" in solved
    assert "<div class='paper'>to fill in" in blank and "<div class='paper' hidden>to fill in" in solved
    assert all("marimo edit docs/lessons/lesson_9.py" in each for each in (blank, solved))
    assert blank.count('class="room"') == 1
    path.write_text(path.read_text().replace("class='paper'", "class='x'").replace("## A part", "## Move it yourself"))
    other = sheets.sheet(path, solutions=False)
    assert other.count('class="room"') == 2 and "and cells, are in" in other  # room to write where no board is drawn
    assert "<details open>" in solved and "<strong>three</strong>" in solved
    assert not re.search(r'(src|href)="http|<script|<marimo', blank + solved)


def test_a_picture_is_embedded_with_its_description() -> None:
    from layered_paging.plot import embedded, new_figure

    figure = new_figure()
    figure.subplots().plot([1, 2])
    text = embedded(figure, 'a "line"')
    assert text.startswith("<img ") and 'alt="a &quot;line&quot;"' in text and text.count("<") == 1
    assert text == embedded(figure, 'a "line"')
