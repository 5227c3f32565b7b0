"""What each budget counted gives: the rows of a plan as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.trace import Trace
from ..core.words import mib
from ..plan import Clock, Plan, plan
from ..plan.budgets import AHEAD
from ..plan.words import memory, size_words

__all__ = ["HEADS", "NONE", "budgets"]

NONE = "-"
HEADS = {"hits": "hits %", "loads": "loads per token", "loaded": "MiB per token", "rate": "tokens per second"}


def budgets(
    trace: Trace, size: int, sized: bool, names: Sequence[str], clock: Clock | None, reset: str, prefill: str
) -> dict[str, Any]:
    """Return the budgets that are counted, with what policies, and the optimum or a bound, load at each.

    Parameters
    ----------
    trace : Trace
    size : int
        The budget in use, in bytes if ``sized``, else in slots.
    sized : bool
    names : sequence of str
        Policies; the first one is in use.
    clock : Clock or None
    reset, prefill : str

    Returns
    -------
    dict
        ``sizes`` and their ``labels``, ``names``, ``columns``, ``same_as``, and ``sentences`` about memory.  ``here`` is the
        place of the budget in use.  ``cells`` are by size and name the texts of the columns.  ``hits`` are by name and size,
        in percent (None: not legal there).  ``rows`` are all that ``plan`` counted.
    """
    found = plan(
        trace, size=size, sized=sized, using=names[0], policies=names, clock=clock, reset=reset, prefill=prefill
    )
    sizes = found.table.sizes
    shown = [*names, *(name for name in AHEAD if found.table.of(name))]
    rows = [[found.table.at(name, s) for name in shown] for s in sizes]
    columns = ["hits", "loads"]
    columns += ["loaded"] if trace.page_bytes is not None else []
    columns += ["rate"] if clock is not None else []
    return {
        "unit": "bytes" if sized else "slots",
        "sizes": sizes,
        "labels": [size_words(s, sized) for s in sizes],
        "here": sizes.index(size),
        "using": found.using,
        "names": shown,
        "columns": columns,
        "cells": [[[_cell(row, column) for column in columns] for row in line] for line in rows],
        "hits": {name: [None if row is None else 100 * row.hit_rate for row in at] for name, at in _by(shown, rows)},
        "rows": [vars(row) for row in found.table.rows],
        "same_as": found.same_as,
        "sentences": [*memory(found), *_here(found, shown, size)],
    }


def _by(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[tuple[str, list[Any]]]:
    return [(name, [line[n] for line in rows]) for n, name in enumerate(names)]


def _cell(row: Any, column: str) -> str:
    if row is None:
        return NONE
    if column == "hits":
        return f"{100 * row.hit_rate:.2f}"
    if column == "loaded":
        return mib(row.loaded)
    return f"{row.loads:,.3f}" if column == "loads" else f"{row.rate:.2f}"


def _here(found: Plan, names: Sequence[str], size: int) -> list[str]:
    """Say what the budget in use gives."""
    said = []
    for name in names:
        row = found.table.at(name, size)
        if row is None or name in AHEAD:
            continue
        mib = f" ({row.loaded / 2**20:,.2f} MiB)" if row.loaded else ""
        rate = "" if row.rate is None else f", and makes {row.rate:.2f} tokens per second"
        said.append(f"{name} loads {row.loads:,.2f} experts{mib} per token{rate}")
    return [f"At {size_words(size, found.table.sized)} " + "; ".join(said) + "."] if said else []
