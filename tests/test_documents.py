"""Every code block of the documents runs, and prints what it says.

Python blocks of a file share one namespace.  In console blocks, lines that begin with ``$`` are
run, and must succeed unless they end in ``# refused``; what follows is compared with the output (``...``
stands for anything).  A plain ``layered-paging`` command is called in this process, which spares its start; whatever
needs a shell, or makes processes of its own, gets one.  Blocks that
name ``$TRACES`` need the optional real traces and are skipped, saying so, where they are absent; so
are documents that say ``<!-- needs torch -->`` where torch and transformers are.  Commands that need Coq run with the theorems
(``make theorems``), and the rest of their documents with them.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from layered_paging import catalog, cli
from layered_paging.core import registry
from layered_paging.theorems import available

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("layered_paging/**/*.md"),
        *ROOT.glob("papers/**/*.md"),
    ]
    if "generated" not in path.parts
    if BLOCK.search(path.read_text())
)


REFUSED = "# refused"  # at the end of a command that must fail; every other one must not


PLAIN = re.compile(r"layered-paging (?!sweep|atlas|reproduce|record|drive|place)[^|;&<>$*`]*")


def called(command: str) -> tuple[int, str]:
    """Run a plain command in this process, in the current folder; return its exit code and what it said."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(shlex.split(command.replace("\\\n", " "), comments=True)[1:])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, out.getvalue() + err.getvalue()


PROGRESS = re.compile(
    r"^[^\n]+ for \d+ s, (?:[^\n]+ so far|done \d+ of)[^\n]*\n", re.MULTILINE
)  # told after ten seconds, on a busy machine


def ran(command: str, folder: Path, traces: Path | None) -> str:
    """Run a command and return what it said; raise where it fails and must not, or must and does not."""
    code, said = called(command) if PLAIN.fullmatch(command) else shell(command, folder, traces)
    assert (code != 0) == command.rstrip().endswith(REFUSED), f"$ {command}\nexit code {code}\n{said}"
    return PROGRESS.sub("", said)


def shell(command: str, folder: Path, traces: Path | None) -> tuple[int, str]:
    """Run a command by a shell in a folder; return its exit code and what it said."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    if traces is not None:
        environment["TRACES"] = str(traces)
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def squeeze(text: str) -> str:
    """Drop trailing blanks and empty lines, and draw every rule alike."""
    return "".join(re.sub("─+", "─", line.rstrip()) + "\n" for line in text.splitlines() if line.strip())


COQ = re.compile(r'verify "theorem-|--verified|--kernel')


@pytest.mark.parametrize("name", DOCUMENTS)
def test_blocks_run(name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    run_blocks(name, tmp_path, request, monkeypatch)


@pytest.mark.skipif(available() is not None, reason=f"no theorem was checked: {available()}")
@pytest.mark.parametrize(
    "name",
    [
        name
        for name in DOCUMENTS
        if any(COQ.search(code) for kind, code in BLOCK.findall((ROOT / name).read_text()) if kind == "console")
    ],
)
def test_blocks_that_need_coq(
    name: str, compiled: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERED_PAGING_THEOREMS", str(compiled))
    run_blocks(name, tmp_path, request, monkeypatch, coq=True)


def run_blocks(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, coq: bool = False
) -> None:
    """Run the blocks of a document, those of commands that need Coq only if that is said."""
    text = (ROOT / name).read_text()
    if "<!-- needs torch -->" in text:
        pytest.importorskip("torch")
        pytest.importorskip("transformers")
    traces = request.getfixturevalue("traces") if "$TRACES" in text else None
    for entry in ("layered_paging", "papers", "tests", "docs"):
        (tmp_path / entry).symlink_to(ROOT / entry)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setitem(sys.modules, "__main__", sys.modules[__name__])
    catalog.collect()  # what a block registers ends with the test, and may have been copied into a file
    table = {key: entry for key, entry in registry._table.items() if key != ("policy", "my-mru")}
    monkeypatch.setattr(registry, "_table", table)
    names: dict[str, Any] = {"__name__": "document"}
    for kind, code in BLOCK.findall(text):
        if re.search(r"^(\$ )?make |&& make ", code, re.MULTILINE):
            continue
        if kind == "python":
            if ">>>" in code:
                runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
                test = doctest.DocTestParser().get_doctest(code, names, name, name, 0)
                said: list[str] = []
                runner.run(test, out=said.append, clear_globs=False)
                names = test.globs
                assert not runner.failures, "".join(said)
            else:
                exec(compile(code.replace("from ..", "from layered_paging."), name, "exec"), names)
            continue
        for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
            lines = part.split("\n")
            end = next(i for i, line in enumerate(lines) if not line.endswith("\\"))
            command, expected = "\n".join(lines[: end + 1]), "\n".join(lines[end + 1 :])
            if COQ.search(command) and not coq:
                continue
            found = ran(command, tmp_path, traces)
            assert "Traceback" not in found, found
            if expected.strip():
                same = doctest.OutputChecker().check_output(
                    squeeze(expected), squeeze(found), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
                )
                assert same, f"$ {command}\n--- expected\n{expected}\n--- found\n{found}"


def test_the_shares_that_are_told_are_the_results() -> None:
    folder = ROOT / "papers" / "angelopoulos_marchal_obrecht_simon_2025" / "results"
    text = (ROOT / "docs" / "findings" / "beyond-llru.md").read_text()
    told = json.loads((folder / "beats-llru.json").read_text())["ours"]
    assert "33.0%" in told and "49.8%" in told and "16.3%" in told and "stamp 18.2%" in told, told
    assert (
        "traces that it was not tuned on | nearly a third of the gap" in text
        and "other sessions of a model that it was tuned on | half of the gap" in text
        and "a short trace of a model that it was not tuned on | 16 % of the gap" in text
        and "`stamp`, a rule with two numbers per page | traces that it was not tuned on | 18 % of the gap" in text
    )


def test_every_finding_is_in_the_list_and_on_one_page() -> None:
    folder = ROOT / "docs" / "findings"
    listed = re.findall(r"^\| \[[^]]+\]\(([a-z-]+\.md)\) \|", (folder / "index.md").read_text(), re.MULTILINE)
    pages = {path.name: path.read_text() for path in folder.glob("*.md") if path.name != "index.md"}
    assert sorted(listed) == sorted(pages)
    assert all(text.startswith("# ") and len(text.splitlines()) <= 50 for text in pages.values())
