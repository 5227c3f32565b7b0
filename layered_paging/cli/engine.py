"""The option ``--engine``: recommend only what an engine ships, in its words."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import ParameterError

__all__ = ["add_engine_option", "engine_note", "print_engine", "tried"]


def add_engine_option(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument("--engine", metavar="NAME", help="recommend only what this engine ships, such as llama.cpp")


def tried(args: argparse.Namespace, usual: tuple[str, ...]) -> list[str]:
    """Return the policies to compare with: those given, else those of the engine, else the usual ones.

    Raises
    ------
    ParameterError
        Both policies and an engine are given.
    """
    from ..plan.engines import policies_of

    if args.engine is not None and args.against is not None:
        raise ParameterError("give --against or --engine, one of them")
    return args.against or policies_of(args.engine, list(usual))


def engine_note(engine: str | None, found: dict[str, Any]) -> dict[str, Any]:
    """Return, as JSON holds it, the engine and how the best policy is switched on there; nothing without an engine."""
    from ..plan.engines import ENGINES, knob_of

    if engine is None:
        return {}
    best, there = found["best"], ENGINES[engine]
    return {"engine": {"name": engine, "policy": best, "knob": knob_of(engine, best), "beside": there.beside}}


def print_engine(answer: dict[str, Any]) -> None:
    """Print how the best policy is switched on, and what the counts leave out."""
    said = answer.get("engine")
    if said is not None:
        how = f"{said['knob']}" if said["knob"] else "not shipped there"
        print(f"- In {said['name']}, {said['policy']} is: {how}. Not in the counts: {said['beside']}.")
