"""The optimised Markov source: the request source of a lower-bound certificate, played as it stands.

``optimal_ratio(..., randomized=True).certificate`` holds a source whose chances depend on the node of the work-function
graph; no policy beats its ratio in expectation.  Unlike the uniform source it lingers in loops on which the optimum
pays nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layered_paging import Certificate, Instance
from layered_paging.adversary import require
from layered_paging.adversary.table import Adversary
from layered_paging.core.registry import register
from layered_paging.errors import ParameterError
from layered_paging.policies.stream import Stream
from layered_paging.ratio import optimal_ratio
from layered_paging.ratio.work import explore


@register(
    "adversary",
    "markov-source",
    cites=("yao-1977",),
    kind="random",
    against=(),
    forces="the lower bound of the certificate, in expectation, against every policy",
)
def markov_source(
    *, layers: int, experts: int, slots: int, rng: Stream, certificate: Certificate | str | Path | None = None
) -> Adversary:
    """Walk the work-function graph by the certificate's chances; without one, optimise a source first."""
    where = {"layers": layers, "experts": experts, "slots": slots}
    require("markov-source", slots + 1 <= layers * experts, "k + 1 <= l * n", **where)
    if certificate is None:
        certificate = optimal_ratio(**where, randomized=True).certificate
    elif not isinstance(certificate, Certificate):
        certificate = Certificate.load(certificate)
    source: Any = certificate.evidence.get("source")
    if source is None or any(certificate.statement[name] != value for name, value in where.items()):
        raise ParameterError(f"markov-source: the certificate must hold a source for {where}")
    graph = explore(Instance(layers, source["experts"], slots), source["memory"])
    number = {(node.layer, *(x for item in node.items for x in item)): i for i, node in enumerate(graph.nodes)}
    rows = {number[tuple(node)]: chances for node, chances in zip(source["nodes"], source["chances"], strict=True)}
    first = [j * experts for j in range(layers)]
    pages = [first[j] + e for j, width in enumerate(source["experts"]) for e in range(width)]
    node = 0
    while True:
        place = draw(rows[node], rng)
        _ = yield pages[place]
        arc = next(arc for arc in graph.arcs[node] if arc.page == place)
        pages, node = [pages[p] for p in arc.places], arc.target


def draw(chances: list[Any], rng: Stream) -> int:
    """Return a page by its chances; exact up to the 53 bits of a random number."""
    from fractions import Fraction

    point = Fraction(rng.random())
    for page, chance in chances:
        point -= Fraction(chance)
        if point < 0:
            return int(page)
    return int(chances[-1][0])
