"""The option ``--engine``: recommend only what an engine ships, in its words."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import ParameterError

__all__ = ["engine_note", "print_engine", "tried"]


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
    from ..plan.engines import ENGINES, knob_of, not_there

    if engine is None:
        return {}
    best, there = found["best"], ENGINES[engine]
    near = there.policies[best].faithful if best in there.policies else ""
    knob = knob_of(engine, best)
    told = {"name": engine, "policy": best, "knob": knob, "faithful": near, "beside": there.beside}
    return {"engine": {**told, "in_use": not_there(engine, found["policy"])}}


def print_engine(answer: dict[str, Any]) -> None:
    """Print how the best policy is switched on, and what the counts leave out.

    Without an engine: whether any engine ships the best policy, and else the best that one ships.
    """
    said = answer.get("engine")
    if said is None:
        _print_shipped(answer.get("diagnosis", answer))
    else:
        how = f"{said['knob']}" if said["knob"] else "not shipped there"
        near = f" How near it is here: {said['faithful']}." if said["faithful"] else ""
        print(f"- In {said['name']}, {said['policy']} is: {how}.{near} Not in the counts: {said['beside']}.")
        if said["in_use"]:
            print(f"- {said['in_use']}.")


def _print_shipped(found: dict[str, Any]) -> None:
    from ..plan.engines import engines_of

    if found["best"] == found["policy"] or engines_of(found["best"]):
        return
    others = sorted(
        (misses, name) for name, misses in found["by_policy"].items() if misses is not None and engines_of(name)
    )
    if not others or others[0][1] == found["policy"]:
        there = "of those tried, none that an engine ships misses less"
    else:
        misses, name = others[0]
        less = (found["misses"] - misses) / found["misses"]
        by = engines_of(name)[0]
        there = f"of those tried, the best that one ships is {name}, with {100 * less:.1f} % fewer misses ({by['engine']}: {by['knob']})"
        if less <= 0:
            there = "of those tried, none that an engine ships misses less"
    print(f"- No engine that is listed ships {found['best']}: it is code to write; {there}.")
