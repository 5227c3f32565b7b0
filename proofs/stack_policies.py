"""Which policies have the inclusion property: the cache of k slots is part of that of k + 1.

Evidence. Every sequence in the scope up to renaming inside layers, the caches after every request.  Belady's anomaly:
          the published sequence, FIFO misses more with 4 slots than with 3.
Control.  FIFO among the stack policies; the anomaly for LRU.
"""

from __future__ import annotations

from itertools import pairwise

from layered_paging.adversary import Table
from layered_paging.claims import layered_sequences, misses
from layered_paging.core.registry import register
from layered_paging.policies.belady import furthest

STACK = (
    "lru",
    "llru",
    "llru(rounds='absolute')",
    "llru(same_layer='near')",
    "llru(rounds='absolute', same_layer='near')",
)


@register(
    "claim",
    "stack-policies",
    cites=("mattson-gecsei-slutz-traiger-1970",),
    statement="LRU and LLRU, in all four conventions, are stack policies: a larger cache holds the smaller one. More slots never cost OPT more misses, on any prefix.",
    latex=r"C_k(t) \subseteq C_{k+1}(t)",
    status="[classical]; for LLRU [derived]",
    evidence="exhaustive",
    scope={
        "small": "l = 2, n = 2, 5 rounds; l = 1, n = 4, 6 rounds",
        "full": "l = 2, n = 3, 5 rounds; l = 1, n = 5, 8 rounds",
    },
    control={"also": "fifo"},
    breaks="fifo: ",
)
def stack_policies(scope: str = "small", *, also: str = "") -> str | None:
    """Return a policy and a sequence at which the inclusion fails."""
    sizes = ((2, 2, 5), (1, 4, 6)) if scope == "small" else ((2, 3, 5), (1, 5, 8))
    for layers, experts, rounds in sizes:
        pages_in_all = layers * experts
        for pages in layered_sequences(layers, experts, rounds):
            for policy in (*STACK, also) if also else STACK:
                tables = [Table(policy, layers=layers, experts=experts, slots=k) for k in range(1, pages_in_all + 1)]
                for page in pages:
                    for table in tables:
                        table.serve(page)
                    if not all(a.resident <= b.resident for a, b in pairwise(tables)):
                        return f"{policy}: {pages}"
            flags = [furthest(pages, k) for k in range(1, pages_in_all + 1)]
            if any(b > a for small, large in pairwise(flags) for a, b in zip(_sums(small), _sums(large), strict=True)):
                return f"OPT: {pages}"
    return None


def _sums(flags: list[bool]) -> list[int]:
    return [sum(flags[: t + 1]) for t in range(len(flags))]


@register(
    "claim",
    "fifo-anomaly",
    cites=("belady-nelson-shedler-1969",),
    statement="FIFO is not a stack policy: on 0 1 2 3 0 1 4 0 1 2 3 4 it misses 9 times with 3 slots and 10 times with 4.",
    latex=r"\mathrm{FIFO}_3(s) = 9 < \mathrm{FIFO}_4(s) = 10",
    status="[classical]",
    evidence="exhaustive",
    scope={"small": "the witness", "full": "the witness"},
    control={"policy": "lru"},
    breaks="lru: ",
)
def fifo_anomaly(scope: str = "small", *, policy: str = "fifo") -> str | None:
    """Return the counts if they are others."""
    pages = [0, 1, 2, 3, 0, 1, 4, 0, 1, 2, 3, 4]
    counts = tuple(misses(policy, pages, layers=1, experts=5, slots=k) for k in (3, 4))
    return None if counts == (9, 10) else f"{policy}: {counts}"
