"""Cases that people stumbled over: one folder each, with input, commands and what they must print (see gauntlet/README.md)."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from layered_paging.cli import main

GAUNTLET = Path(__file__).parent / "gauntlet"
CASES = sorted(path.parent.name for path in GAUNTLET.glob("*/case.toml"))
KEYS = {"need", "source", "needs", "step"}
STEP = {"run", "code", "says", "never"}
MISSING = {
    "root": lambda: None if os.geteuid() == 0 else "only the superuser can become another user",
    "SITE": lambda: None if "SITE" in os.environ else "SITE must name a site-packages folder that all may read",
    "torch": lambda: None if importlib.util.find_spec("torch") else "needs torch and transformers",
    "pyarrow": lambda: None if importlib.util.find_spec("pyarrow") else "needs pyarrow",
}


def read(name: str) -> dict[str, Any]:
    case: dict[str, Any] = tomllib.loads((GAUNTLET / name / "case.toml").read_text())
    return case


def played(line: str) -> tuple[int, str]:
    """Run one of our commands in this process, anything else by a shell; return the exit code and all that was printed."""
    if line.startswith("layered-paging "):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                code = main(shlex.split(line)[1:])
            except SystemExit as leaving:
                code = int(leaving.code or 0)
        return code, out.getvalue()
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": paths, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = read(name)
    for need in case.get("needs", []):
        reason = MISSING[need]()
        if reason is not None:
            pytest.skip(reason)
    folder = tmp_path / name
    shutil.copytree(GAUNTLET / name, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "400")
    for step in case["step"]:
        code, printed = played(step["run"])
        words = " ".join(printed.split())
        assert code == step.get("code", 0), f"{step['run']}\nexit code {code}\n{printed}"
        for text in step.get("says", []):
            assert " ".join(text.split()) in words, f"{step['run']}\nmust say {text!r}\n{printed}"
        for text in step.get("never", []):
            assert text not in printed, f"{step['run']}\nmust never say {text!r}\n{printed}"


def test_cases_are_written_as_the_page_says() -> None:
    assert len(CASES) >= 30
    for folder in GAUNTLET.iterdir():
        if folder.is_dir():
            case = read(folder.name)
            assert set(case) <= KEYS and case["need"] and case["source"] and case["step"], folder.name
            assert set(case.get("needs", [])) <= set(MISSING), folder.name
            for step in case["step"]:
                assert set(step) <= STEP and step["run"], folder.name
                assert (
                    step.get("says")
                    or step.get("never")
                    or not step["run"].startswith("layered-paging ")
                    or (step is not case["step"][-1])
                    or len(case["step"]) > 1
                ), f"{folder.name}: a case must expect something"
