"""Manners of the command line: completion in real shells, quiet pipes, quiet commands, tables as wide as the terminal."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging.cli import COMMANDS, main
from layered_paging.cli.common import table
from layered_paging.profiles.profile import Profile
from layered_paging.samples import SAMPLE

ROOT = Path(__file__).resolve().parent.parent
SPEED = ["--layer-compute", "1us", "--latency", "1us", "--bandwidth", "9MB", "--expert-bytes", "1MiB"]
SMALL = ["--layers", "1", "--experts", "2", "--slots", "1"]
FILES = ["-o", "new.html"]
# One quick call of each command, in a folder with the files of the fixture ``folder``; tables where it has any.
CALLS: dict[str, list[str]] = {
    "list": [],
    "replay": ["two.npz", "--slots", "1", "--policy", "lru", "--by", "layer"],
    "curve": ["two.npz", "--policy", "lru"],
    "diagnose": ["two.npz", "--slots", "1", "--against", "lru"],
    "plan": ["two.npz", "--slots", "1", "--against", "lru"],
    "clock": ["steps.csv", "others.csv"],
    "drive": [
        "many.npz",
        "--policy",
        "lru",
        "--file",
        "new.weights",
        "--slots",
        "2",
        "4",
        "8",
        "--expert-bytes",
        "4KiB",
        "--turns",
        "1",
        "--io",
        "buffered",
    ],
    "report": ["two.npz", "--slots", "1", "--against", "lru", *FILES],
    "evidence": ["many.npz", "--policy", "llru", "--slots", "2", "4"],
    "gap": ["two.npz", "--demand", "1", "--policy", "lru"],
    "show": ["two.npz", "--slots", "1", "--policy", "lru", *FILES],
    "record": ["no-such-model"],
    "optimum": ["two.npz", "--slots", "1", "--admission", "forced"],
    "formats": [],
    "inspect": ["two.npz"],
    "batch": ["many.npz", "--slots", "4"],
    "convert": ["two.npz", "new.jsonl"],
    "export": ["header", "-o", "new.h"],
    "ratio": ["lru", *SMALL],
    "atlas": ["--pages", "2", "--policy", "lru", "-o", "new"],
    "problems": [],
    "check": ["ratio.json"],
    "coupon": ["--experts", "2", "--collectors", "2"],
    "router": ["many.npz"],
    "profile": ["show", "one.json"],
    "prefetch": ["two.npz", "--slots", "1", "--predictor", "popularity", *SPEED],
    "attack": ["lru", "--with", "cyclic", *SMALL, "--rounds", "9"],
    "place": ["--generate", "--users", "1", "--servers", "1", "--layers", "1", "--experts", "1", "--top-k", "1"],
    "sweep": ["one.toml", "-o", "swept"],
    "new": ["policy", "my-thing"],
    "completion": ["bash"],
    "verify": ["belady-optimal"],
    "reproduce": ["no-such-paper"],
}
# The other end of the pipe is closed before anything is written, so that every write fails.
CLOSED = """
import json, os, sys
from layered_paging.cli import main
for words in json.loads(sys.argv[1]):
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, 1)
    os.close(writing)
    sys.stdout = open(1, "w", closefd=False)
    print(words[0], file=sys.stderr)
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        print("a write is left to the end", file=sys.stderr)
    print("code", code, file=sys.stderr)
sys.stdout = None
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lp.save_trace(lp.Trace([[[0]], [[1]], [[0]]], 2), "two.npz")
    lp.save_trace(lp.workloads.uniform(2, 4, 12, sessions=4, seed=1), "many.npz")
    Profile.of(lp.Trace([[[0]]], 2)).save("one.json")
    assert main(["ratio", "lru", *SMALL, "-o", "ratio.json"]) == 0
    steps = "wall_ms,io_ms,compute_ms,read_bytes,cache_hit_pct\n3,2,1,2000,0\n2,1,1,1000,0\n"
    Path("steps.csv").write_text(steps)
    Path("others.csv").write_text(steps.replace("3,2,1,2000", "4,3,1,3000"))
    Path("one.toml").write_text(
        "[traces]\none = 'two.npz'\n[[runs]]\nfunction = 'replay'\ntrace = 'one'\nset = {policy = 'lru', slots = 1}\n"
    )
    return tmp_path


def test_no_command_speaks_of_a_closed_pipe(folder: Path) -> None:
    calls = [[name, *CALLS.get(name, ["--help"])] for name in COMMANDS if name not in ("record", "reproduce")]
    assert set(CALLS) <= set(COMMANDS)
    done = subprocess.run([sys.executable, "-c", CLOSED, json.dumps(calls)], capture_output=True, text=True, check=True)
    said = done.stderr.splitlines()
    assert said == [line for words in calls for line in (words[0], "code 0")], done.stderr


@pytest.mark.parametrize("words", [["list"], ["formats"], ["replay", str(SAMPLE), "--slots", "24", "--by", "layer"]])
def test_head_takes_the_first_line_and_nothing_is_said(words: list[str]) -> None:
    command = " ".join([sys.executable, "-u", "-m", "layered_paging", *words, "| head -n 1"])
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


# completion


def script(shell: str, folder: Path) -> Path:
    path = folder / "_layered-paging"
    with path.open("w") as out:
        subprocess.run([sys.executable, "-m", "layered_paging", "completion", shell], stdout=out, check=True)
    return path


CASES = [
    ("rep", {"replay", "report", "reproduce"}),
    ("replay --pre", {"--prefill", "--predictions"}),
    ("replay sample.npz --policy llr", {"llru"}),
    ("replay sample.npz --slots 4 --policy lru sim", {"similar-rounds"}),
    ("replay --reset s", {"session"}),
    ("profile mer", {"merge"}),
    ("profile make --half", {"--half-life"}),
    ("curve sample.npz --format m", {"md"}),
    ("completion f", {"fish"}),
    ("list pol", {"policies"}),
]


def test_bash_completes(tmp_path: Path) -> None:
    (tmp_path / "sample.npz").touch()
    lines = [
        f"source {script('bash', tmp_path)}",
        "name=$(complete -p layered-paging | sed 's/.*-F \\([^ ]*\\).*/\\1/')",
    ]
    for typed, _ in [*CASES, ("replay samp", {"sample.npz"})]:
        words = ["layered-paging", *typed.split(" ")]
        lines.append(f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=(); $name")
        lines.append('echo "${COMPREPLY[*]}"')
    done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=True, cwd=tmp_path)
    offered = [set(line.split()) for line in done.stdout.splitlines()]
    for (typed, wanted), found in zip([*CASES, ("replay samp", {"sample.npz"})], offered, strict=True):
        assert wanted <= found and all(word.startswith(typed.split(" ")[-1]) for word in found), (typed, found)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(tmp_path: Path) -> None:
    lines = [f"source {script('fish', tmp_path)}"]
    cases = [case for case in CASES if "lru sim" not in case[0]]  # the first of several values only
    for typed, _ in cases:
        lines += [f"complete -C 'layered-paging {typed}'", "echo =="]
    done = subprocess.run(
        ["fish", "--no-config", "-c", "\n".join(lines)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    offered = [{line.split("\t")[0] for line in part.split("\n") if line} for part in done.stdout.split("==\n")[:-1]]
    for (typed, wanted), found in zip(cases, offered, strict=True):
        assert wanted <= found, (typed, found)  # fish also offers what holds the letters elsewhere


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes(tmp_path: Path) -> None:
    import pty

    script("zsh", tmp_path)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "COLUMNS": "120"})

    def shown(until: str, patience: float = 30.0) -> str:
        out, end = "", time.monotonic() + patience
        while until not in out and time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                out += os.read(terminal, 65536).decode(errors="replace")
        return out

    def send(text: str) -> None:
        os.write(terminal, text.encode())

    try:
        send(f"fpath=({tmp_path} $fpath); autoload -U compinit; compinit -u -D; echo rea''dy\r")
        assert "ready" in shown("ready")
        for typed, end in [("profile mer", "ge"), ("replay x --policy llr", "u"), ("replay x --reset sess", "ion")]:
            head, last = f"layered-paging {typed}".rsplit(" ", 1)
            send(f"echo '{head} {last}\x15{head} {last}\t")
            assert f"{last}{end}" in shown(f"{last}{end}"), typed
            send("\x15")
    finally:
        os.kill(process, 9)
        os.close(terminal)
        os.waitpid(process, 0)


# quiet


@pytest.mark.parametrize("place", ["before", "after"])
def test_quiet_says_nothing_but_the_answer(place: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["replay", "many.npz", "--slots", "4", "--policy", "lru", "--batch", "2"]
    assert main(words) == 0
    loud = capfd.readouterr()
    assert "batch of 2" in loud.err
    assert main([words[0], "-q", *words[1:]] if place == "before" else [*words, "--quiet"]) == 0
    assert capfd.readouterr() == (loud.out, "")


def test_quiet_still_says_errors(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "absent.npz", "--slots", "4", "-q"]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_a_home_that_cannot_be_written_is_no_matter_to_a_picture(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "layered_paging",
            "curve",
            str(SAMPLE),
            "--policy",
            "lru",
            "-o",
            str(tmp_path / "t.svg"),
        ],
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path / "file" / "in"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "t.svg").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_action_has_the_manners(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    actions = [[name]]
    if name == "profile":
        actions += [[name, action] for action in ("make", "show", "export", "merge", "compare", "drift", "judge")]
    for words in actions:
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        said = capsys.readouterr().out
        assert all(option in said for option in ("--json", "--format", "-v, --verbose", "-q, --quiet"))


@pytest.mark.parametrize("name", ["ratio", "plan", "replay", "check"])
@pytest.mark.parametrize("wide", [50, 100])
def test_help_is_as_wide_as_the_terminal(
    name: str, wide: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(wide))
    with pytest.raises(SystemExit):
        main([name, "--help"])
    said = capsys.readouterr().out.splitlines()
    words = f"{COMMANDS[name][0].upper()}{COMMANDS[name][1:]}.".split()
    assert words == " ".join(said).split()[said[0].count(" ") + 1 :][: len(words)]
    commands = ("  layered-paging ", "      -")  # to be copied as they are
    assert [line for line in said if len(line) > wide and not line.startswith(commands)] == []
    assert max(len(line) for line in said) > min(wide, 78) - 20


# tables


def shown_on(
    wide: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *what: object
) -> str:
    if wide is not None:
        monkeypatch.setenv("COLUMNS", str(wide))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    table(*what)  # type: ignore[arg-type]
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


NUMBERS = [[f"policy {n}", *(n * 10**6 + at for at in range(9))] for n in range(3)]


@pytest.mark.parametrize("wide", [40, 60, 80, 100, 160])
def test_a_table_is_as_wide_as_the_terminal(
    wide: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown_on(wide, monkeypatch, capsys, "", ["policy", *(f"column {n}" for n in range(9))], NUMBERS)
    assert max(map(len, text.splitlines())) <= wide
    numbers = re.findall(r"\b\d,\d{3},\d{3}\b|\b\d\b(?! *(?:policy|column))", text)
    assert {f"{value:,}" for row in NUMBERS[1:] for value in row[1:]} <= set(numbers)
    assert all(f"column {n}" in text for n in range(9))
    blocks = text.count("policy 2")
    assert (blocks == 1) == (wide == 160)


@pytest.mark.parametrize("wide", [50, 60, 80, 120])
def test_text_folds(wide: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a-name-of-some-length", "words " * 20, "some more of them", "author-2001, author-2002")]
    monkeypatch.setenv("COLUMNS", str(wide))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    table("", ["name", "what", "declares", "source"], rows, text=4)
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, text.splitlines())) <= wide
    assert text.count("words") == 20


def test_elsewhere_a_row_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = shown_on(None, monkeypatch, capsys, "", ["name", "text"], [["a", "words " * 90], ["b", "c"]])
    assert [line[0] for line in text.splitlines() if line] == ["n", "─", "a", "b"]
    assert "words " * 89 in text
    assert not re.search(r" $", text, re.MULTILINE)


# what is said of installing


def test_no_instruction_installs_what_no_index_has() -> None:
    """The package is on no index yet: an extra is one of a checkout, as in ``pip install '.[parquet]'``."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/**/*.py"), *ROOT.glob("papers/**/*.md")]
    files += [p for p in ROOT.glob("layered_paging/**/*") if p.suffix in (".py", ".md", ".txt", ".html", ".js", ".h")]
    lines = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in files
        if not {"_build", "generated", "_content"} & set(path.parts)
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"(pip|uv|pipx)3? (install|add)[^|#]*layered[-_]paging|layered[-_]paging\[", line)
    ]
    assert len(files) > 100
    assert lines == []


def test_every_option_of_every_command_says_what_it_is() -> None:
    from layered_paging.cli.parsing import actions, parser_of

    parser, _, _ = parser_of(COMMANDS, lambda name: True)
    options = [action for action in actions(parser) if action.option_strings]
    assert len(options) > 300
    assert [action.option_strings for action in options if not action.help] == []
