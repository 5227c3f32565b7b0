"""From a name such as ``lru-2(window=5)``, or a class, to the policy that it stands for."""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import re
from collections.abc import Mapping
from typing import Any

from ..core import registry
from ..core.instance import shown
from ..errors import ParameterError, PolicyError
from .spec import PolicySpec

__all__ = ["check_parameters", "find_policy", "parsed", "resolve"]

_NAME = re.compile(r"\s*([A-Za-z0-9][\w./-]*)\s*(?:\((.*)\))?\s*", re.DOTALL)


def resolve(policy: str | type | PolicySpec) -> PolicySpec:
    """Return the policy that a name, a name with parameters, ``strategy:FILE``, or a class stands for.

    A policy that takes predictions may name them as if they were a parameter: ``guard(predictions='markov')``.

    Raises
    ------
    NotRegistered
        Unknown name; the message gives the nearest one.
    ParameterError
        The parameters cannot be read, or the policy has no such parameter; a file without a strategy.
    PolicyError
        A class without the methods of a policy.

    Examples
    --------
    >>> resolve("llru(rounds='absolute')").params
    {'rounds': 'absolute'}
    """
    if isinstance(policy, PolicySpec):
        return policy
    if not isinstance(policy, str):
        return _of_class(policy)
    if policy.startswith("strategy:"):
        from .from_certificate import strategy

        return strategy(policy)
    base, params = parsed("policy", policy)
    entry = find_policy(base)
    written = ", ".join(f"{key}={value!r}" for key, value in params.items())
    predictions = params.pop("predictions", None) if entry.properties.get("predictions", False) else None
    if predictions is not None and not isinstance(predictions, str):
        raise ParameterError(f"{base}: predictions must be a name such as 'perfect' or 'markov'; got {predictions!r}")
    check_parameters("policy", base, entry.obj, params)
    return PolicySpec(f"{base}({written})" if written else base, base, entry.obj, params, entry.properties, predictions)


def find_policy(name: str) -> registry.Entry:
    """Return the entry of a policy: from its own file if the package has one, else from the catalog.

    So a shipped policy is found without loading anything else, in particular by the trusted checker.

    Raises
    ------
    NotRegistered
        No such policy; the message gives the nearest name.
    """
    home = f"{__package__}.{name.replace('-', '_')}"
    if name.replace("-", "").isalnum() and importlib.util.find_spec(home) is not None:
        importlib.import_module(home)
    return registry.find("policy", name)


def parsed(kind: str, text: str) -> tuple[str, dict[str, Any]]:
    """Read ``name`` or ``name(parameter=value, ...)`` with plain values.

    Raises
    ------
    ParameterError
        The text is not written so.

    Examples
    --------
    >>> parsed("policy", "lfu-decay(half_life=8)")
    ('lfu-decay', {'half_life': 8})
    """
    match = _NAME.fullmatch(text)
    if match is None:
        own = "; a class of your own is FILE.py:CLASS, on the command line" if kind == "policy" and ":" in text else ""
        raise ParameterError(f"a {kind} is written name or name(parameter=value, ...); got {text!r}{own}")
    return match[1], _arguments(text, match[2] or "")


def _of_class(cls: Any) -> PolicySpec:
    missing = [name for name in ("hit", "miss", "victim") if not callable(getattr(cls, name, None))]
    if missing:
        raise PolicyError(
            f"a policy needs the methods hit, miss and victim; {shown(getattr(cls, '__name__', cls))} lacks {', '.join(missing)}"
        )
    for entry in registry.entries("policy"):
        if entry.obj is cls:
            return PolicySpec(entry.name, entry.name, cls, {}, entry.properties)
    takes = inspect.signature(cls).parameters
    properties = {"randomized": "rng" in takes, "predictions": "predictions" in takes, "unregistered": True}
    return PolicySpec(cls.__name__, cls.__name__, cls, {}, properties)


def _arguments(policy: str, text: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not isinstance(call.func, ast.Name):
            raise ValueError
        names = [keyword.arg for keyword in call.keywords]
        if None in names or len(set(names)) < len(names):
            raise ValueError
        return {str(k.arg): ast.literal_eval(k.value) for k in call.keywords if k.arg is not None}
    except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError):
        raise ParameterError(
            f"parameters are written name(parameter=value, ...) with plain values; got {policy!r}"
        ) from None


@functools.lru_cache(maxsize=256)
def _keywords(cls: Any) -> tuple[str, ...]:
    """Return the parameters that a user may give."""
    return tuple(
        name
        for name, p in inspect.signature(cls).parameters.items()
        if p.kind is p.KEYWORD_ONLY and name not in ("future", "predictions", "rng")
    )


def check_parameters(kind: str, base: str, cls: Any, params: Mapping[str, Any]) -> None:
    """Raise ``ParameterError`` unless the class takes these parameters, keyword-only."""
    known = _keywords(cls) if params else ()
    for name in params:
        if name not in known:
            raise ParameterError(f"{kind} {base!r} has no parameter {name!r}; available: {', '.join(known) or 'none'}")
