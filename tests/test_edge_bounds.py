"""Bounds of placements and their certificates: any prices give a bound, and a certificate that lies is rejected."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging import edge
from layered_paging.edge import Network, place
from layered_paging.edge.bound import best_prices, bound_of
from layered_paging.errors import CertificateRejected
from tests.test_edge import networks


@given(networks(top_k=2, servers=2, experts=3), st.randoms(use_true_random=False))
def test_any_prices_give_a_bound(net: Network, random: Any) -> None:
    table, prices = best_prices(net, "lp") or (None, None)
    assert table is not None and prices is not None
    wild = np.array([random.randrange(0, 20) for _ in prices], np.int64)
    best = place(net, "exhaustive") if net.pages <= 6 else place(net, "ilp")
    for some in (prices, wild):
        assert bound_of(net, table, some) >= best.saved


@pytest.fixture(scope="module")
def placed() -> edge.Placement:
    net = edge.generate(
        users=3, servers=2, layers=2, experts=5, top_k=2, tokens=8, storage=2 << 20, user_storage=1 << 20, seed=4
    )
    return place(net, "best", bound="lp")


def test_a_certificate_that_lies_is_rejected(placed: edge.Placement) -> None:
    good = placed.certificate
    lp.certify.check(good)
    text = json.dumps({"statement": good.statement, "evidence": good.evidence})

    def refused(change: Any, *said: str) -> None:
        fields = json.loads(text)
        change(fields["statement"], fields["evidence"])
        with pytest.raises(CertificateRejected) as caught:
            lp.certify.check(lp.Certificate("placement", fields["statement"], fields["evidence"]))
        assert not said or any(part in str(caught.value) for part in said), str(caught.value)

    refused(lambda s, e: s.update(latency=str(placed.latency - 1)), "the latency is")
    refused(lambda s, e: s.update(latency="1e999999999"), "must be a fraction")
    refused(lambda s, e: s.update(bound="1/0"), "must be a fraction")
    refused(lambda s, e: s.update(bound=str(placed.latency + 1)), "the prices prove")
    refused(lambda s, e: e.update(prices=[0] * len(e["prices"])), "the prices prove")
    refused(lambda s, e: e["prices"].pop(), "fewer prices")
    refused(lambda s, e: e["prices"].append(0), "more prices")
    refused(lambda s, e: e["prices"].__setitem__(0, -5), "integer of at least 0")
    refused(lambda s, e: e["prices"].__setitem__(0, 0.5), "integer of at least 0")
    refused(lambda s, e: s["held"]["server0"].append([0, 99]), "does not exist")
    refused(lambda s, e: s["held"].update(server0=[[0, k] for k in range(5)]), "more than its storage")
    refused(lambda s, e: s["held"].update(other=[]))
    refused(lambda s, e: s["network"]["users"][0].update(total=7), "counts sum to")
    refused(lambda s, e: s["network"]["users"][0].update(cloud=1))
    refused(lambda s, e: s["network"].update(version=2), "version")
    refused(lambda s, e: s["network"].update(version=True), "integer of at least 0; got True")
    refused(lambda s, e: s.update(more=1), "states network")
    refused(lambda s, e: e.clear())


def parts(network: Any) -> dict[str, Any]:
    return {"the network": network, "server 1": network["servers"][1], "user 2": network["users"][2]}


@pytest.mark.parametrize("where", ["the network", "server 1", "user 2"])
def test_a_certificate_that_says_more_or_less_than_is_checked_is_rejected(placed: edge.Placement, where: str) -> None:
    text = json.dumps(placed.certificate.statement)
    lp.certify.check(lp.Certificate("placement", json.loads(text), placed.certificate.evidence))

    def refused(statement: Any, said: str) -> None:
        with pytest.raises(CertificateRejected, match=re.escape(said)):
            lp.certify.check(lp.Certificate("placement", statement, placed.certificate.evidence))

    for key in ("optimal", "about", "token_bytes", "Storage"):  # the second and third a network file may have
        forged = json.loads(text)
        parts(forged["network"])[where][key] = 1
        refused(forged, f"{where} has the unknown key {key!r}; it has the keys ")
    for key in parts(json.loads(text)["network"])[where]:
        forged = json.loads(text)
        del parts(forged["network"])[where][key]
        if (where, key) == ("user 2", "storage"):  # it may be left out
            lp.certify.check(lp.Certificate("placement", forged, placed.certificate.evidence))
        else:
            refused(forged, f"{where} lacks {key!r}; it has the keys ")
    for key in ("servers", "users"):
        forged = json.loads(text)
        forged["network"][key][-1] = 5
        refused(forged, "must be an object; got int")


def test_a_certificate_states_no_key_that_is_false(placed: edge.Placement) -> None:
    text = json.dumps(placed.certificate.statement)
    network = json.loads(text)["network"]
    held = len(network["users"][0]["holds"]) * network["expert_bytes"]
    assert held > 0

    def tried(change: Any) -> None:
        forged = json.loads(text)
        change(forged["network"], forged["network"]["users"][0])
        lp.certify.check(lp.Certificate("placement", forged, placed.certificate.evidence))

    tried(lambda network, user: user.update(top_k=3, storage=held))
    for change, said in (
        (lambda network, user: user.update(top_k=1), "an event names 2 experts, more than its top_k"),
        (lambda network, user: user.update(top_k="2"), "integer of at least 1"),
        (lambda network, user: user.update(storage=held - 1), f"takes {held} bytes, more than its storage"),
        (lambda network, user: user.update(storage=-1), "integer of at least 0"),
        (lambda network, user: network.update(nonexpert_bytes=1 << 20), "bytes, more than its storage"),
        (lambda network, user: network.update(nonexpert_bytes=None), "integer of at least 0"),
        (lambda network, user: user.update(name="user1"), "two users have the same name"),
    ):
        with pytest.raises(CertificateRejected, match=re.escape(said)):
            tried(change)


def test_a_huge_claim_costs_nothing(placed: edge.Placement) -> None:
    fields = json.loads(json.dumps(placed.certificate.statement))
    fields["network"]["experts"] = [5, 10**15]
    fields["latency"] = "1"
    with pytest.raises(CertificateRejected):
        lp.certify.check(lp.Certificate("placement", fields, {}))
