"""What exact computation decides about the open questions, size by size.

Evidence. Exact ratios, each certificate accepted by the trusted checker.
Control.  The opposite of what was found, at the smallest size that shows it.
"""

from __future__ import annotations

from fractions import Fraction

from layered_paging.adversary import Table
from layered_paging.adversary.search import cyclic_optimum
from layered_paging.claims import certified_optimal, certified_ratio, misses
from layered_paging.core.registry import register

CONVENTIONS = (
    "llru",
    "llru(same_layer='near')",
    "llru(rounds='absolute')",
    "llru(rounds='absolute', same_layer='near')",
)
SMALL = ((1, 3), (1, 4), (2, 2), (3, 2), (2, 3))
FULL = (*SMALL, (1, 5), (4, 2), (2, 4))


@register(
    "claim",
    "lru-vs-fifo-sizes",
    cites=("chrobak-noga-1999",),
    statement="At every size in the scope LRU's ratio is at most FIFO's, and less at some; yet on some sequence LRU misses more.",
    latex=r"r(\mathrm{LRU}) \le r(\mathrm{FIFO}) \text{ at these sizes}",
    status="[computed]",
    evidence="certificate",
    scope={"small": "l n <= 6, every k", "full": "l n <= 8, every k"},
    control={"strictly": True},
    breaks=", FIFO ",
)
def lru_vs_fifo_sizes(scope: str = "small", *, strictly: bool = False) -> str | None:
    """Return a size at which LRU's ratio is larger (or, strictly, not smaller)."""
    smaller = 0
    for layers, experts in SMALL if scope == "small" else FULL:
        for slots in range(1, layers * experts):
            lru, fifo = (certified_ratio(p, layers=layers, experts=experts, slots=slots).value for p in ("lru", "fifo"))
            if lru > fifo or (strictly and lru == fifo):
                return f"l = {layers}, n = {experts}, k = {slots}: LRU {lru}, FIFO {fifo}"
            smaller += lru < fifo
    pages = [0, 1, 0, 2, 1]
    worse = misses("lru", pages, layers=1, experts=3, slots=2) > misses("fifo", pages, layers=1, experts=3, slots=2)
    return None if smaller and worse else "LRU is never strictly better, or never worse on a sequence"


# found as the witness of an exact ratio: experts, round by round of three layers
PREFIX = "000111212221221121110"
CYCLE = (
    "002201221120120100100101101012220200101111211211201202020110210210220220221100000020020021021121112"
    "200001021122122102102101101210022002101111011011001000222112012012022022021102202222222221221121110"
)


@register(
    "claim",
    "llru-competitive",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="LLRU is not k-competitive in any of the four conventions. Counterexamples as (rounds, same_layer; l, n, k; ratio): visit, far; 2, 4, 6; 13/2. visit, near; 3, 3, 8; 9. absolute, far; 2, 3, 5; 11/2. absolute, near; 2, 4, 6; 13/2:",
    latex=r"r(\mathrm{LLRU}) > k",
    status="[computed] (open before, as far as we know)",
    evidence="certificate",
    scope={
        "small": "the four sizes; visit, near by its witness cycle: replay and exact cyclic optimum",
        "full": "the same",
    },
    control={"policy": "lru"},
    breaks="a ratio that is not the stated one",
)
def llru_competitive(scope: str = "small", *, policy: str = "") -> str | None:
    """Return a convention whose ratio is not the one stated (for the control: of another policy)."""
    stated = [(CONVENTIONS[0], 2, 4, 6, "13/2"), (CONVENTIONS[2], 2, 3, 5, "11/2"), (CONVENTIONS[3], 2, 4, 6, "13/2")]
    for name, layers, experts, slots, ratio in stated:
        value = certified_ratio(policy or name, layers=layers, experts=experts, slots=slots).value
        if value != Fraction(ratio):
            return f"a ratio that is not the stated one: {policy or name}, l = {layers}, n = {experts}, k = {slots}: {value}"
    prefix, cycle = ([3 * (t % 3) + int(e) for t, e in enumerate(text)] for text in (PREFIX, CYCLE))
    table = Table(policy or CONVENTIONS[1], layers=3, experts=3, slots=8)
    flags = [table.serve(page) for page in prefix + cycle * 4]
    paid, best = Fraction(sum(flags[-2 * len(cycle) :]), 2), cyclic_optimum(cycle, 8)
    return None if paid / best == 9 else f"{policy or CONVENTIONS[1]}, l = n = 3, k = 8: {paid / best}"


@register(
    "claim",
    "llru-near",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="At l = 2 and 3 <= k LLRU (visit, near) has ratio exactly k at every size in the scope:",
    latex=r"r(\mathrm{LLRU}_{\text{visit, near}}) = k",
    status="[computed]",
    evidence="certificate",
    scope={"small": "l = 2, n = 3, k = 3 .. 5", "full": "l = 2, n = 3 and 4, k = 3 .. 2 n - 1"},
    control={"policy": "llru(rounds='absolute')"},
    breaks="a near convention",
)
def llru_near(scope: str = "small", *, policy: str = "llru(same_layer='near')") -> str | None:
    """Return a size at which the ratio is not k."""
    for experts in (3,) if scope == "small" else (3, 4):
        for slots in range(3, 2 * experts):
            value = certified_ratio(policy, layers=2, experts=experts, slots=slots).value
            if value != slots:
                return f"a near convention: {policy}, n = {experts}, k = {slots}: {value}"
    return None


@register(
    "claim",
    "tightness",
    cites=("angelopoulos-marchal-obrecht-simon-2025",),
    statement="k - l + 1 is not attained for every k >= l + 1: at (l, n, k) = (4, 2, 5) and (3, 3, 4), and with full scope (5, 2, 6) and (3, 4, 4), the best deterministic ratio is 7/3:",
    latex=r"\min_A r(A) = 7/3 > 2 = k - l + 1",
    status="[computed] (open before, as far as we know)",
    evidence="certificate",
    scope={"small": "(l, n, k) = (4, 2, 5), (3, 3, 4)", "full": "(4, 2, 5), (3, 3, 4), (5, 2, 6), (3, 4, 4)"},
    control={"also": ((2, 2, 3),)},  # where MARK-FAR attains k - l + 1
    breaks="attained",
)
def tightness(
    scope: str = "small", *, best: Fraction = Fraction(7, 3), also: tuple[tuple[int, int, int], ...] = ()
) -> str | None:
    """Return a size at which the best ratio is another, or is k - l + 1."""
    sizes = ((4, 2, 5), (3, 3, 4), *also)
    for layers, experts, slots in sizes if scope == "small" else (*sizes, (5, 2, 6), (3, 4, 4)):
        found = certified_optimal(layers=layers, experts=experts, slots=slots)
        if not found.solved or found.lower != best or found.upper <= slots - layers + 1:
            return f"attained: l = {layers}, n = {experts}, k = {slots}: between {found.lower} and {found.upper}"
    return None
