"""How the command line is parsed: one parser a command, and the options that every command takes."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NoReturn

__all__ = ["add_manners", "complain", "module_of", "parser_of"]

_HOMES = {"list": "listing"}  # a module named list would hide the built-in there
_LONGEST = 2000  # characters of an error line


def complain(prog: str, message: str) -> None:
    """Print one line to standard error, whatever the message holds."""
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message)
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
    if sys.stderr is not None:
        print(f"{prog}: {line}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and for which ``-1GB`` is a value and no option."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._negative_number_matcher = re.compile(r"^-\.?\d")

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
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
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


def _version() -> str:
    from ..core.version import __version__

    return f"layered-paging {__version__}"
