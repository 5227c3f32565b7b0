"""The best randomized policy: known values, exact certificates, forgeries."""

from __future__ import annotations

import copy
from fractions import Fraction

import pytest

import layered_paging as lp
from layered_paging import certify
from layered_paging.certificate import Certificate
from layered_paging.errors import CertificateRejected


def bracket(layers, experts, slots, **options):
    return lp.optimal_ratio(layers=layers, experts=experts, slots=slots, randomized=True, **options)


def harmonic(k):
    return sum(Fraction(1, i) for i in range(1, k + 1))


@pytest.mark.parametrize(("pages", "slots"), [(3, 1), (3, 2), (4, 2), (4, 3), (5, 4)])
def test_classical_paging_closes_on_the_harmonic_number(pages, slots):
    found = bracket(1, pages, slots)
    assert found.lower == found.upper == harmonic(slots)
    certify.check(found.certificate)


@pytest.mark.parametrize(
    ("size", "value"), [((2, 2, 1), "1"), ((2, 2, 3), "7/4"), ((4, 1, 2), "1"), ((2, 3, 3), "7/4")]
)
def test_sizes_where_both_sides_meet(size, value):
    found = bracket(*size)
    assert found.lower == found.upper == Fraction(value)
    assert found.upper <= lp.optimal_ratio(layers=size[0], experts=size[1], slots=size[2]).lower
    certify.check(found.certificate)


def test_a_search_cut_short_keeps_true_bounds():
    found = bracket(3, 2, 3, seconds=0)
    assert not found.complete
    assert 0 < found.lower < found.upper
    certify.check(found.certificate)


def rejected(certificate, change, match=None):
    statement, evidence = copy.deepcopy((dict(certificate.statement), dict(certificate.evidence)))
    change(statement, evidence)
    with pytest.raises(CertificateRejected, match=match):
        certify.check(Certificate(certificate.kind, statement, evidence))


def test_forgeries():
    certificate = bracket(2, 2, 3).certificate
    rejected(certificate, lambda s, e: s.update(upper="17/10"), "potential fails")
    rejected(certificate, lambda s, e: s.update(lower="9/5"), "values fail")
    rejected(certificate, lambda s, e: e.update(source=None), "no source")

    def nodes_without_start(side):
        def change(s, e):
            at = next(i for i, row in enumerate(e[side]["nodes"]) if not any(row))
            for column in e[side].values():
                if isinstance(column, list) and len(column) > 4:
                    del column[at]

        return change

    for side in ("policy", "source"):
        rejected(certificate, nodes_without_start(side), "start|entry for each node")
    rejected(certificate, lambda s, e: e["policy"]["transports"][2].popitem(), "has no transport")

    def other_mass(s, e):
        row = next(row for row in e["policy"]["distributions"] if len(row) > 1)
        row[0][1], row[1][1] = str(Fraction(row[0][1]) / 2), str(Fraction(row[1][1]) + Fraction(row[0][1]) / 2)

    def too_much(s, e):
        e["policy"]["distributions"][1][0][1] = "2"

    def certain(s, e):
        row = next(row for row in e["source"]["chances"] if len(row) > 1)
        del row[1:]

    def no_cache(s, e):
        del e["source"]["values"][3][0]

    rejected(certificate, other_mass, "does not fit")
    rejected(certificate, too_much, "add up to 1")
    rejected(certificate, certain, "add up to 1")
    rejected(certificate, no_cache, "no value for cache")


def test_a_source_on_which_the_optimum_never_pays_proves_nothing():
    """Ask for page 0 and page 2 for ever: cost and optimum stand still, so any ratio would 'hold'."""
    from layered_paging.ratio.work import explore

    graph = explore(lp.Instance(2, 2, 3), 0)
    order, at = [0], 0
    chances = []
    while at < len(order):
        arcs = graph.arcs[order[at]]
        arc = max(arcs, key=lambda a: graph.nodes[order[at]].items[a.page])  # what was asked for last
        chances.append([[arc.page, "1"]])
        if arc.target not in order:
            order.append(arc.target)
        at += 1
    # low values while the first requests are still to come, 0 afterwards
    values = [[[cache, str(-1000 * max(0, 2 - n))] for cache in graph.caches] for n, _ in enumerate(order)]
    nodes = [[0, *(x for item in graph.nodes[i].items for x in item)] for i in order]
    source = {"experts": [2, 2], "memory": 0, "nodes": nodes, "chances": chances, "values": values}
    statement = {"layers": 2, "experts": 2, "slots": 3, "lower": "100", "upper": None}
    with pytest.raises(CertificateRejected, match="never pays"):
        certify.check(Certificate("ratio-random", statement, {"policy": None, "source": source}))
