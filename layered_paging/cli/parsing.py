"""How the command line is parsed: one parser a command, and the options that every command takes."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NoReturn

from ..core.registry import close_to, nearest
from ..errors import NotRegistered, ParameterError

__all__ = [
    "Help",
    "actions",
    "add_manners",
    "check_needs",
    "check_policy_place",
    "complain",
    "misread",
    "module_of",
    "named",
    "parser_of",
    "sentence",
]

_HOMES = {"list": "listing"}  # a module named list would hide the built-in there
_LONGEST = 2000  # characters of an error line


def complain(prog: str, message: str) -> None:
    """Print one line to standard error, whatever the message holds."""
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message)
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
    if sys.stderr is not None:
        print(f"{prog}: {line}", file=sys.stderr)


class Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal, 78 columns at most: prose and headings are folded, commands stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        return "\n".join(line if line[:1].isspace() else textwrap.fill(line, min(width, 78)) for line in lines)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def start_section(self, heading: str | None) -> None:
        """Begin a group of options."""
        super().start_section(None if heading is None else textwrap.fill(heading, self._width - 1))


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and for which ``-1GB`` is a value and no option."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._negative_number_matcher = re.compile(r"^-\.?\d")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            command = isinstance(action, argparse._SubParsersAction)
            said = f"unknown {action.dest if command else 'value'} {str(value)!r}; {nearest(str(value), known)}"
            raise argparse.ArgumentError(None if command else action, said)

    def error(self, message: str) -> NoReturn:
        """Print the mistake and where to read on, then leave with 2."""
        flag, colon, said = message.removeprefix("argument ").partition(": ")
        told = f"{flag} {said}" if colon and said.startswith("must ") else f"{flag}{colon}{said}"
        complain(self.prog, f"{told} (see {self.prog} --help)")
        raise SystemExit(2)


def module_of(command: str) -> ModuleType:
    """Return the module of a command."""
    return importlib.import_module(f"..{_HOMES.get(command, command)}", __name__)


def add_manners(parser: argparse.ArgumentParser, *, below: bool = False) -> None:
    """Add the options that every command takes; ``below`` is for the actions of a command."""
    from .options import MANNERS, add

    add(parser, *(option(default=argparse.SUPPRESS) if below else option for option in MANNERS))


def sentence(summary: str) -> str:
    """Return a line of help as a sentence."""
    return summary[0].upper() + summary[1:] + "."


def parser_of(
    commands: Mapping[str, str], wanted: Callable[[str], bool]
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser, ModuleType | None]:
    """Return a parser of all commands, in which only the wanted ones have their options.

    Parameters
    ----------
    commands : mapping
        From command to one line of help.
    wanted : callable
        Says of a name whether the module of that command is imported.

    Returns
    -------
    parser, sub, module
        The parser; the parser and the module of the last wanted command (the parser itself and None without one).
    """
    parser = _Parser(
        prog="layered-paging",
        description="Paging in layered caches: replay, optima, exact ratios, certificates.",
        epilog="Every command takes --json, --format, -v, -q and --help (with examples).",
    )
    parser.add_argument("--version", action="version", version=_version())
    below = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    mine: argparse.ArgumentParser = parser
    module: ModuleType | None = None
    for name, summary in commands.items():
        sub = below.add_parser(
            name,
            help=summary,
            description=sentence(summary),
            formatter_class=Help,
            add_help=False,
        )
        if wanted(name):
            mine, module = sub, module_of(name)
            module.configure(sub)
            add_manners(sub)
            bare = [(str(a.metavar or a.dest).upper(), a.nargs) for a in sub._actions if not a.option_strings]
            first = [f"[{word}]" if nargs in ("?", "*") else word for word, nargs in bare]
            sub.usage = " ".join([sub.prog, *first, "[options]"])
    return parser, mine, module


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options of a parser and of those below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from actions(below)
        yield action


def named(parser: argparse.ArgumentParser) -> Callable[[str, object], str | None]:
    """Return what names a parameter of Python as the options of a command do; None where no option sets it.

    With a value: the option with the value, and None where the option does not take it.
    """
    of: dict[str, argparse.Action] = {}
    for action in actions(parser):
        flag = next((flag for flag in action.option_strings if flag.startswith("--")), None)
        if flag is not None:
            own = flag[2:].replace("-", "_")
            of |= dict.fromkeys((own, *getattr(action, "sets", ())), action)

    def name(parameter: str, value: object) -> str | None:
        action = of.get(parameter)
        if action is None or (value is not None and action.choices is not None and value not in action.choices):
            return None
        flag = next(flag for flag in action.option_strings if flag.startswith("--"))
        return flag if value is None or value is True else f"{flag} {value}"

    return name


def check_needs(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse an option that means nothing without another one, which was not given."""
    known = {flag: action for action in actions(parser) for flag in action.option_strings}
    for action in dict.fromkeys(known.values()):
        needed = getattr(action, "needs", "")
        if needed and getattr(args, action.dest, action.default) != action.default:
            other = known[needed]
            if getattr(args, other.dest, other.default) in (None, False, []):
                raise ParameterError(f"{action.option_strings[-1]} goes with {needed}")


def misread(parser: argparse.ArgumentParser, module: ModuleType, left: list[str]) -> str:
    """Return what to say of the words that a parser could not place: the right call, where it can be told.

    Parameters
    ----------
    parser, module
        Of the command.
    left : list of str
        What is left of the words.
    """
    flag = next((word.partition("=")[0] for word in left if word.startswith("--")), None)
    refused: Mapping[str, str] = getattr(module, "REFUSES", {})
    if flag is not None and flag in refused:
        return f"{flag}: {refused[flag]}"
    known = [flag for action in actions(parser) for flag in action.option_strings if flag.startswith("--")]
    if flag is not None:
        return f"unknown option {flag}; {nearest(flag, known)}" if close_to(flag, known) else f"unknown option {flag}"
    if "--policy" in known and _is_policy(left[0]):
        return f"unrecognized arguments: {' '.join(left)}; policies are named by --policy {' '.join(left)}"
    if any(action.dest == "policy" and not action.option_strings for action in actions(parser)) and _is_policy(left[0]):
        return f"unrecognized arguments: {' '.join(left)}; one policy at a time"
    return f"unrecognized arguments: {' '.join(left)}"


def check_policy_place(parser: argparse.ArgumentParser, words: list[str]) -> None:
    """Leave with the right call where ``--policy`` is typed for a command whose policy is its first word."""
    at = next((n for n, word in enumerate(words) if word.partition("=")[0] == "--policy"), None)
    if at is None or not any(action.dest == "policy" and not action.option_strings for action in parser._actions):
        return
    value = words[at].partition("=")[2]
    after = words[at + 1 :] if value else words[at + 2 :]
    given = value or "".join(words[at + 1 : at + 2]) or "POLICY"
    right = shlex.join([*parser.prog.split(), given, *words[1:at], *after])
    parser.error(f"the policy is the first word, without --policy: {right}")


def _is_policy(word: str) -> bool:
    from ..policies.names import find_policy

    try:
        find_policy(word.partition("(")[0])
    except NotRegistered:
        return False
    return True


def _version() -> str:
    from ..core.version import __version__

    return f"layered-paging {__version__}"
