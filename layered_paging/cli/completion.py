"""``layered-paging completion``."""

from __future__ import annotations

import argparse
from typing import Any

from .. import catalog
from . import COMMANDS
from .options import Group, Option, add
from .parsing import actions, parser_of

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = """examples:
  layered-paging completion bash

for good:
  layered-paging completion bash > \\
      ~/.local/share/bash-completion/completions/layered-paging
  layered-paging completion zsh > ~/.zfunc/_layered-paging
      (with fpath+=~/.zfunc before compinit in ~/.zshrc)
  layered-paging completion fish > \\
      ~/.config/fish/completions/layered-paging.fish

for this shell only:
  eval "$(layered-paging completion bash)"
"""
_POLICIES = ("policy", "against", "base", "lower")  # options whose values are policies
_FILES = ("FILE", "TRACE", "SPEC", "PROFILE", "IN", "OUT", "WEIGHTS")  # what the help calls a file


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add(parser, Option("shell", group=Group.INPUT, choices=SHELLS, help="the shell that completes"))
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the script."""
    import shtab

    parser, _, _ = parser_of(COMMANDS, lambda name: True)
    policies = [entry.name for entry in catalog.collect() if entry.kind == "policy"]
    for action in actions(parser):
        what = str(action.metavar or action.dest).upper()
        if isinstance(action, argparse._SubParsersAction) or action.nargs == 0:
            continue
        if action.choices is not None:
            action.choices = tuple(action.choices)
        elif action.dest in _POLICIES:
            action.choices = policies
        elif what == "FOLDER" or what in _FILES:
            action.complete = shtab.DIRECTORY if what == "FOLDER" else shtab.FILE  # type: ignore[attr-defined]
    return {"shell": args.shell, "script": shtab.complete(parser, args.shell)}


def show(answer: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the script."""
    print(answer["script"])
