"""A replay as a table to look at: what each slot holds after each request."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import numpy as np

from ..core.arguments import kinds
from ..core.instance import integer
from ..core.trace import Trace
from ..engine.run import history
from ..errors import ParameterError
from ..policies.names import resolve
from ..policies.spec import PolicySpec

__all__ = ["board", "labels"]

_MOST = 2000  # cells of all tables together
_CELL = "border:1px solid #888;padding:.15em .3em;text-align:center;min-width:1.6em;"
_NEW = _CELL + "background:#e69f00;color:#000;font-weight:bold;"
_HELD = _CELL + "background:transparent;"


@kinds()
def board(
    trace: Trace,
    policies: str | type | PolicySpec | Sequence[str | type | PolicySpec],
    slots: int,
    *,
    blank: bool = False,
    reset: str = "never",
    admission: str = "forced",
) -> str:
    """Return tables of a short replay, one per policy, as HTML.

    Parameters
    ----------
    trace : Trace
        Short: one column an event.  Pages are written as on the replay page: layer a, b, ..., then the expert; by the
        expert alone where there is one layer.
    policies : str, class, PolicySpec, or sequence of them
        As for ``replay``, a class of your own too; ``opt`` stands for ``belady``.
    slots : int
        At least 1.
    blank : bool
        Leave the contents out: a sheet to fill in.
    reset, admission : str
        As for ``replay``.

    Returns
    -------
    str
        A missed page is marked by a cross, and shaded where it is put in; so colour is never needed.

    Raises
    ------
    ParameterError
        The tables would have more than 2,000 cells; what ``replay`` raises.

    Examples
    --------
    >>> import layered_paging as lp
    >>> print(lp.report.board(lp.Trace([[0], [1], [0]], n_experts=2), "lru", 1).count("✕"))
    3
    """
    names = [policies] if isinstance(policies, str | type | PolicySpec) else list(policies)
    slots = integer("slots", slots, 1)
    size = trace.rounds * trace.layers * (slots + 2) * len(names)
    if size > _MOST:
        raise ParameterError(f"a board must have at most {_MOST} cells, slots times events; got {size}: cut the trace")
    return "".join(_table(trace, name, slots, blank, reset, admission) for name in names)


def labels(trace: Trace) -> Callable[[int], str]:
    """Return how a page is written: the letter of its layer and the expert; the expert alone where there is one layer."""
    first = np.concatenate(([0], np.cumsum(trace.n_experts)))

    def label(page: int) -> str:
        layer = int(np.searchsorted(first, page, side="right")) - 1
        expert = page - int(first[layer])
        if trace.layers == 1:
            return str(expert)
        return f"{chr(97 + layer)}{expert}" if trace.layers <= 26 else f"{layer}:{expert}"

    return label


def _table(trace: Trace, policy: str | type | PolicySpec, slots: int, blank: bool, reset: str, admission: str) -> str:
    called = labels(trace)
    spec = resolve("belady" if policy == "opt" else policy)
    name = policy if isinstance(policy, str) else spec.name
    held: list[int | None] = [None] * slots
    heads, marks, columns, misses = [], [], [], 0
    for step in history(trace, spec, slots, reset=reset, admission=admission):
        asked = [*step.hits, *step.misses]
        held = [page if page in step.resident else None for page in held]
        fresh = [page for page in step.misses if page in step.resident]
        for page in fresh:
            held[held.index(None)] = page
        edge = "border-left:3px solid #888;" if trace.layers > 1 and step.event.time.layer == 0 else ""
        heads.append(f'<th style="{_CELL}{edge}">{" ".join(map(called, asked)) or "–"}</th>')
        marks.append(f'<td style="{_HELD}{edge}">{"" if blank else "✕" * len(step.misses) or "·"}</td>')
        columns.append(
            [
                f'<td style="{_NEW if page in fresh and not blank else _HELD}{edge}">'
                f"{'' if page is None or blank else called(page)}</td>"
                for page in held
            ]
        )
        misses += len(step.misses)
    rows = [f'<th style="text-align:left;padding-right:.8em">{html.escape(name)}</th>{"".join(heads)}']
    rows += [
        f'<th style="font-weight:normal;text-align:left;white-space:nowrap">slot {at + 1}</th>{"".join(c[at] for c in columns)}'
        for at in range(slots)
    ]
    said = "missed?" if blank else f"{misses} missed"
    rows.append(f'<th style="font-weight:normal;text-align:left;white-space:nowrap">{said}</th>{"".join(marks)}')
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        '<div style="overflow-x:auto;margin:.6em 0"><table style="border-collapse:collapse;width:auto;font-size:.9em">'
        f"{body}</table></div>"
    )
