"""Arguments of a wrong kind are refused before a function runs: its annotations say what must hold."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import wraps
from numbers import Real
from typing import Any, ParamSpec, TypeGuard, TypeVar

from ..errors import ParameterError
from .instance import integer, shown

__all__ = ["is_real", "kinds", "kinds_of_fields", "real"]

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)
Test = Callable[[str, object], bool]  # whether a value is of a kind; it raises where a member is at fault

_WORDS = {
    "None": "None",
    "bool": "True or False",
    "str": "a text",
    "float": "a number",
    "Fraction": "a number",
    "type": "a class",
    "Callable": "callable",
    "Mapping": "a mapping",
    "Sequence": "a sequence",
    "Iterable": "a sequence",
    "list": "a sequence",
    "tuple": "a sequence",
}


def real(name: str, value: object, least: float, most: float) -> float:
    """Return a finite number of ``least`` to ``most``, both included, or raise ``ParameterError``.

    Ints, Fractions, floats and NumPy's numbers are numbers.  Truth values, texts, ``nan`` and arrays are none.
    """
    if not is_real(value) or not least <= value <= most:
        raise ParameterError(f"must be a number in {least}..{most}; got {shown(value)}", parameter=name)
    return float(value)


def kinds(*own: str, **least: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse arguments of another kind than the annotations of a function say, in one line that names the parameter.

    Parameters
    ----------
    *own : str
        Parameters that the function checks itself.
    **least : int
        Parameters that are whole numbers, each with the least it may be.  An ``int`` that is not named here is left
        to the function, which knows its range.

    Notes
    -----
    Kinds are ``bool``, ``float`` (finite), ``str``, ``type``, callables, mappings, sequences (also their members) and
    classes that the function's module imports.  Everything else is let through.  One comparison per argument.

    Examples
    --------
    >>> @kinds(times=0)
    ... def said(text: str, times: int = 1, *, loud: bool = False) -> str:
    ...     return (text.upper() if loud else text) * times
    >>> said("ab", 2)
    'abab'
    >>> said("ab", loud="no")
    Traceback (most recent call last):
    layered_paging.errors.ParameterError: loud must be True or False; got 'no'
    """

    def around(function: Callable[P, R]) -> Callable[P, R]:
        tests: dict[str, tuple[Test, str]] = {}
        order: list[str] = []

        def prepare() -> None:
            for name, one in inspect.signature(function).parameters.items():
                if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD):
                    order.append(name)
                if name not in own and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
                    found = _test(str(one.annotation), _names(function), least.get(name))
                    if found is not None:
                        tests[name] = found

        @wraps(function)
        def inner(*args: P.args, **kwargs: P.kwargs) -> R:
            if not order and not tests:
                prepare()
            for name, value in zip(order, args, strict=False):
                if name in tests:
                    _hold(name, value, *tests[name])
            for name, value in kwargs.items():
                if name in tests:
                    _hold(name, value, *tests[name])
            return function(*args, **kwargs)

        return inner

    return around


def kinds_of_fields(**least: int) -> Callable[[C], C]:
    """Refuse the arguments of a class as `kinds` does those of a function."""

    def around(cls: C) -> C:
        cls.__init__ = kinds(**least)(cls.__init__)  # type: ignore[misc]
        return cls

    return around


def _hold(name: str, value: object, test: Test, words: str) -> None:
    if not test(name, value):
        raise ParameterError(f"must be {words}; got {shown(value)}", parameter=name)


def _names(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return what the annotations of a function may name: of a class, what its module names."""
    return vars(sys.modules[function.__module__])


def _parts(annotation: str) -> Iterator[str]:
    """Yield the members of a union, as they are written."""
    depth = start = 0
    for at, letter in enumerate(annotation):
        depth += (letter in "[(") - (letter in "])")
        if letter == "|" and depth == 0:
            yield annotation[start:at].strip()
            start = at + 1
    yield annotation[start:].strip()


def _test(annotation: str, names: Mapping[str, Any], least: int | None) -> tuple[Test, str] | None:
    """Return the test of an annotation and its words, or None if it lets everything through."""
    found = [_kind(part, names, least) for part in _parts(annotation)]
    tests = [one[0] for one in found if one is not None]
    if len(tests) < len(found):
        return None
    words = " or ".join(dict.fromkeys(one[1] for one in found if one is not None))
    if len(tests) == 1:
        return tests[0], words
    return (lambda name, value: any(test(name, value) for test in tests)), words


def _kind(part: str, names: Mapping[str, Any], least: int | None) -> tuple[Test, str] | None:
    head, _, inner = part.partition("[")
    if head == "int" and least is not None:
        return (lambda name, value: value is not None and integer(name, value, least) >= least), "an integer"
    if head == "Callable":
        return (lambda _, value: callable(value)), _WORDS[head]
    if head == "Mapping":
        return _values(_test(inner[:-1].partition(", ")[2], names, least)), _WORDS[head]
    if head in ("Sequence", "Iterable", "list", "tuple"):
        one = None if head == "tuple" else _test(inner[:-1], names, least)
        return _members(head, one), _WORDS[head]
    simple: dict[str, Test] = {
        "None": lambda _, value: value is None,
        "bool": lambda _, value: type(value).__name__ in ("bool", "bool_"),
        "str": lambda _, value: isinstance(value, str),
        "type": lambda _, value: isinstance(value, type),
        "float": lambda _, value: is_real(value),
        "Fraction": lambda _, value: is_real(value),
    }
    if part in simple:
        return simple[part], _WORDS[part]
    cls = names.get(part)
    if part == "Any" or not isinstance(cls, type) or getattr(cls, "_is_protocol", False):
        return None
    return (lambda _, value: isinstance(value, cls)), f"a {part}"


def _values(one: tuple[Test, str] | None) -> Test:
    """Return the test of a mapping and of its values."""

    def test(name: str, value: object) -> bool:
        if not isinstance(value, Mapping):
            return False
        if one is not None:
            for key, member in value.items():
                _hold(f"{name}[{shown(key)}]", member, *one)
        return True

    return test


def _members(head: str, one: tuple[Test, str] | None) -> Test:
    """Return the test of a sequence, a text being none, and of its members."""

    def test(name: str, value: object) -> bool:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            return False
        if head != "Iterable" and not (hasattr(value, "__len__") and hasattr(value, "__getitem__")):
            return False
        if getattr(value, "ndim", 1) == 0:  # an array of NumPy that is a number
            return False
        if one is not None and (head != "Iterable" or isinstance(value, Collection)):
            members = value.tolist() if hasattr(value, "tolist") else value
            for at, member in enumerate(members):
                _hold(f"{name}[{at}]", member, *one)
        return True

    return test


def is_real(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number that is no truth value."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
