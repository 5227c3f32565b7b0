"""What ``layered-paging new`` writes works as it is: its tests pass in a process of their own, and can fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from layered_paging.cli import main
from layered_paging.errors import LayeredPagingError, ParameterError
from layered_paging.scaffold import KINDS, files_of, new

ROOT = Path(__file__).resolve().parent.parent


def installed(folder: Path, name: str) -> dict[str, str]:
    """Return an environment in which the package of a folder is installed, entry point and all."""
    info = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[layered_paging.content]\n{name} = {name.replace('-', '_')}\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


def outcome_of(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    return tried(folder, installed(folder, name))


def tried(folder: Path, environment: dict[str, str], only: str = "") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", only, "tests"]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["policy", "result", "plugin"])
def test_a_new_package_passes_its_own_tests(kind: str, tmp_path: Path) -> None:
    new(kind, "far-off", tmp_path)
    done = outcome_of(tmp_path / "far-off", "far-off")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_changed_in_one_place_is_told_of_the_other_and_runs_without_a_twin(tmp_path: Path) -> None:
    new("policy", "far-off", tmp_path)
    home = tmp_path / "far-off"
    assert "`far_off/twins/far_off.py`" in (home / "README.md").read_text()
    path, test = home / "far_off" / "policy.py", home / "tests" / "test_policy.py"
    path.write_text(path.read_text().replace("return max(candidates", "return min(candidates"))
    environment = installed(home, "far-off")
    done = tried(home, environment, "twin")
    assert done.returncode == 1 and "decide differently: change both, or delete twins/ and this test" in done.stdout
    shutil.rmtree(home / "far_off" / "twins")
    test.write_text(re.sub(r"def test_the_twin_counts_alike.*?\n\n\n", "", test.read_text(), flags=re.DOTALL))
    done = tried(home, environment, "not refuses")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_its_tests_can_fail(tmp_path: Path) -> None:
    new("claim", "far-off", tmp_path)
    path = tmp_path / "far-off" / "far_off" / "claim.py"
    path.write_text(path.read_text().replace('control={"more": 0}', 'control={"more": 2}'))
    done = outcome_of(tmp_path / "far-off", "far-off")
    assert done.returncode == 1 and "was not refuted" in done.stdout


def test_names_are_put_in_everywhere() -> None:
    for kind in KINDS:
        for path, text in files_of(kind, "deep-blue-sea").items():
            assert not re.search(r"my.?thing", (path + text).lower())
            if path.endswith(".py"):
                compile(text, path, "exec")
    assert "class DeepBlueSea" in files_of("policy", "deep-blue-sea")["deep_blue_sea/policy.py"]


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(LayeredPagingError, match="is there already"):
        new("policy", "mine", tmp_path)
    assert list((tmp_path / "mine").iterdir()) == []
    for name in ("Mine", "my policy", "../mine", "class", "1st", ""):
        with pytest.raises(ParameterError, match="lower-case words"):
            new("policy", name, tmp_path)
    with pytest.raises(ParameterError, match="kind must be one of"):
        new("poem", "mine", tmp_path)


def test_the_pages_show_the_same_files() -> None:
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "how-to" / "contribute").glob("*.md"))
    for path in (ROOT / "layered_paging" / "scaffold" / "files").glob("[!tpR]*.py.txt"):
        assert f"scaffold/files/{path.name}" in pages, path.name


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "format", "my-log", "--in", str(tmp_path)]) == 0
    assert "my_log/format.py" in capsys.readouterr().out
    assert main(["new", "format", "my-log", "--in", str(tmp_path)]) == 2
