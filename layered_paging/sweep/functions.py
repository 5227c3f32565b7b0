"""What a job may call: the functions by name, with the arguments that each takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

from ..core.instance import integer
from ..core.registry import find
from ..core.rules import ADMISSIONS, EVENTS, POOLS, PREFILLS, RESETS, TIES, choice
from ..edge.bound import BOUNDS
from ..edge.placing import ALGORITHMS
from ..errors import ParameterError
from ..policies.names import resolve

__all__ = ["FUNCTIONS", "Argument", "Function", "asks_for", "check_value"]

WORK = 10**9  # requests or draws that one job may ask for
MEMORY = 1 << 30  # bytes that the graph of one exact ratio may take, unless the spec says otherwise


@dataclass(frozen=True)
class Argument:
    """What one argument may be.

    Attributes
    ----------
    kind : str
        "int", "ints" (an int or a list of them), "bool", "choice", "policy", "adversary", "costs".
    least, most : int
        Range of an int, or of each of them.
    choices : tuple of str
    required : bool
    """

    kind: str
    least: int = 0
    most: int = 2**31 - 1
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True)
class Function:
    """A function that jobs may call.

    Attributes
    ----------
    call : callable
        ``call(trace, arguments)`` returns a plain dict; ``trace`` is None where none is taken.
    arguments : mapping
    trace, seeded : bool
        Whether it takes a trace, and a seed.
    work : tuple of str
        Arguments whose product is the requests or draws of a job, at most ``WORK``.
    """

    call: Callable[[Any, dict[str, Any]], dict[str, Any]]
    arguments: Mapping[str, Argument]
    trace: bool = False
    seeded: bool = False
    work: tuple[str, ...] = field(default=())


def check_value(where: str, argument: Argument, value: Any) -> None:
    """Raise ``ParameterError`` unless ``value`` may be given for ``argument``; ``where`` starts the message."""
    kind = argument.kind
    if kind == "costs" and value == "bytes":
        return
    if kind in ("int", "ints", "costs"):
        if isinstance(value, list) and kind != "int":
            if not 1 <= len(value) <= 100_000:
                raise ParameterError(f"{where} must hold 1 to 100000 integers; got {len(value)}")
            values = value
        else:
            values = [value]
        for number in values:
            if integer(where, number, argument.least) > argument.most:
                raise ParameterError(f"{where} must be at most {argument.most}; got {number}")
    elif kind == "bool":
        if not isinstance(value, bool):
            raise ParameterError(f"{where} must be true or false; got {value!r}")
    elif not isinstance(value, str):
        raise ParameterError(f"{where} must be text; got {value!r}")
    elif kind == "choice":
        choice(where, value, argument.choices)
    else:
        _named(where, kind, value)


@cache
def _named(where: str, kind: str, name: str) -> None:
    if kind == "adversary":
        find("adversary", name)
    elif name.startswith("strategy:"):
        raise ParameterError(f"{where}: a job names a registered policy, not a file; got {name!r}")
    else:
        resolve(name)


def _replay(trace: Any, given: dict[str, Any]) -> dict[str, Any]:
    from ..engine.run import replay

    run = replay(trace, **given)
    return {
        "policy": run.policy,
        "requests": run.requests,
        "hits": run.hits,
        "misses": run.misses,
        "compulsory": run.compulsory,
        "bytes_read": run.bytes_read,
    }


def _optimum(trace: Any, given: dict[str, Any]) -> dict[str, Any]:
    from ..offline import optimum

    best = optimum(trace, **given)
    low, high = best.bounds
    known = {"misses": best.misses, "cost": best.cost} if best.exact else {"misses": None, "cost": None}
    return {**known, "lower": low, "upper": high, "exact": best.exact, "requests": best.requests, "solver": best.solver}


def _ratio(trace: None, given: dict[str, Any]) -> dict[str, Any]:
    from ..ratio import competitive_ratio

    found = competitive_ratio(**{"memory": MEMORY, **given})
    return {
        "policy": found.policy,
        "ratio": None if found.value is None else str(found.value),
        "unbounded": found.unbounded,
        "additive": None if found.additive is None else str(found.additive),
        "states": found.states,
        "nodes": found.nodes,
    }


def _optimal(trace: None, given: dict[str, Any]) -> dict[str, Any]:
    from ..ratio import optimal_ratio

    found = optimal_ratio(**{"memory": MEMORY, **given})
    upper = None if found.upper is None else str(found.upper)
    return {"lower": str(found.lower), "upper": upper, "solved": found.solved, "nodes": found.nodes}


def _attack(trace: None, given: dict[str, Any]) -> dict[str, Any]:
    from ..adversary import play

    game = play(**given)
    late = game.late_ratio()
    return {
        "policy": game.policy,
        "cost": game.cost,
        "optimum": game.optimum,
        "ratio": str(game.ratio),
        "late_ratio": None if late is None else str(late),
        "bound": None if game.bound is None else str(game.bound),
        "unbounded": game.unbounded,
    }


def _coupon(trace: None, given: dict[str, Any]) -> dict[str, Any]:
    from ..coupon import simulate

    sample = simulate(**given)
    low, high = sample.interval()
    return {"mean": sample.mean, "lower_95": low, "upper_95": high, "samples": len(sample.rounds)}


def _phases(trace: None, given: dict[str, Any]) -> dict[str, Any]:
    from ..coupon import phase_ratio

    found = phase_ratio(**given)
    return {
        "ratio": found.ratio,
        "lower_95": found.lower,
        "upper_95": found.upper,
        "cost": found.cost,
        "optimum": found.optimum,
        "phases": found.phases,
    }


def _place(trace: None, given: dict[str, Any]) -> dict[str, Any]:
    from ..edge import generate, place

    algorithm, bound, seed = given.pop("algorithm"), given.pop("bound", "none"), given.pop("seed", 0)
    found = place(generate(**given, seed=seed), algorithm, bound=bound, seed=seed)
    return {
        "algorithm": algorithm,
        "latency_ns": str(found.latency),
        "bound_ns": None if found.bound is None else str(found.bound),
        "local": float(found.hits.local),
        "edge": float(found.hits.edge),
        "neither": float(found.hits.neither),
        "optimal": found.optimal,
    }


def _choices(*known: str) -> Argument:
    return Argument("choice", choices=known)


_ONE = Argument("int", 1, required=True)
_MODEL = {
    "pool": _choices(*POOLS),
    "reset": _choices(*RESETS),
    "events": _choices(*EVENTS),
    "prefill": _choices(*PREFILLS),
    "budget_bytes": Argument("int", 1, 2**62),
    "slots": Argument("int", 1),
}
_POLICY = Argument("policy", required=True)
_GAME = {"policy": _POLICY, "layers": _ONE, "experts": _ONE}
_SMALL = {
    "layers": Argument("int", 1, 24, required=True),
    "experts": Argument("ints", 1, 24, required=True),
    "slots": Argument("int", 1, 24, required=True),
    "memory": Argument("int", 1, 2**40),
}
_EVENTS = {"top_k": Argument("int", 1, 24), "admission": _choices(*ADMISSIONS)}

FUNCTIONS: dict[str, Function] = {
    "replay": Function(
        _replay,
        {
            **_MODEL,
            "policy": _POLICY,
            "admission": _choices(*ADMISSIONS),
            "ties": _choices(*TIES),
            "oversize": _choices("error", "allow"),
            "engine": _choices("auto", "kernel", "reference"),
        },
        trace=True,
        seeded=True,
    ),
    "optimum": Function(
        _optimum,
        {
            **_MODEL,
            "admission": Argument("choice", choices=ADMISSIONS, required=True),
            "costs": Argument("costs", 0, 2**62),
            "lookahead": Argument("int", 0),
        },
        trace=True,
    ),
    "competitive_ratio": Function(
        _ratio,
        {
            **_SMALL,
            "policy": _POLICY,
            "pool": _choices(*POOLS),
            "offline_slots": Argument("int", 1, 24),
            "general": Argument("bool"),
            **_EVENTS,
        },
    ),
    "optimal_ratio": Function(_optimal, {**_SMALL, **_EVENTS, "randomized": Argument("bool")}),
    "attack": Function(
        _attack,
        {
            **_GAME,
            "slots": _ONE,
            "pool": _choices(*POOLS),
            "adversary": Argument("adversary", required=True),
            "rounds": _ONE,
        },
        seeded=True,
        work=("layers", "rounds"),
    ),
    "coupon": Function(
        _coupon,
        {
            "experts": Argument("int", 1, 10**6, required=True),
            "collectors": Argument("int", 1, 10**6),
            "samples": Argument("int", 2, 10**7, required=True),
            "draws": Argument("int", 1, 10**6),
            "replacement": Argument("bool"),
        },
        seeded=True,
        work=("experts", "collectors", "samples"),
    ),
    "place": Function(
        _place,
        {
            "algorithm": Argument("choice", choices=tuple(ALGORITHMS), required=True),
            "bound": _choices(*BOUNDS),
            **{
                name: Argument("int", 1, 10**6) for name in ("users", "servers", "layers", "experts", "top_k", "tokens")
            },
            **{
                name: Argument("int", 0, 2**60)
                for name in ("expert_bytes", "storage", "user_storage", "cloud_extra_ns")
            },
        },
        seeded=True,
        work=("users", "layers", "tokens", "top_k"),
    ),
    "phase_ratio": Function(
        _phases,
        {**_GAME, "slots": Argument("int", 1), "rounds": Argument("int", 1), "runs": Argument("int", 2)},
        seeded=True,
        work=("layers", "rounds", "runs"),
    ),
}


def asks_for(function: Function, arguments: Mapping[str, Any]) -> int:
    """Return the requests or draws that a job asks for, as far as its arguments tell."""
    return prod(int(arguments.get(name, 1)) for name in function.work)
