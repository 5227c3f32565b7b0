"""The trusted checker: decides in ints and Fractions whether a certificate proves its statement.

It shares no code with the searches; it imports the reference classes of policies and nothing that searches.
"""

from __future__ import annotations

import importlib
from typing import Any

from ..certificate import Certificate
from ..errors import CertificateRejected, LayeredPagingError, ParameterError
from .meter import LIMIT, metered

__all__ = ["KINDS", "LIMIT", "check"]

# kind -> module of this folder with ``check(certificate)``, or ``check(certificate, trace)`` for kinds about a trace
KINDS = {
    "optimum": "optimum",
    "optimum-bound": "optimum",
    "ratio-policy": "ratio",
    "ratio-lower": "ratio",
    "ratio-game": "ratio_game",
    "ratio-events": "ratio_events",
    "ratio-random": "ratio_random",
    "placement": "placement",
    "stall": "stall",
}
ABOUT_TRACES = ("optimum", "stall")
ABOUT_POLICIES = ("ratio",)


def check(certificate: Certificate, trace: Any = None, limit: int = LIMIT, policy: Any = None) -> None:
    """Return if the certificate proves its statement.

    Parameters
    ----------
    certificate : Certificate
    trace : Trace, optional
        What a certificate about a trace is about.
    limit : int
        Steps of work that checking may take, each about a third of a microsecond. A fiftieth of it is the most numbers
        that are held.  The default ends within minutes.
    policy : class, optional
        The class that a certificate of the ratio of a policy of your own is about, where it is not registered.

    Raises
    ------
    ParameterError
        A policy, and the certificate is about none.
    CertificateRejected
        It does not, or its kind is unknown, or the trace it needs is missing, or checking takes more than the limit.
    """
    if not isinstance(certificate, Certificate) or not isinstance(certificate.kind, str):
        raise CertificateRejected(f"not a Certificate: {type(certificate).__name__}")
    if certificate.kind not in KINDS:
        raise CertificateRejected(f"unknown kind {certificate.kind!r}; available: {', '.join(KINDS)}")
    home = KINDS[certificate.kind]
    if policy is not None and home not in ABOUT_POLICIES:
        raise ParameterError(f"policy is for certificates of a policy's ratio; got kind {certificate.kind!r}")
    module = importlib.import_module(f".{KINDS[certificate.kind]}", __name__)
    try:
        with metered(limit):
            more = (trace,) if home in ABOUT_TRACES else (policy,) if home in ABOUT_POLICIES else ()
            module.check(certificate, *more)
    except CertificateRejected:
        raise
    except (
        LayeredPagingError,
        TypeError,
        ArithmeticError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        raise CertificateRejected(f"malformed: {type(error).__name__}: {error}") from None
