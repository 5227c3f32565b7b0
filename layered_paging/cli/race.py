"""``layered-paging gap --race``: every policy beside what it costs, one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from .. import catalog
from ..core.trace import Trace
from .common import table

__all__ = ["racers", "rows_of", "show_race"]


def racers(base: str) -> list[str]:
    """Return the policies of a race: all that need neither the future nor predictions, with those of engines; not the base."""
    from ..plan.engines import ENGINES
    from ..policies.names import resolve

    names = [entry.name for entry in catalog.collect() if entry.kind == "policy"]
    names += [policy for engine in ENGINES.values() for policy in engine.policies]
    free = [name for name in dict.fromkeys(names) if not (resolve(name).offline or resolve(name).predicted)]
    return [name for name in free if name != base]


def rows_of(
    answer: Mapping[str, Any], traces: Mapping[str, Trace], policies: Sequence[str], **options: Any
) -> list[dict[str, Any]]:
    """Return a row a policy, best mean share first: shares over all traces by reset, worst cell, cost, length."""
    from ..analysis.race import definition, kernel_costs

    if not answer["cells"]:
        return []
    over = "all" if len(traces) > 1 else next(iter(traces))
    where = min(answer["cells"], key=lambda cell: abs(Fraction(cell["tokens"]) - 2))
    costs = kernel_costs(traces[where["trace"]], policies, where["slots"], **options)
    rows = []
    for policy in policies:
        gaps = [gap for gap in answer["gaps"] if gap["policy"] == policy and gap["trace"] == over]
        known = [gap["worst"] for gap in gaps if gap["worst"] is not None]
        rows.append(
            {
                "policy": policy,
                "shares": {gap["reset"]: {"share": gap["share"], "margin": gap["margin"]} for gap in gaps},
                "worst": min(known, default=None),
                "timed_on": f"{where['trace']}, {where['slots']} slots",
                **asdict(costs[policy]),
                **asdict(definition(policy)),
            }
        )
    return sorted(rows, key=_mean, reverse=True)


def _mean(row: dict[str, Any]) -> float:
    known = [found["share"] for found in row["shares"].values() if found["share"] is not None]
    return sum(known) / len(known) if known else float("-inf")


def show_race(answer: Mapping[str, Any], percent: Any) -> None:
    """Print the race."""
    rows = answer["race"]
    if not rows:
        print("no race: no capacity that was tried (--demand) lies between the largest event and nearly all pages")
        return
    resets = list(rows[0]["shares"])
    heads = ["policy", *(f"reset {reset}" for reset in resets), "worst", "x lru", "ns", "lines", "constants"]
    table(
        f"the race: mean share of the gap from {answer['base']} closed, %; a request's time; the definition",
        heads,
        [
            [
                row["policy"],
                *(percent(row["shares"][reset]["share"], row["shares"][reset]["margin"]) for reset in resets),
                percent(row["worst"], None),
                f"{row['ratio']:.2f}",
                f"{row['nanoseconds']:.0f}",
                row["lines"],
                row["constants"],
            ]
            for row in rows
        ],
    )
    print(f"time: processor time of a replay of {rows[0]['timed_on']}, best of 3, policies in turn")
    print("definition: the policy's own file without comments, docstrings and imports; numbers other than 0 and 1")
