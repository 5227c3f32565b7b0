"""The offline caches of one policy state and their potentials, and all lazy moves from them at once.

numpy is used for 64-bit integers only: masks of pages and how many they have, sums of potentials that are known to fit,
searching in a sorted list.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from ..core.instance import Instance
from ..errors import CertificateRejected
from .meter import spend

__all__ = ["Rows", "missing_or_failing", "rows", "runs_of"]

LARGEST = 1 << 60  # potentials and gains stay below, so that their sums fit into 64 bits
STATE, ANSWER, MOVE = 400, 20, 1  # steps of looking at one event of a state, at one set to give up, and at one move
PART = 1 << 20  # moves at once

Rows = tuple[Any, Any]  # masks in ascending order, and their potentials


def rows(numbers: Any, pages: int) -> Rows:
    """Return what a list of masks and potentials in turn says.

    Raises
    ------
    CertificateRejected
        It is no such list, a mask is no set of pages or comes twice, or a potential is negative or huge.
    """
    if not isinstance(numbers, list) or len(numbers) % 2 or not all(type(x) is int for x in numbers):
        raise CertificateRejected("'potential' must hold integers, masks and potentials in turn")
    if not all(0 <= mask < 1 << pages for mask in numbers[0::2]):
        raise CertificateRejected(f"'potential' names a cache that is no set of the {pages} pages")
    if not all(value >= 0 for value in numbers[1::2]):
        raise CertificateRejected("'potential' must not be negative")
    if not all(value < LARGEST for value in numbers[1::2]):
        raise CertificateRejected(f"'potential' must be below {LARGEST}")
    masks, values = np.array(numbers[0::2], np.int64), np.array(numbers[1::2], np.int64)
    order = np.argsort(masks, kind="stable")
    masks, values = masks[order], values[order]
    if (masks[1:] == masks[:-1]).any():
        raise CertificateRejected("'potential' names a cache twice")
    return masks, values


def _bits(masks: Any) -> Any:
    return np.bitwise_count(masks).astype(np.int64)


def missing_or_failing(
    here: Rows, there: Rows, asked: int, fixed: int, slots: int, gains: Sequence[int], runs: Sequence[Sequence[int]]
) -> tuple[str, int] | None:
    """Try every lazy answer to an event from every offline cache; return what is wrong with one, and the cache, or None.

    Parameters
    ----------
    here, there : Rows
        Of the state before and after the event; that before has at least one.
    asked, fixed : int
        Masks of the event's pages, and of those that must stay until it ends.
    slots : int
        Of the optimum.
    gains : sequence of int
        ``gains[paid]``, all below ``LARGEST`` in size: ``gains[paid] + potential there <= potential here`` must hold.
    runs : sequence of sequences of pages
        The pages in the places of the next state. Those of one run are alike, so which of them are cached does not
        matter, only how many: the first places of the run count as cached.
    """
    masks, values = here
    if not len(there[0]):
        return "missing", int(masks[0])
    joined = masks | asked
    paid = _bits(asked & ~masks)
    over = np.maximum(_bits(joined) - slots, 0)
    spare = [page for run in runs for page in run if not fixed >> page & 1]
    for count in np.unique(over).tolist():
        spend(STATE + ANSWER * comb(len(spare), count), "the moves from every state")
        gone = np.array([sum(1 << page for page in out) for out in combinations(spare, count)], np.int64)
        every = np.flatnonzero(over == count)
        part = max(1, PART // len(gone))
        for at in (every[n : n + part] for n in range(0, len(every), part)):
            spend(MOVE * len(at) * len(gone), "the moves from every state")
            which, out = np.nonzero(joined[at][:, None] & gone == gone)
            which = at[which]
            kept = joined[which] & ~gone[out]
            target, place = np.zeros_like(kept), 0
            for run in runs:
                target |= ((1 << _bits(kept & sum(1 << page for page in run))) - 1) << place
                place += len(run)
            found = np.searchsorted(there[0], target)
            found[found == len(there[0])] = 0
            absent = np.flatnonzero(there[0][found] != target)
            if len(absent):
                return "missing", int(masks[which[absent[0]]])
            wrong = np.flatnonzero(np.array(gains, np.int64)[paid[which]] + there[1][found] > values[which])
            if len(wrong):
                return "failing", int(masks[which[wrong[0]]])
    return None


def runs_of(labels: Sequence[Any], instance: Instance, free: bool) -> list[list[int]]:
    """Return the pages in the order of their labels within each layer, those of equal labels together, if that is free."""
    if not free:
        return [[page] for page in range(instance.pages)]
    runs: list[list[int]] = []
    for layer in range(instance.layers):
        block = sorted(instance.pages_of(layer), key=lambda page: labels[page])
        for n, page in enumerate(block):
            if n and labels[block[n - 1]] == labels[page]:
                runs[-1].append(page)
            else:
                runs.append([page])
    return runs
