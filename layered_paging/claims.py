"""Claims: statements with evidence, and controls that show that their checks can fail.

A claim is a function ``claim(scope, **control)`` that returns a counterexample or None and decides
in ints and Fractions.  Its control is a slightly false variant that the same function must refute.
``verify`` runs claims and controls; the rest of this module is what several claims need.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import combinations, product
from typing import Any

from .adversary import Table
from .catalog import collect
from .core.registry import Entry, entries, nearest
from .errors import LayeredPagingError, NotRegistered, ParameterError

__all__ = [
    "EVIDENCE",
    "SCOPES",
    "Unavailable",
    "Verdict",
    "certified_optimal",
    "certified_ratio",
    "cheapest",
    "counter_model",
    "layered_sequences",
    "misses",
    "problems",
    "status_page",
    "verify",
    "within",
]

EVIDENCE = ("proof", "certificate", "exhaustive", "statistical", "none")
SCOPES = ("small", "full")


class Unavailable(LayeredPagingError, RuntimeError):
    """An optional package that a claim needs is not installed."""


@dataclass(frozen=True)
class Verdict:
    """What became of one claim.

    Attributes
    ----------
    name, status, evidence, scope : str
        As registered; ``scope`` is the text of what was run.
    holds : bool or None
        None where nothing was run: evidence ``none``, or a package is missing (see ``reason``).
    control_refuted : bool or None
        Whether the control was refuted; None where nothing was run.
    seconds : float
    reason : str
        The counterexample, the error, or what is missing; empty if there is nothing to say.
    """

    name: str
    status: str
    evidence: str
    scope: str
    holds: bool | None
    control_refuted: bool | None
    seconds: float
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether the claim or its control went wrong."""
        return self.holds is False or self.control_refuted is False


def verify(
    pattern: str = "*", scope: str = "small", *, tick: Callable[[str], None] = lambda name: None
) -> list[Verdict]:
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
        raise ParameterError(f"scope must be one of {', '.join(SCOPES)}; got {scope!r}")
    chosen = [entry for entry in all_claims() if fnmatchcase(entry.name, pattern)]
    if not chosen:
        known = [entry.name for entry in all_claims()]
        raise NotRegistered(f"no claim matches {pattern!r}; {nearest(pattern, known)}")
    verdicts = []
    for entry in chosen:
        tick(entry.name)
        verdicts.append(_run(entry, scope))
    return verdicts


def all_claims() -> list[Entry]:
    """Return the registered claims by name."""
    collect()
    return entries("claim")


def _run(entry: Entry, scope: str) -> Verdict:
    facts = entry.properties
    evidence = str(facts.get("evidence"))
    shown = str(facts.get("scope", {}).get(scope, "")) if evidence != "none" else "stated only"
    head = (entry.name, str(facts.get("status", "")), evidence, shown)
    wrong = problems(entry)
    if wrong:
        return Verdict(*head, False, None, 0.0, "; ".join(wrong))
    if evidence == "none":
        return Verdict(*head, None, None, 0.0)
    start = time.perf_counter()
    holds: bool | None
    refuted: bool | None
    try:
        found = entry.obj(scope)
        holds, reason = found is None, "" if found is None else f"counterexample: {found}"
        refuted = entry.obj("small", **facts["control"]) is not None
        if not refuted:
            reason = reason or f"the control {facts['control']} was not refuted"
    except Unavailable as missing:
        holds, refuted, reason = None, None, str(missing)
    except Exception as error:
        holds, refuted, reason = False, None, f"{type(error).__name__}: {error}"
    return Verdict(*head, holds, refuted, time.perf_counter() - start, reason)


def problems(entry: Entry) -> list[str]:
    """Return what is wrong with the registration of a claim."""
    facts = entry.properties
    found = [f"lacks {name!r}" for name in ("statement", "latex", "status", "evidence", "cites") if name not in facts]
    evidence = facts.get("evidence")
    if evidence not in EVIDENCE:
        found.append(f"evidence must be one of {', '.join(EVIDENCE)}; got {evidence!r}")
    if evidence == "none" and ("control" in facts or "scope" in facts):
        found.append("a claim without evidence has neither scope nor control")
    if evidence != "none" and not facts.get("control"):
        found.append("a claim with evidence needs a control")
    if evidence != "none" and set(facts.get("scope", {})) != set(SCOPES):
        found.append(f"scope must describe {' and '.join(SCOPES)}")
    if "[open]" in str(facts.get("status")) and evidence != "none":
        found.append("an open question has evidence none")
    return found


def status_page() -> str:
    """Return the generated page ``docs/claims-status.md``."""
    rows = all_claims()
    count = {kind: sum(entry.properties["evidence"] == kind for entry in rows) for kind in EVIDENCE}
    lines = [
        "# Status of the claims",
        "",
        "Generated by `layered-paging verify --status docs/claims-status.md`; a test fails when this page differs.",
        "*Status* is where the statement comes from: [text] read in the published text, [second hand] reported by",
        "readers of it, [derived] proved here, [computed] decided here by exact computation, [classical] in the cited",
        "textbook form, [open] settled by nobody as far as we know. *Evidence* is what `layered-paging verify` runs:",
        "claims with evidence `none` are stated only and never count as verified.",
        "",
        "; ".join(f"{kind}: {number}" for kind, number in count.items() if number) + f"; {len(rows)} in all.",
        "",
        "| claim | statement | status | evidence | small scope | full scope | control | tight by | sources |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for entry in rows:
        facts = entry.properties
        scope = facts.get("scope", {})
        control = ", ".join(f"{name} = {value}" for name, value in facts.get("control", {}).items())
        cells = [
            f"`{entry.name}`",
            f"{facts['statement']} ${facts['latex']}$",
            facts["status"],
            facts["evidence"],
            scope.get("small", "-"),
            scope.get("full", "-"),
            control or "-",
            facts.get("tight", "-"),
            ", ".join(facts["cites"]) or "-",
        ]
        lines.append("| " + " | ".join(str(cell).replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


# what several claims need


def layered_sequences(layers: int, experts: int, rounds: int) -> Iterator[list[int]]:
    """Yield every layered sequence of single requests up to renaming inside layers, as pages.

    Experts of a layer appear for the first time in ascending order.

    Examples
    --------
    >>> list(layered_sequences(1, 2, 3))
    [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]
    """
    for columns in product(list(_growing(experts, rounds)), repeat=layers):
        yield [j * experts + column[r] for r in range(rounds) for j, column in enumerate(columns)]


def _growing(experts: int, length: int) -> Iterator[tuple[int, ...]]:
    if length == 0:
        yield ()
        return
    for head in _growing(experts, length - 1):
        for expert in range(min(max(head, default=-1) + 2, experts)):
            yield (*head, expert)


def misses(
    policy: str | type, pages: Sequence[int], *, layers: int, experts: int, slots: int, pool: str = "shared"
) -> int:
    """Return the misses of a policy on single requests, by the reference replay."""
    table = Table(policy, layers=layers, experts=experts, slots=slots, pool=pool)
    return sum(table.serve(page) for page in pages)


def cheapest(events: Sequence[frozenset[int]], slots: int, *, bypass: bool = False) -> int:
    """Return the least misses over all offline schedules of these events, by trying every cache.

    Forced: the whole event is in the cache when it ends.  Bypass: any part of cache and event may stay.

    Examples
    --------
    >>> cheapest([frozenset({0, 1}), frozenset({2}), frozenset({0, 1})], 2)
    4
    """
    best: dict[frozenset[int], int] = {frozenset(): 0}
    for event in events:
        after: dict[frozenset[int], int] = {}
        for cache, paid in best.items():
            price = paid + len(event - cache)
            fixed = frozenset[int]() if bypass else event
            free = (cache | event) - fixed
            room = slots - len(fixed)
            for kept in combinations(sorted(free), min(room, len(free))):
                then = fixed | frozenset(kept)
                after[then] = min(price, after.get(then, price))
        best = after
    return min(best.values())


def certified_ratio(policy: str | type, **sizes: Any) -> Any:
    """Return the exact competitive ratio of a policy after the trusted checker accepted its certificate."""
    from . import certify
    from .ratio import competitive_ratio

    found = competitive_ratio(policy, **sizes)
    certify.check(found.certificate)
    return found


def certified_optimal(**sizes: Any) -> Any:
    """Return the bracket of the best policies after the trusted checker accepted its certificate."""
    from . import certify
    from .ratio import optimal_ratio

    found = optimal_ratio(**sizes)
    certify.check(found.certificate)
    return found


def within(found: Any, ratio: Fraction, additive: int) -> bool:
    """Whether ``cost <= ratio opt + additive`` on every sequence, ``found`` being an exact ratio."""
    return found.value is not None and found.value <= ratio and bool(found.constant(ratio) <= additive)


def counter_model(name: str, hypotheses: Iterable[Any], goal: Any) -> str | None:
    """Return None if z3 proves that the hypotheses imply the goal, else what it found instead.

    Raises
    ------
    Unavailable
        z3 is not installed.
    """
    z3 = solver()
    task = z3.Solver()
    task.set("timeout", 60_000)
    task.add(*hypotheses, z3.Not(goal))
    answer = task.check()
    if answer == z3.unsat:
        return None
    return f"{name}: {task.model() if answer == z3.sat else 'undecided'}"


def solver() -> Any:
    """Return the module ``z3``.

    Raises
    ------
    Unavailable
        It is not installed.
    """
    try:
        return importlib.import_module("z3")
    except ImportError:
        raise Unavailable("not run: needs z3 (pip install 'layered-paging[smt]')") from None
