"""Errors, one tree: catch ``LayeredPagingError`` to catch them all.

Messages are one line and say where, what must hold, and what was found.
"""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "CertificateRejected",
    "FormatError",
    "LayeredPagingError",
    "NotRegistered",
    "ParameterError",
    "PolicyError",
    "SolverError",
    "TraceError",
]


class LayeredPagingError(Exception):
    """Base class of every error that this package raises on purpose."""

    def __str__(self) -> str:
        """Return the message on one line, whatever a file made it quote."""
        return "\\n".join(super().__str__().splitlines())


class ParameterError(LayeredPagingError, ValueError):
    """A parameter is outside its range, or two of them contradict each other."""


class TraceError(LayeredPagingError, ValueError):
    """The contents of a trace break the definition of a trace."""


class FormatError(TraceError):
    """A file is not what its format says: truncated, corrupt or of another kind."""


class BudgetError(ParameterError):
    """The slots or bytes given cannot hold what must be resident at once."""


class NotRegistered(LayeredPagingError, LookupError):
    """No policy, adversary, claim or result has this name."""


class PolicyError(LayeredPagingError, RuntimeError):
    """A policy broke the rules of the replay, for example with a victim that is not there."""


class SolverError(LayeredPagingError, RuntimeError):
    """A solver failed, ran out of time, or gave an answer that did not verify."""


class CertificateRejected(LayeredPagingError, ValueError):
    """A certificate does not prove what it states."""
