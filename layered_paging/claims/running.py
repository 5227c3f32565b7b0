"""Run the claims: each check, its control, and for theorems what the proof kernel says."""

from __future__ import annotations

import time
from collections.abc import Callable
from fnmatch import fnmatchcase

from ..catalog import collect
from ..core.declarations import SCOPES
from ..core.registry import Entry, entries, nearest
from ..errors import NotRegistered, ParameterError
from .helpers import Unavailable
from .kernel import Said, asked
from .listed import Claims, Verdicts
from .verdict import Verdict

__all__ = ["all_claims", "verify"]


def verify(pattern: str = "*", scope: str = "small", *, tick: Callable[[str], None] = lambda name: None) -> Verdicts:
    """Run the claims whose names match, and their controls.

    Parameters
    ----------
    pattern : str
        Name, or pattern with ``*`` and ``?``.
    scope : {"small", "full"}
        Controls run at the small scope.
    tick : callable
        Called with the name of each claim before it runs.

    Raises
    ------
    ParameterError
        Unknown scope.
    NotRegistered
        No claim matches.
    """
    if scope not in SCOPES:
        raise ParameterError(f"must be one of {', '.join(SCOPES)}; got {scope!r}", parameter="scope")
    chosen = [entry for entry in all_claims() if fnmatchcase(entry.name, pattern)]
    if not chosen:
        known = [entry.name for entry in all_claims()]
        raise NotRegistered(f"no claim matches {pattern!r}; {nearest(pattern, known)}")
    kernel = asked(chosen, scope, tick)
    verdicts = Verdicts()
    for entry in chosen:
        tick(entry.name)
        verdicts.append(_run(entry, scope, kernel.get(entry.name)))
    return verdicts


def all_claims() -> Claims:
    """Return the registered claims by name: a list that leaves as a table, too."""
    collect()
    return Claims(entries("claim"))


def _run(entry: Entry, scope: str, said: Said | None = None) -> Verdict:
    facts = entry.properties
    evidence = str(facts.get("evidence"))
    shown = str(facts.get("scope", {}).get(scope, "")) if evidence != "none" else "stated only"
    head = (entry.name, str(facts.get("status", "")), evidence, shown)
    if said is not None:  # a theorem: the proof kernel decides
        return Verdict(*head, said.holds, said.refuted, said.seconds, said.reason, said.together)
    if evidence == "none":
        return Verdict(*head, None, None, 0.0)
    start = time.perf_counter()
    holds: bool | None
    refuted: bool | None
    try:
        found = entry.obj(scope)
        holds, reason = found is None, "" if found is None else f"counterexample: {found}"
        other = entry.obj("small", **facts["control"])
        refuted = other is not None and facts["breaks"] in str(other)
        if not refuted:
            how = "not refuted" if other is None else f"refuted, but by another step than {facts['breaks']!r}: {other}"
            reason = reason or f"the control {facts['control']} was {how}"
    except Unavailable as missing:
        holds, refuted, reason = None, None, str(missing)
    except Exception as error:
        holds, refuted, reason = False, None, f"{type(error).__name__}: {error}"
    return Verdict(*head, holds, refuted, time.perf_counter() - start, reason)
