"""Certificates that tests of the checker change, and what they expect of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging.certificate import Certificate
from layered_paging.certify import check, ratio
from layered_paging.errors import CertificateRejected
from layered_paging.policies.names import resolve

ATLAS = Path(__file__).resolve().parents[1] / "docs" / "atlas"


def atlas(name: str) -> Certificate:
    return Certificate.load(ATLAS / f"{name}.json.gz")


def with_changes(certificate: Certificate, change: Callable[[Any, Any], Any]) -> Certificate:
    says, shows = copy.deepcopy((dict(certificate.statement), dict(certificate.evidence)))
    change(says, shows)
    return Certificate(certificate.kind, says, shows)


def passes(certificate: Certificate) -> bool:
    try:
        check(certificate)
    except CertificateRejected:
        return False
    return True


def refused(certificate: Certificate, words: str, change: Callable[[Any, Any], Any] = lambda s, e: None) -> None:
    with pytest.raises(CertificateRejected, match=words):
        check(with_changes(certificate, change))


def setting(*path: Any, to: Any) -> Callable[[Any, Any], None]:
    """Return a change of one entry of the evidence."""

    def change(_: Any, shows: Any) -> None:
        for key in path[:-1]:
            shows = shows[key]
        shows[path[-1]] = to

    return change


def player() -> ratio.Player:
    return ratio.Player(resolve("lru"), lp.Instance(1, 3, 2), "shared")


def lru() -> Certificate:
    return lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate
