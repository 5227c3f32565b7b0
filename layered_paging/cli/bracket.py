"""The bounds of a search that did not settle a ratio, beside what theorems say there."""

from __future__ import annotations

import argparse
from fractions import Fraction
from typing import Any

__all__ = ["between", "joins", "show_sources"]


def joins(answer: dict[str, Any], args: argparse.Namespace) -> bool:
    """Replace the bounds of an answer by better ones that are proved, and name the source of each.

    The certificate holds what the search has: that stands in ``searched``.  Returns whether any bound is known.
    """
    from ..policies.names import resolve
    from ..problems import BEST, RANDOMIZED, Size, joined

    searched = {side: answer.get(side) for side in ("lower", "upper")}
    plain = not args.general and args.pool == "shared" and args.offline_slots in (None, args.slots)
    if not plain or len(set(args.experts)) > 1:  # of these sizes no theorem speaks
        return any(searched.values())
    subject = (RANDOMIZED if args.randomized else BEST) if args.optimal else resolve(args.policy)
    size = Size(args.layers, args.experts[0], args.slots, args.top_k, args.admission)
    lower, upper = (None if bound is None else Fraction(bound) for bound in searched.values())
    found = joined(subject, size, lower, upper)
    answer |= {side: None if x is None else str(x) for side, x in (("lower", found.lower), ("upper", found.upper))}
    answer |= {"lower_from": found.below or None, "upper_from": found.above or None, "searched": searched}
    return found.lower is not None or found.upper is not None


def between(answer: dict[str, Any]) -> str:
    """Return both bounds of an answer in words.

    Examples
    --------
    >>> between({"lower": "2", "upper": None}), between({"lower": "2", "upper": "2"})
    ('at least 2, no upper bound yet', 'exactly 2')
    """
    lower, upper = answer["lower"], answer["upper"]
    if lower is None or upper is None:
        return f"at least {lower}, no upper bound yet" if upper is None else f"at most {upper}, no lower bound yet"
    return f"exactly {lower}" if lower == upper else f"between {lower} and {upper}"


def show_sources(answer: dict[str, Any]) -> None:
    """Print where each bound comes from, if one of them is not of the search."""
    from ..problems import SEARCH

    sides = [(side, answer.get(f"{side}_from")) for side in ("lower", "upper")]
    if all(source in (None, SEARCH) for _, source in sides):
        return
    print("  " + "; ".join(f"{side} side: {source}" for side, source in sides if source))
    found = answer["searched"]
    print(f"  the search itself: {found['lower'] or 'no lower side'} to {found['upper'] or 'no upper side yet'}")
