"""The common loop, as the special loop of similar-rounds calls it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ...core.compiled import loop
from ...core.counts import Counts
from ...core.instance import Instance
from ...core.layout import Grid
from ...core.rules import Rules
from ...policies.spec import PolicySpec
from ..loop import _replay, play_with
from ..task import Task

__all__ = ["run"]


def run(grid: Grid, capacity: int, state: Callable[[], Any], **options: Any) -> Counts:
    """Replay one pool with the common loop."""
    rules = Rules(
        reset=options["reset"],
        admission="bypass" if options["bypass"] else "forced",
        oversize="allow" if options["oversize"] else "error",
    )
    given = {name: options[name] for name in ("sizes", "in_bytes", "record")}
    spec = PolicySpec("similar-rounds", "similar-rounds", None)
    task = Task(grid, spec, Instance(1, 1, 1), capacity, rules, **given, carry=options.get("carry"))
    task.check_bytes()
    carry = {} if task.carry is None else task.carry
    if "state" not in carry:
        carry["state"] = state()
    return play_with(_loop(), task, carry)


@functools.cache
def _loop() -> Callable[..., int]:
    whole: Any = _replay
    found: Callable[..., int] = loop(whole.py_func, f"{__package__}.similar")
    return found
