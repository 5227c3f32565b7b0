"""What becomes of files: read, read with assumptions, counts, or refused, and why."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import LayeredPagingError
from .base import Reading
from .counts import is_counts, read_counts
from .loading import load

__all__ = ["Outcome", "examine"]


@dataclass(frozen=True)
class Outcome:
    """What becomes of one file.

    Attributes
    ----------
    file : str
    outcome : {"read", "assumed", "counts", "refused"}
        Read; read with assumptions; counts, which are a profile and no trace; refused.
    format : str
        As detected; empty where none is known.
    shape : str
        Rounds, layers, experts, top_k.
    digest : str
        Of the trace; empty where there is none.
    assumed : list of objects
        ``about``, ``taken`` and ``why``.
    reason : str
        Why it was refused.
    """

    file: str
    outcome: str
    format: str = ""
    shape: str = ""
    digest: str = ""
    assumed: list[dict[str, str]] = field(default_factory=list)
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON holds it."""
        return asdict(self)


def examine(files: Sequence[str | os.PathLike[str]], how: Reading | None = None) -> list[Outcome]:
    """Try to read files, and say what becomes of each.

    Parameters
    ----------
    files : sequence of paths
        Logs, folders, or ``-``.
    how : Reading, optional
        Options for all of them; those that do not apply to a file are left out for it.

    Returns
    -------
    list of Outcome
        One a file, in the order given; nothing is raised for a file that is refused.
    """
    return [_one(file, how or Reading()) for file in files]


def _one(file: str | os.PathLike[str], how: Reading) -> Outcome:
    name = str(file)
    inner = Reading(how.layout, how.columns, how.tokens, how.top_k, how.n_experts, lenient=True)
    try:
        if name != "-" and is_counts(file):
            profile = read_counts(file)
            widths = sorted(set(profile.n_experts))
            experts = widths[0] if len(widths) == 1 else widths
            return Outcome(name, "counts", "counts", f"{len(profile.n_experts)} layers x {experts}")
        trace = load(file, inner)
    except LayeredPagingError as error:
        return Outcome(name, "refused", ", ".join(dict.fromkeys(inner.formats)), reason=str(error))
    widths = sorted(set(trace.n_experts))
    shape = f"{trace.rounds} x {trace.layers} x {widths[0] if len(widths) == 1 else widths}, top {trace.top_k}"
    outcome = "assumed" if inner.assumed else "read"
    return Outcome(name, outcome, ", ".join(dict.fromkeys(inner.formats)), shape, trace.digest(), list(inner.assumed))
