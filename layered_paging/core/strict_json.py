"""Strict JSON, read in one place: no NaN and no infinity, no name twice in an object, no nesting without end."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parse"]


def parse(text: bytes | str) -> Any:
    """Return the value that a JSON text holds.

    Raises
    ------
    ValueError
        It is not strict JSON; ``json.JSONDecodeError`` and ``UnicodeDecodeError``, which say where, are among them.

    Examples
    --------
    >>> parse('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    >>> parse('{"a": 1, "a": 2}')
    Traceback (most recent call last):
        ...
    ValueError: 'a' stands twice in an object
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except MemoryError:
        raise ValueError("too large for this machine's memory") from None


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} stands twice in an object")
    return made


_DECODER = json.JSONDecoder(parse_constant=_constant, object_pairs_hook=_object)
