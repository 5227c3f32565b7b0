"""Errors, one tree: catch ``LayeredPagingError`` to catch them all.

Messages are one line and say where, what must hold, and what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = [
    "BudgetError",
    "CertificateRejected",
    "FormatError",
    "GraphTooLarge",
    "LayeredPagingError",
    "NotChecked",
    "NotRegistered",
    "ParameterError",
    "PolicyError",
    "SolverError",
    "TraceError",
]


Way = str | tuple[str, object]  # words; or a parameter and the value to give it, None for any


def in_python(parameter: str, value: object = None) -> str:
    """Return a parameter as Python writes it: ``slots``, or ``pool='shared'`` with a value."""
    return parameter if value is None else f"{parameter}={value!r}"


class LayeredPagingError(Exception):
    """Base class of every error that this package raises on purpose.

    Parameters
    ----------
    message : str
        What must hold and what was found; with a parameter it goes on after the parameter's name.
    parameter : str or tuple of str
        The parameters at fault, by their names in Python.
    value : object
        The value of the parameter, where the message is about that choice alone.
    ways : sequence of str or (str, object)
        What to do instead: words, or a parameter with the value to give it (None: any).

    Examples
    --------
    >>> error = ParameterError("needs a slot for each layer", parameter="pool", value="per-layer", ways=[("slots", None)])
    >>> str(error)
    "pool='per-layer' needs a slot for each layer (use slots)"
    >>> error.said(lambda parameter, value: f"--{parameter} {value or ''}".strip())
    '--pool per-layer needs a slot for each layer (use --slots)'
    """

    def __init__(
        self,
        message: str = "",
        *,
        parameter: str | tuple[str, ...] = (),
        value: object = None,
        ways: Sequence[Way] = (),
    ) -> None:
        self.message = message
        self.parameter = parameter
        self.value = value
        self.ways = tuple(ways)
        super().__init__(self.said(in_python))

    def said(self, named: Callable[[str, object], str | None]) -> str:
        """Return the message with the parameters as ``named`` writes them.

        A parameter for which it returns None keeps its name in Python; a way for which it returns None is left out.
        """
        names = (self.parameter,) if isinstance(self.parameter, str) else self.parameter
        subject = " and ".join(named(name, self.value) or in_python(name, self.value) for name in names)
        ways = [way if isinstance(way, str) else named(*way) for way in self.ways]
        use = ", or ".join(way for way in ways if way is not None)
        return " ".join(filter(None, (subject, self.message, f"(use {use})" if use else "")))

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


class GraphTooLarge(ParameterError):
    """The graph of an exact ratio does not fit into the memory given."""


class NotRegistered(LayeredPagingError, LookupError):
    """No policy, adversary, claim or result has this name."""


class PolicyError(LayeredPagingError, RuntimeError):
    """A policy broke the rules of the replay, for example with a victim that is not there."""


class SolverError(LayeredPagingError, RuntimeError):
    """A solver failed, ran out of time, or gave an answer that did not verify."""


class CertificateRejected(LayeredPagingError, ValueError):
    """A certificate does not prove what it states."""


class NotChecked(CertificateRejected):
    """Checking a certificate was not finished, so that nothing is said of its truth."""
