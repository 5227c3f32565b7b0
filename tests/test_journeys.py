"""The three journeys of the documentation reach what they promise."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("journeys", HERE / "journeys.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOLD = loaded()
TEXT = TOLD.PAGE.read_text(encoding="utf-8")
TEACHER, THEORIST, ENGINEER = TOLD.journeys(TEXT)


def test_a_theorist_has_a_table_in_five_lines(tmp_path: Path) -> None:
    after = THEORIST.program.partition("import layered_paging")
    lines = [line for line in (after[1] + after[2]).splitlines() if line.strip()]
    assert len(lines) == 5
    _, _, said = TOLD.run(THEORIST, tmp_path)
    assert said.startswith("\\begin{tabular}") and "OthersFirst" in said
    told = re.findall(r"```text\n(2 & 3 .*)\n```", TEXT)[0]
    assert told in said


def test_an_engineer_has_a_page_from_one_command(tmp_path: Path) -> None:
    assert len(ENGINEER.commands) == 1
    _, _, said = TOLD.run(ENGINEER, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Recommendation" in said and "What can I switch on today?" in page


def test_a_teacher_has_a_link_that_plays(tmp_path: Path, browser: Any) -> None:
    TOLD.run(TEACHER, tmp_path)
    name, _, place = re.findall(r"```text\n(play.*)\n```", TEXT)[0].partition("#")
    page = browser.new_page()
    page.goto(f"{(tmp_path / name).as_uri()}#{place}")
    assert page.locator("[aria-selected=true]").inner_text() == "Predict"
    before = page.url
    page.keyboard.press("1")  # the first answer of the question
    page.wait_for_function("before => location.href !== before", arg=before)
    assert "answers=" in page.url  # what is handed in


def test_a_journey_that_fails_is_an_error(tmp_path: Path) -> None:
    broken = TOLD.Journey("broken", ["layered-paging report absent.npz --slots 3 -o x.html"], "")
    with pytest.raises(subprocess.CalledProcessError):
        TOLD.run(broken, tmp_path)
