"""How a line of JSON is mutated as a value, which flipping bytes would seldom do."""

from __future__ import annotations

import contextlib
import json
import random
from typing import Any

ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2,
    3,
    255,
    2**31,
    2**63,
    -(2**70),
    0.5,
    1e308,
    "",
    "a",
    "\n",
    "1/3",
    [],
    {},
    [[]],
    [0] * 9,
]


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside: list[tuple[Any, ...]] = [at]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        inside += places(part, (*at, key))
    return inside


def mutated(value: Any, dice: random.Random) -> Any:
    """Return the value with something in it replaced, doubled, moved or left out."""
    path = dice.choice(places(value))
    if not path:
        return dice.choice(ODD)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    key, kind = path[-1], dice.randrange(6)
    old = holder[key]
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, old)
    elif kind == 2 and isinstance(old, int):
        holder[key] = old + dice.choice([-1, 1, 2, 2**31])
    elif kind == 3:
        other = value
        for step in dice.choice(places(value)):
            other = other[step]
        holder[key] = json.loads(json.dumps(other))
    elif kind == 4 and isinstance(holder, dict):
        holder[dice.choice(["x", "rounds", "n_experts", *map(str, list(holder)[:3])])] = old
    else:
        holder[key] = dice.choice(ODD)
    return value


def mutator(data: bytes, most: int, seed: int) -> bytes:
    """Mutate one line of JSON as a value, or the bytes."""
    import atheris

    dice = random.Random(seed)
    if dice.random() < 0.7:
        with contextlib.suppress(ValueError, RecursionError):
            lines = data.split(b"\n") if b"\n" in data.strip() else [data]
            n = dice.randrange(len(lines))
            lines[n] = json.dumps(mutated(json.loads(lines[n]), dice)).encode()
            return b"\n".join(lines)[:most]
    return bytes(atheris.Mutate(data, most))
