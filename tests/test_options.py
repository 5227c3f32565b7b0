"""The options of the command line: each is declared once, has a heading, and its help fits a terminal."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging.cli import COMMANDS, main
from layered_paging.cli.options import Group, Option, add
from layered_paging.cli.parsing import actions, parser_of
from layered_paging.samples import SAMPLE

CLI = Path(lp.__file__).parent / "cli"
ROOT = CLI.parent.parent


def declared(source: str) -> Iterator[str]:
    """Yield each option string that a source declares: the first arguments of ``Option`` and of ``add_argument``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("Option", "add_argument", "_rule"):
                flags = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                yield from (flag for flag in flags if isinstance(flag, str) and flag.startswith("-"))


def test_each_option_is_declared_once() -> None:
    counts = Counter(flag for path in sorted(CLI.glob("*.py")) for flag in declared(path.read_text()))
    assert len(counts) > 150
    assert {flag: n for flag, n in counts.items() if n > 1} == {}
    known, _, _ = parser_of(COMMANDS, lambda name: True)
    flags = {flag for action in actions(known) for flag in action.option_strings}
    assert flags <= {*counts}, sorted(flags - {*counts})


def test_a_second_declaration_is_found() -> None:
    twice = "Option('--slots', group=g)\nparser.add_argument('-o', '--slots', type=int)"
    assert Counter(declared(twice)) == {"--slots": 2, "-o": 1}


def test_options_are_added_by_one_function() -> None:
    calls = [
        (path.name, node.lineno)
        for path in sorted(CLI.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument"
    ]
    assert [name for name, _ in calls] == ["options.py", "parsing.py"]  # the second is --version, of the program


def test_a_change_stays_with_the_command_that_made_it() -> None:
    option = Option("--least", group=Group.INPUT, type=int, default=3, help="at least")
    parser = argparse.ArgumentParser()
    add(parser, option(default=None, nargs="+", group=Group.OUTPUT))
    assert parser.parse_args([]).least is None
    assert parser.parse_args(["--least", "1", "2"]).least == [1, 2]
    plain = argparse.ArgumentParser()
    add(plain, option)
    assert (plain.parse_args([]).least, option.group) == (3, Group.INPUT)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_under_headings_in_order(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if len(line) > 80] == []
    headings = [line[:-1] for line in out.splitlines() if line.removesuffix(":") in list(Group) and line.endswith(":")]
    assert headings == [str(group) for group in Group if str(group) in headings]
    assert headings[-1] == "output"
    assert "\noptions:" not in out


# what an example needs that is not shipped: runs of an engine, a model, a study
FOREIGN = {"clock", "record", "sweep"}


def examples(command: str) -> list[list[str]]:
    """Return the words of each call under the heading "examples" of a command's help."""
    _, parser, _ = parser_of(COMMANDS, lambda name: name == command)
    found = re.search(r"^examples:\n((?:  .*\n)+)", parser.epilog or "", re.MULTILINE)
    calls = "" if found is None else found[1].replace("\\\n", " ")
    return [shlex.split(line) for line in calls.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_of_a_help_text_run(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shipped in ("layered_paging", "docs"):
        (tmp_path / shipped).symlink_to(ROOT / shipped)
    monkeypatch.chdir(tmp_path)
    calls = examples(command)
    assert bool(calls) is (command not in FOREIGN)
    for words in calls:
        assert words[:2] == ["layered-paging", command]
        assert main(words[1:]) == 0, (words, capsys.readouterr().err)
        assert capsys.readouterr().out


TRACE = str(SAMPLE)
SIZE = ["--layers", "2", "--experts", "3", "--slots", "4"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["repaly", TRACE], "unknown command 'repaly'; did you mean 'replay'?"),
        (["profile", "drfit"], "unknown action 'drfit'; did you mean 'drift'?"),
        (["list", "policy"], "what: unknown value 'policy'; did you mean 'policies'?"),
        (["list", "--format", "cvs"], "--format: unknown value 'cvs'; did you mean 'csv'?"),
        (["replay", TRACE, "--slots", "9", "--polcy", "lru"], "unknown option --polcy; did you mean '--policy'?"),
        (["replay", TRACE, "--slots", "9", "--zzzz"], "unknown option --zzzz ("),
        (["replay", TRACE, "llru", "--slots", "9"], "policies are named by --policy llru"),
        (["replay", TRACE, "words", "--slots", "9"], "unrecognized arguments: words ("),
        (["ratio", "lru", "llru", "--layers", "2", "--experts", "2", "--slots", "2"], "llru; one policy at a time ("),
        (["ratio", "--policy", "lru", *SIZE], f"without --policy: layered-paging ratio lru {' '.join(SIZE)} ("),
        (
            ["ratio", *SIZE, "--policy=lru(x=1)"],
            f"without --policy: layered-paging ratio 'lru(x=1)' {' '.join(SIZE)} (",
        ),
        (["attack", "--policy"], "without --policy: layered-paging attack POLICY ("),
    ],
)
def test_a_word_that_is_not_known_gets_the_nearest_or_the_right_call(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", TRACE, "--slots", "9", "--window", "8"], "--window goes with --over-time"),
        (["replay", TRACE, "--slots", "9", "--sample", "2"], "--sample goes with --stream"),
        (["router", TRACE, "--slots", "9"], "--slots goes with --map"),
        (["check", "absent.json", "--first", "4"], "--first goes with --trace"),
        (["show", TRACE, "--slots", "9", "--experts", "4"], "--experts goes with --sequence"),
        (["sweep", "absent.toml", "-o", "new", "--retry"], "--retry goes with --resume"),
    ],
)
def test_an_option_is_refused_without_the_one_it_goes_with(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err == f"layered-paging {words[0]}: {said}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", TRACE, "--engine", "llamacpp"], "unknown engine 'llamacpp'; did you mean 'llama.cpp'?"),
        (["verify", "belady-optimum"], "no claim matches 'belady-optimum'; did you mean 'belady-optimal'?"),
        (["place", "--generate", "--algorithm", "bst"], "unknown algorithm 'bst'; did you mean 'best'?"),
        (["attack", "lru", "--with", "ciclic", *SIZE], "unknown adversary 'ciclic'; did you mean 'cyclic'?"),
        (["ratio", "LLRUU", *SIZE], "unknown policy 'LLRUU'; did you mean 'llru'?"),
        (["problems", "tightnes"], "unknown problem 'tightnes'; did you mean 'tightness'?"),
        (
            ["optimum", TRACE, "--slots", "9", "--admission", "forced", "--solver", "hihgs"],
            "got 'hihgs'; did you mean 'highs'?",
        ),
    ],
)
def test_a_name_that_is_looked_up_gets_the_nearest(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_latex_says_once_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", TRACE, "--slots", "9", "--policy", "lru", "--by", "layer", "--format", "tex"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("% needs \\usepackage{booktabs}\n\\begin{tabular}")
    assert out.count("booktabs") == 1 < out.count("\\toprule")


def test_a_list_in_a_pipe_is_a_line_for_each_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "policies"]) == 0
    first, *rest = capsys.readouterr().out.rstrip("\n").split("\n")
    assert first == f"{len(rest)} policies" and len(rest) > 20
    assert all(": " in line and "  " not in line for line in rest)
    assert main(["formats"]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert max(map(len, lines)) < 300 and not any(line.endswith(" ") for line in lines)


def test_formats_names_a_file_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("no trace\n")
    main(["formats", str(path)])
    assert capsys.readouterr().out.count("words.txt") == 1
