"""Hypothesis strategies: instances, sequences, traces, schedules, certificates and what may go wrong with these."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from ..adversary import Table
from ..certificate import Certificate
from ..core.instance import Instance
from ..core.layout import lay_out
from ..core.trace import Trace
from ..offline import optimum
from ..policies.spec import PolicySpec

__all__ = [
    "certificates",
    "follow",
    "instances",
    "mutations",
    "renamed",
    "schedules",
    "sequences",
    "shortest",
    "traces",
]


@st.composite
def instances(draw: Any, *, layers: int = 3, experts: int = 4, fits: bool = False) -> Instance:
    """Draw an instance: up to ``layers`` layers of up to ``experts`` experts, widths that may differ.

    At least one slot; fewer slots than pages unless ``fits`` (and at least 2 pages then).
    """
    widths = draw(st.lists(st.integers(1, experts), min_size=1, max_size=layers))
    if not fits and sum(widths) < 2:
        widths[0] = max(2, widths[0])
    return Instance(len(widths), widths, draw(st.integers(1, sum(widths) - (0 if fits else 1))))


def sequences(*, layers: int = 2, experts: int = 3, rounds: int = 12) -> st.SearchStrategy[Trace]:
    """Return a strategy of layered sequences of single requests: exactly ``layers`` layers, up to ``rounds`` rounds."""
    row = st.lists(st.integers(0, experts - 1), min_size=layers, max_size=layers)
    return st.lists(row, min_size=1, max_size=rounds).map(lambda rows: Trace(rows, experts))


@st.composite
def traces(
    draw: Any,
    *,
    layers: int = 3,
    experts: int = 4,
    top_k: int = 2,
    rounds: int = 8,
    sessions: int = 2,
    missing: bool = True,
) -> Trace:
    """Draw a trace: events of up to ``top_k`` distinct experts (-1 for none if ``missing``), sessions and stages."""
    count = draw(st.integers(1, layers))
    n = draw(st.integers(1, experts))
    width = draw(st.integers(1, min(top_k, n)))
    length = draw(st.integers(1, rounds))
    event = st.lists(st.integers(0, n - 1), min_size=0 if missing else width, max_size=width, unique=True)
    rows = draw(st.lists(st.lists(event, min_size=count, max_size=count), min_size=length, max_size=length))
    ids = np.full((length, count, width), -1, np.int64)
    for r, row in enumerate(rows):
        for j, members in enumerate(row):
            ids[r, j, : len(members)] = members
    if (ids < 0).all():
        ids[0, 0, 0] = 0
    starts = draw(st.lists(st.integers(1, max(1, length - 1)), unique=True, max_size=max(0, min(sessions, length) - 1)))
    stage = draw(st.lists(st.integers(0, 1), min_size=length, max_size=length))
    begins = [0, *sorted(start for start in starts if start < length)]
    return Trace(ids, n, sessions=begins, stage=stage)


def schedules(*, length: int = 24) -> st.SearchStrategy[list[int]]:
    """Return a strategy of moves of an adaptive adversary, for ``follow``."""
    return st.lists(st.integers(0, 7), min_size=1, max_size=length)


def follow(
    moves: Sequence[int], policy: str | type | PolicySpec, *, layers: int, experts: int, slots: int
) -> list[int]:
    """Play adaptive moves against a policy and return the pages requested.

    An even move m asks for the (m / 2)-th absent page of the layer whose turn it is.  An odd one asks for the (m // 2)-th
    page of it that is present.  Pages are counted round; where there is none of a kind, the other kind is taken.
    """
    table = Table(policy, layers=layers, experts=experts, slots=slots)
    pages = []
    for turn, move in enumerate(moves):
        layer = turn % layers
        own = range(layer * experts, (layer + 1) * experts)
        absent = [page for page in own if page not in table.resident]
        present = [page for page in own if page in table.resident]
        choice = (absent or present) if move % 2 == 0 else (present or absent)
        pages.append(choice[move // 2 % len(choice)])
        table.serve(pages[-1])
    return pages


@st.composite
def certificates(draw: Any) -> tuple[Certificate, Trace | None]:
    """Draw a genuine certificate with the trace it is about (None for ratios): all are accepted by ``certify``."""
    if draw(st.booleans()):
        trace = draw(traces(sessions=1))
        admission = draw(st.sampled_from(["forced", "bypass"]))
        slots = draw(st.integers(lay_out(trace).largest_event(), trace.pages + 1))
        return optimum(trace, slots, admission=admission).certificate, trace
    from ..ratio import competitive_ratio

    layers, experts = draw(st.sampled_from([(1, 3), (2, 2)]))
    slots = draw(st.integers(1, layers * experts - 1))
    policy = draw(st.sampled_from(["lru", "fifo", "llru"]))
    found = competitive_ratio(policy, layers=layers, experts=experts, slots=slots)
    return found.certificate, None


def mutations(certificate: Certificate) -> st.SearchStrategy[Certificate]:
    """Return a strategy of certificates that differ in one place of the statement or the evidence.

    A number changes by one, a fraction likewise, a flag flips. An item of a list is dropped, doubled or exchanged with its
    neighbour, a field is removed.  The digest fits: only a checker of contents can tell.  A mutation may by chance
    still be right (say, a schedule that is another optimum).
    """
    fields = {"statement": dict(certificate.statement), "evidence": dict(certificate.evidence)}
    places = list(_places(fields, ()))

    def changed(place: tuple[tuple[Any, ...], str]) -> Certificate:
        path, how = place
        twin = copy.deepcopy(fields)
        parent: Any = twin
        for key in path[:-1]:
            parent = parent[key]
        _mutate(parent, path[-1], how)
        return Certificate(certificate.kind, twin["statement"], twin["evidence"])

    return st.sampled_from(places).map(changed)


def _places(value: Any, path: tuple[Any, ...]) -> Any:
    """Yield (path, kind of mutation) for everything below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        here = (*path, key)
        if isinstance(item, bool):
            yield here, "flip"
        elif isinstance(item, int) or (isinstance(item, str) and _is_fraction(item)):
            yield here, "more"
            yield here, "less"
        elif isinstance(item, dict) or (isinstance(item, list) and item):
            yield from _places(item, here)
        if isinstance(value, list):
            yield here, "drop"
            yield here, "double"
            if key + 1 < len(value) and value[key + 1] != item:
                yield here, "swap"
        elif path:
            yield here, "drop"


def _mutate(parent: Any, key: Any, how: str) -> None:
    if how == "drop":
        del parent[key]
    elif how == "double":
        parent.insert(key, copy.deepcopy(parent[key]))
    elif how == "swap":
        parent[key], parent[key + 1] = parent[key + 1], parent[key]
    elif how == "flip":
        parent[key] = not parent[key]
    else:
        step = 1 if how == "more" else -1
        old = parent[key]
        parent[key] = old + step if isinstance(old, int) else str(Fraction(old) + step)


def _is_fraction(text: str) -> bool:
    try:
        Fraction(text)
    except ValueError:
        return False
    return True


def renamed(trace: Trace, orders: Sequence[Sequence[int]]) -> Trace:
    """Return the trace with the experts of layer j renamed by the permutation ``orders[j]``."""
    ids = np.array(trace.experts, np.int64)
    for j, order in enumerate(orders):
        ids[:, j] = np.where(ids[:, j] >= 0, np.asarray(order)[ids[:, j]], -1)
    return Trace(ids, trace.n_experts, trace.sessions, trace.stage)


def shortest(strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool], *, seed: int = 0) -> Any:
    """Return the simplest example that Hypothesis finds for a condition, or None."""
    import random

    try:
        return find(
            strategy,
            condition,
            settings=settings(max_examples=500, database=None, deadline=None),
            random=random.Random(seed),
        )
    except NoSuchExample:
        return None
