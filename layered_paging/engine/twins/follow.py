"""Twin of follow, for pairs of policies whose twins decide page by page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...policies.names import resolve
from ...policies.spec import PolicySpec
from ..combination import Combination, begin_combination
from ..task import Task
from . import state_of, twin, twin_of

_PAIR = {"first": "llru", "second": "similar-rounds"}  # where the parameters say nothing


def _sides(spec: PolicySpec) -> list[PolicySpec]:
    names = [spec.params.get(role, name) for role, name in _PAIR.items()]
    return [resolve(name) for name in names if isinstance(name, str)]


def suits(spec: PolicySpec) -> bool:
    """Return whether both policies have a state that needs no more than the pages, one by one."""
    kinds = [None if found is None else found.kind for found in map(twin_of, _sides(spec))]
    more = ("flush", "round_begins", "part")
    return len(kinds) == 2 and all(
        kind is not None and not kind._waits and not any(hasattr(kind, m) for m in more) for kind in kinds
    )


@twin(suits=suits)
class Follow(Combination):
    """Both policies, what they hold, and who is followed."""

    @classmethod
    def begin(cls, task: Task) -> Any:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        sides = [state_of(replace(task, spec=spec)) for spec in _sides(task.spec)]
        return begin_combination(cls, task, policy._patience, *sides)
