"""The options of the command line: each is declared once, has a heading, and its help fits a terminal."""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging.cli import COMMANDS, main
from layered_paging.cli.common import actions
from layered_paging.cli.options import Group, Option, add
from layered_paging.cli.parsing import parser_of

CLI = Path(lp.__file__).parent / "cli"


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
def test_help_has_headings_in_order(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    out = capsys.readouterr().out
    headings = [line[:-1] for line in out.splitlines() if line.removesuffix(":") in list(Group) and line.endswith(":")]
    assert headings == [str(group) for group in Group if str(group) in headings]
    assert headings[-1] == "output"
    assert "\noptions:" not in out
