"""Confidence intervals of means: Student's t, once for every room that estimates."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ..errors import ParameterError

__all__ = ["half_width", "mean_interval", "t_quantile"]


def t_quantile(confidence: float, freedom: int) -> float:
    """Return the t for which Student's distribution has ``confidence`` of its mass within -t..t.

    Parameters
    ----------
    confidence : float
        Between 0 and 1, both excluded.
    freedom : int
        Degrees of freedom, at least 1.

    Raises
    ------
    ParameterError
        One of them is out of its range.

    Examples
    --------
    >>> round(t_quantile(0.95, 4), 4)
    2.7764
    """
    # the special function that scipy.stats calls for it; scipy.stats itself takes half a second to load
    from scipy.special import stdtrit

    if not isinstance(confidence, (int, float)) or not 0 < confidence < 1:
        raise ParameterError(f"must lie between 0 and 1; got {confidence!r}", parameter="confidence")
    if freedom < 1:
        raise ParameterError(f"an interval needs two values or more; got {freedom + 1}")
    return float(stdtrit(freedom, (1 + confidence) / 2))


def half_width(values: Sequence[float], confidence: float = 0.95) -> float:
    """Return the half width of the interval of a mean (Student's t); at least two values.

    Examples
    --------
    >>> round(half_width([1.0, 2.0, 3.0]), 4)
    2.4841
    """
    return t_quantile(confidence, len(values) - 1) * statistics.stdev(values) / float(len(values) ** 0.5)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return the mean of at least one value, and the half width of its interval: 0 for a single value."""
    return statistics.fmean(values), half_width(values, confidence) if len(values) > 1 else 0.0
