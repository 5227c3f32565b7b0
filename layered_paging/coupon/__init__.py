"""Coupon collectors: exact laws, enclosures, limits, simulation, and the Yao bounds made of them.

A *collector* wants every one of ``experts`` coupons. ``collectors`` of them (one per layer) draw
in parallel, once a round, and we wait for the last to complete.

``exact`` decides in fractions, ``numeric`` encloses large sizes between two fractions, and ``limits`` holds the asymptotic laws.
``sampling`` draws, and ``symbolic`` proves the identities with sympy.  ``empirical`` sets measured ratios of policies beside the
bounds.
"""

from __future__ import annotations

from .empirical import RatioEstimate, phase_ratio
from .exact import best_split, cdf, distribution, expected_rounds, harmonic, split_bound, variance, yao_bound
from .limits import gumbel_cdf, gumbel_mean, many_collectors, poissonised
from .numeric import Comparison, Enclosure, compare, enclose_rounds, enclose_yao, occupancy_rounds
from .sampling import Sample, simulate
from .symbolic import Identity, identities

__all__ = [
    "Comparison",
    "Enclosure",
    "Identity",
    "RatioEstimate",
    "Sample",
    "best_split",
    "cdf",
    "compare",
    "distribution",
    "enclose_rounds",
    "enclose_yao",
    "expected_rounds",
    "gumbel_cdf",
    "gumbel_mean",
    "harmonic",
    "identities",
    "many_collectors",
    "occupancy_rounds",
    "phase_ratio",
    "poissonised",
    "simulate",
    "split_bound",
    "variance",
    "yao_bound",
]
