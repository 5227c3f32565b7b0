"""Claims: statements with evidence, and controls that show that their checks can fail.

A claim is a function ``claim(scope, **control)`` that returns a counterexample or None and decides
in ints and Fractions.  Its control is a slightly false variant that the same function must refute.
``verify`` runs claims and controls.
"""

from ..core.declarations import EVIDENCE, SCOPES
from .helpers import (
    Unavailable,
    certified_optimal,
    certified_ratio,
    cheapest,
    counter_model,
    layered_sequences,
    misses,
    solver,
    within,
)
from .listed import Claims, Verdicts
from .running import all_claims, verify
from .status import status_page
from .verdict import Verdict

__all__ = [
    "EVIDENCE",
    "SCOPES",
    "Claims",
    "Unavailable",
    "Verdict",
    "Verdicts",
    "all_claims",
    "certified_optimal",
    "certified_ratio",
    "cheapest",
    "counter_model",
    "layered_sequences",
    "misses",
    "solver",
    "status_page",
    "verify",
    "within",
]
