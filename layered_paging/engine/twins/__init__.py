"""Compiled twins of the policies: a twin is the file of the same name as the policy's own.

A policy of the package, ``policies/NAME.py``, has its twin in ``engine/twins/NAME.py``.  A policy of another
distribution, defined in a module of ``its.package``, has its twin in ``its.package.twins.NAME``.  A twin counts exactly what the
reference loop counts.  ``numba`` is imported only when a twin is asked for.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ...core.counts import Counts
from ...core.rules import Rules
from ...errors import PolicyError
from ...policies.forecast import Forecast
from ...policies.names import resolve
from ...policies.spec import PolicySpec
from ..task import Task

__all__ = ["Twin", "home_of", "player", "registered", "state_of", "twin", "twin_of"]

T = TypeVar("T")
Ints = npt.NDArray[np.int64]
_SHIPPED = "layered_paging.policies"
_NEEDED = ("begin", "reset")


@dataclass(frozen=True)
class Twin:
    """The twin of a policy.

    Attributes
    ----------
    play : callable
        Replays one pool.
    kind : type or None
        The NamedTuple of its state; None where there is only a loop of its own.
    suits : callable
        Whether it knows the parameters of a policy.
    depths : callable or None
        Returns how many requests stood at each position of the stack, see ``fast.stacks``; all sizes in one pass.
    nested : callable
        Whether the caches of all sizes are nested, with the parameters of a policy; only then ``depths`` may be asked.
    gated : bool
        Whether it counts right under rules of traffic, too: it looks at no request that it is not told of.
    """

    play: Callable[[Task], Counts]
    kind: Any
    suits: Callable[[PolicySpec], bool]
    depths: Callable[[Task], Ints] | None = None
    nested: Callable[[PolicySpec], bool] = lambda spec: bool(spec.properties.get("stack", False))
    gated: bool = True


_known: dict[str, Twin] = {}  # by module


def twin(
    *,
    waits: bool = False,
    play: Callable[[Task], Counts] | None = None,
    suits: Callable[[PolicySpec], bool] = lambda spec: True,
    depths: Callable[[Task], Ints] | None = None,
    nested: Callable[[PolicySpec], bool] = lambda spec: bool(spec.properties.get("stack", False)),
    gated: bool = True,
) -> Callable[[T], T]:
    """Return a decorator that makes a class the twin of the policy whose name its file has.

    The class is a NamedTuple of numbers and arrays.  Its class method ``begin(task)`` builds the state.  These methods
    are compiled, and have the names of the reference class: ``reset(session)``, ``hit(page, now)``, ``miss(page, now)``,
    ``victim(resident, guard, now)`` and ``clear(now)``.  Instead of ``victim`` a class may have
    ``leaves_before(page, other, now)``: whether one page is evicted before the other.  A policy that declares ``stack=True`` then has a
    curve in one pass, too.

    Parameters
    ----------
    waits : bool
        Whether pages that the event loaded may go only when nothing older may.
    play : callable, optional
        A loop of its own, where the common one is too slow.
    suits : callable, optional
        Whether the twin knows a policy's parameters; default: all.
    depths : callable, optional
        A sweep of its own for the curve over all sizes, where the common one is too slow.
    nested : callable, optional
        Whether the caches are nested with a policy's parameters; default: what the policy declares as ``stack``.
    gated : bool
        Whether it counts right under rules of traffic; not where it looks at requests that it is not told of.

    Raises
    ------
    PolicyError
        The class lacks a method.
    """

    def enter(kind: T) -> T:
        module = getattr(kind, "__module__", "?")
        missing = [name for name in _NEEDED if not hasattr(kind, name)]
        if not (hasattr(kind, "victim") or hasattr(kind, "leaves_before") or hasattr(kind, "flush")):
            missing.append("victim")
        if missing or not hasattr(kind, "_fields"):
            raise PolicyError(
                f"twin {module}: a NamedTuple with begin, reset and victim is needed; "
                f"{getattr(kind, '__name__', kind)!r} lacks {', '.join(missing) or 'fields'}"
            )
        kind._waits = waits  # type: ignore[attr-defined]
        sweep = depths or (functools.partial(_swept, kind) if hasattr(kind, "leaves_before") else None)
        _known[module] = Twin(play or functools.partial(_common, kind), kind, suits, sweep, nested, gated)
        return kind

    return enter


def registered(play: Callable[[Task], Counts]) -> Callable[[Task], Counts]:
    """Make a function the twin of the policy whose name its file has: a loop of its own, and no state for others to use."""
    _known[play.__module__] = Twin(play, None, lambda spec: True)
    return play


def _common(kind: Any, task: Task) -> Counts:
    from ..loop import run

    return run(task, kind)


def _swept(kind: Any, task: Task) -> Ints:
    from ..fast.stacks import swept_depths

    return swept_depths(task, kind)


def player(spec: PolicySpec, rules: Rules) -> Callable[[Task], Counts] | None:
    """Return what replays a pool compiled, or None where there is nothing; under rules of traffic, that is the common loop."""
    found = twin_of(spec)
    if found is None or rules.traffic.plain:
        return None if found is None else found.play
    return functools.partial(_common, found.kind) if found.kind is not None and found.gated else None


def twin_of(spec: PolicySpec) -> Twin | None:
    """Return the twin of a policy, or None where it has none for these parameters."""
    same = spec.properties.get("decides_as")
    if same is not None:
        return twin_of(resolve(same))
    if spec.properties.get("unregistered", False):
        return None
    if spec.predicted and not isinstance(spec.predictions, Forecast):
        return None  # predictions that are asked one by one
    found = _at(_home(spec))
    return found if found is not None and found.suits(spec) else None


def state_of(task: Task) -> Any:
    """Return the state of a policy's twin, for a twin that plays another policy inside.

    Raises
    ------
    PolicyError
        It has none.
    """
    found = twin_of(task.spec)
    if found is None or found.kind is None:
        raise PolicyError(f"policy {task.spec.name!r} has no compiled state")
    return found.kind.begin(task)


def home_of(spec: PolicySpec) -> str:
    """Return the module in which the twin of a policy should be; empty where there can be none."""
    same = spec.properties.get("decides_as")
    if same is not None:
        return home_of(resolve(same))
    return "" if spec.properties.get("unregistered", False) else _home(spec)


def _home(spec: PolicySpec) -> str:
    """Return the module in which the twin of a policy is, if there is one."""
    module, name = spec.cls.__module__, spec.base.replace("-", "_").replace("/", "_")
    if module == f"{_SHIPPED}.{name}":
        return f"{__name__}.{name}"
    package = module if hasattr(sys.modules.get(module), "__path__") else module.rpartition(".")[0]
    return f"{package}.twins.{name}" if package and not package.startswith("layered_paging") else ""


@functools.cache
def _at(module: str) -> Twin | None:
    """Import a module that holds a twin; None if there is no such module."""
    try:
        if not module or importlib.util.find_spec(module) is None:
            return None
    except ModuleNotFoundError:  # a package without a folder of twins
        return None
    importlib.import_module(module)
    if module not in _known:
        raise PolicyError(f"twin {module}: the file must register one class with @twin(); it registers none")
    return _known[module]
