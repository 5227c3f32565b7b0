"""The wheel holds what the checkout holds: same catalog, same sample, typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import layered_paging as lp

ROOT = Path(__file__).resolve().parent.parent
FULL = bool(os.environ.get("LAYERED_PAGING_FULL"))
LIST = "import json, layered_paging as lp; print(json.dumps([[e.kind, e.name, e.summary] for e in lp.catalog.collect()] + [[f.source, f.reason] for f in lp.catalog.failures()]))"


def run(*words: str | Path, cwd: Path | None = None) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV_"))}
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, cwd=cwd, env=clean, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it in a fresh environment; return its Python.

    The dependencies are lent from the present environment, or installed anew with LAYERED_PAGING_FULL=1.
    """
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("layered_paging-*.whl")
    venv.create(folder / "fresh", with_pip=True)
    python = folder / "fresh" / "bin" / "python"
    extra = [] if FULL else ["--no-deps"]
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *extra, wheel)
    if not FULL:
        site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        # a path added by a .pth file comes last, and .pth files in it (the editable install) are not read
        (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_is_what_is_imported(installed: Path, tmp_path: Path) -> None:
    where = run(installed, "-c", "import layered_paging as lp; print(lp.__file__)", cwd=tmp_path)
    assert str(installed.parent.parent) in where


def test_same_catalog_from_checkout_and_wheel(installed: Path, tmp_path: Path) -> None:
    here = json.loads(run(sys.executable, "-c", LIST, cwd=tmp_path))
    there = json.loads(run(installed, "-c", LIST, cwd=tmp_path))
    assert here == there
    kinds = {row[0] for row in here}
    assert "policy" in kinds
    assert len(here) > 20


def test_the_command_of_the_wheel_replays_its_sample(installed: Path, tmp_path: Path) -> None:
    sample = run(installed, "-c", "import layered_paging.samples as s; print(s.SAMPLE)", cwd=tmp_path).strip()
    command = installed.parent / "layered-paging"
    answer = json.loads(run(command, "replay", sample, "--slots", "48", "--policy", "lru", "--json", cwd=tmp_path))
    assert answer["runs"][0]["misses"] == lp.replay(lp.load_trace(sample), "lru", 48, engine="reference").misses


def test_the_wheel_knows_the_open_problems(installed: Path, tmp_path: Path) -> None:
    answer = json.loads(run(installed.parent / "layered-paging", "problems", "tightness", "--json", cwd=tmp_path))
    assert {"atlas", "theorem deterministic_lower"} <= {
        row[side] for row in answer["problems"][0]["sizes"] for side in ("below", "above")
    }


def test_the_wheel_writes_the_pages(installed: Path, tmp_path: Path) -> None:
    run(installed.parent / "layered-paging", "show", "--play", "-o", tmp_path / "play.html", cwd=tmp_path)
    assert (tmp_path / "play.html").read_text() == lp.report.play_page()
    words = ["show", "--sequence", "0,0 1,1", "--slots", "3", "-o", tmp_path / "replay.html"]
    run(installed.parent / "layered-paging", *words, cwd=tmp_path)
    assert "{{" not in (tmp_path / "replay.html").read_text()


def test_the_wheel_is_typed_and_licensed(installed: Path, tmp_path: Path) -> None:
    out = run(
        installed,
        "-c",
        "import importlib.metadata as m; d = m.distribution('layered-paging'); "
        "names = [str(f) for f in d.files]; print('layered_paging/py.typed' in names, any(n.endswith('LICENSE') for n in names))",
        cwd=tmp_path,
    )
    assert out.split() == ["True", "True"]


def test_the_wheel_has_the_theorems_and_nothing_that_was_made_of_them(installed: Path) -> None:
    where = (
        Path(run(installed, "-c", "import layered_paging as lp; print(lp.catalog.content_root())").strip()) / "proofs"
    )
    sources = {
        path.relative_to(where) for path in where.rglob("*") if path.suffix not in {".py", ".pyc"} and path.is_file()
    }
    here = ROOT / "proofs"
    assert sources == {
        path.relative_to(here)
        for s in ("*.v", "*.ml", "*.json.gz", "_CoqProject", "theorems.toml", "open/standing.json")
        for path in here.rglob(s)
    }
