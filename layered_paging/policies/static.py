"""STATIC: a fixed ranking of the pages, made beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core.instance import Instance
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time, ranks


def profile_scores(policy: str, profile: Sequence[float], instance: Instance) -> list[float]:
    """Return the score of each page; an empty profile stays empty.

    Raises
    ------
    ParameterError
        Not a list of finite numbers, one for each page.
    """
    if not isinstance(profile, Sequence) or isinstance(profile, (str, bytes)):
        raise ParameterError(f"{policy}: profile must be a list of numbers, one for each page; got {profile!r}")
    scores = list(profile)
    if scores and len(scores) != instance.pages:
        raise ParameterError(
            f"{policy}: profile must hold a score for each of {instance.pages} pages; got {len(scores)}"
        )
    for page, score in enumerate(scores):
        number = isinstance(score, (int, float)) and not isinstance(score, bool)
        if not number or (isinstance(score, float) and not math.isfinite(score)):
            raise ParameterError(f"{policy}: profile[{page}] must be a finite number; got {score!r}")
    return scores


@register("policy", "static", cites=("usage-aware-caching",), aka=("pinned profile", "hot set"), stack=True, lazy=True)
class Static:
    """Evict the page of smallest score; ties to the oldest last use, then the lowest page.

    Parameters
    ----------
    instance : Instance
    profile : sequence of numbers
        The score of each page, by page number: for example its uses in earlier prompts.  Empty: all
        scores are equal, every decision is left to ties, and the policy is LRU.
    """

    def __init__(self, instance: Instance, *, profile: Sequence[float] = ()) -> None:
        scores = profile_scores("static", profile, instance)
        order = {score: rank for rank, score in enumerate(sorted(set(scores)))}
        self.ranks = [order[score] for score in scores] or [0] * instance.pages
        self._last: dict[int, int] = {}

    def hit(self, page: int, time: Time) -> None:
        """Note the use, for ties."""
        self._last[page] = time.clock

    miss = hit

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the candidate of the smallest score."""
        return min(candidates, key=lambda page: (self.ranks[page], self._last[page], page))

    def state(self, resident: Sequence[int], time: Time) -> dict[int, int]:
        """Return the order of last uses."""
        return ranks({page: self._last[page] for page in resident})
