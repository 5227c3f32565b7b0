"""Twin of hedge: follow with LLRU and BlindOracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...policies.names import resolve
from ..combination import Combination, begin_combination
from ..task import Task
from . import state_of, twin


@twin()
class Hedge(Combination):
    """LLRU and BlindOracle, what they hold, and who is followed."""

    @classmethod
    def begin(cls, task: Task) -> Any:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        oracle = replace(resolve("blind-oracle"), predictions=task.spec.predictions)
        sides = [state_of(replace(task, spec=spec)) for spec in (resolve("llru"), oracle)]
        return begin_combination(cls, task, policy._patience, *sides)
