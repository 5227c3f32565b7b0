"""A policy of one's own on the command line: ``FILE.py:CLASS`` wherever a policy is named."""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import traceback
from pathlib import Path

from ..core import registry
from ..errors import NotRegistered, ParameterError, PolicyError
from ..policies.names import find_policy

__all__ = ["blamed", "load", "loaded", "typed"]

OPTIONS = ("policy", "base", "against", "lower")  # of commands, each a policy or a list of them

_RUN: set[str] = set()  # the files that were run
_OWN = re.compile(r"(.+\.py):([A-Za-z_]\w*)(\(.*\))?", re.DOTALL)
_NAMED = re.compile(rf"{_OWN.pattern}|.+\.py", re.DOTALL)  # the second is refused, and says what is missing


def named(args: argparse.Namespace) -> list[str]:
    """Return all that the options of a command name as policies."""
    given = [getattr(args, option, None) for option in OPTIONS]
    return [text for value in given for text in ([value] if isinstance(value, str) else value or [])]


def loaded(args: argparse.Namespace) -> None:
    """Replace each policy of the form ``FILE.py:CLASS`` among the arguments by the name under which it is registered.

    ``args.own`` then holds the names by what was typed.
    """
    args.own = {text: load(text) for text in dict.fromkeys(named(args)) if _NAMED.fullmatch(text)}
    for option in OPTIONS:
        value = getattr(args, option, None)
        if isinstance(value, str):
            setattr(args, option, args.own.get(value, value))
        elif isinstance(value, list):
            setattr(args, option, [args.own.get(text, text) for text in value])


def typed(args: argparse.Namespace, policy: str) -> str:
    """Return what names a policy on the command line."""
    return next((text for text, name in getattr(args, "own", {}).items() if name == policy), policy)


def load(text: str) -> str:
    """Run the file, register the class if it did not register itself, and return its name; other texts stay.

    Only what the user names on the command line is run, never a name in a certificate or another data file.

    Raises
    ------
    ParameterError
        No such file, an error while it runs, or no such class in it.
    PolicyError
        The class lacks a method of a policy.
    """
    match = _OWN.fullmatch(text)
    if match is None and text.endswith(".py"):
        raise ParameterError(f"policy {text!r}: the class must be named, too, as in {text}:CLASS")
    if match is None:
        return text
    path, name, parameters = Path(match[1]), match[2], match[3] or ""
    if not path.is_file():
        raise ParameterError(f"policy {text!r}: no such file {match[1]}")
    spec = importlib.util.spec_from_file_location(f"_own_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    _RUN.add(str(spec.origin))
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ParameterError(f"policy {text!r}: the file fails; {type(error).__name__}: {error}") from None
    cls = getattr(module, name, None)
    if not isinstance(cls, type):
        raise ParameterError(f"policy {text!r}: {path.name} has no class {name}")
    missing = [method for method in ("hit", "miss", "victim") if not callable(getattr(cls, method, None))]
    if missing:
        raise PolicyError(f"policy {text!r}: a policy needs hit, miss and victim; it lacks {', '.join(missing)}")
    for entry in registry.entries("policy"):
        if entry.obj is cls:
            return entry.name + parameters
    own = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower().replace("_", "-")
    try:
        if Path(find_policy(own).source).resolve() != path.resolve():
            own = f"own-{own}"  # somebody else's policy has the name
    except NotRegistered:
        pass
    registry.register("policy", own)(cls)
    return own + parameters


def blamed(error: Exception) -> PolicyError | None:
    """Return what failed, and where, if an error came out of a file that ``load`` ran; None if it did not.

    The innermost function decides: a mistake of this package keeps its traceback.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or frames[-1].filename not in _RUN:
        return None
    last = frames[-1]
    return PolicyError(
        f"{last.filename} line {last.lineno}, in {last.name}: {type(error).__name__}: {error} (-v: with its traceback)"
    )
