"""What the proof kernel says of the claims that are theorems."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from .. import theorems
from ..core.registry import Entry
from ..errors import LayeredPagingError

__all__ = ["Said", "asked", "folder"]


LONGEST = 300  # characters of what the kernel complains of


class Said(NamedTuple):
    """What the kernel said of one theorem; None where it was not asked."""

    holds: bool | None
    refuted: bool | None
    reason: str
    seconds: float  # of the call
    together: int = 0  # theorems of the call


def folder() -> Path:
    """Return where ``verify`` keeps the compiled theorems: beside other caches, or LAYERED_PAGING_THEOREMS."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("LAYERED_PAGING_THEOREMS") or Path(home) / "layered-paging" / "theorems")


def asked(claims: Sequence[Entry], scope: str, tick: Callable[[str], None]) -> dict[str, Said]:
    """Ask the kernel about all claims that are theorems, in one call; by the name of the claim.

    Small scope: the compiled constant has the registered statement and no axioms, and does not prove its false
    neighbours.  Full scope: everything is checked again by ``coqchk`` too.  What has changed is compiled in both.
    """
    mine = {claim.name: str(claim.properties["theorem"]) for claim in claims if "theorem" in claim.properties}
    if not mine:
        return {}
    missing = theorems.available()
    if missing:
        return {name: Said(None, None, f"not run: {missing}", 0.0) for name in mine}
    tick("theorems (the proof kernel)")
    start = time.perf_counter()
    known = {theorem.name: theorem for theorem in theorems.theorems()}
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with (folder() / "lock").open("w") as lock:  # one process compiles, others wait for it
            fcntl.flock(lock, fcntl.LOCK_EX)
            theorems.build(folder())
        if scope == "full" and (axioms := theorems.recheck(folder())) != "none":
            raise LayeredPagingError(f"coqchk: axioms: {axioms}")
        chosen = [known[theorem] for theorem in mine.values()]
        found = {row.theorem.name: row for row in theorems.proved(folder(), chosen)}
        slips = theorems.accepted(folder(), chosen)
    except (LayeredPagingError, OSError, KeyError) as error:
        return {name: Said(False, None, f"the proof kernel: {str(error)[:LONGEST]}", 0.0) for name in mine}
    spent = time.perf_counter() - start
    answers = {}
    for name, theorem in mine.items():
        reason = "; ".join([*found[theorem].axioms, *slips[theorem]])
        answers[name] = Said(not found[theorem].axioms, not slips[theorem], reason, spent, len(mine))
    return answers
