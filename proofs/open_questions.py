"""Questions that nobody has settled as far as we know: stated, never counted as verified."""

from __future__ import annotations

from layered_paging.core.registry import register

PAPER = ("angelopoulos-marchal-obrecht-simon-2025",)


@register(
    "claim",
    "lru-vs-fifo",
    cites=("chrobak-noga-1999",),
    statement="Is LRU never worse than FIFO at l < k < 2 l - 1? Elsewhere it is not: both have (l - 1)/(l - k) for k < l, LRU has 2 - 1/l at k = l, and FIFO has at least k, LRU at most k, from 2 l - 1 on (adversary `fifo-trap`, claim `theorem-lru-upper`). Decided sizes: claim `lru-vs-fifo-sizes`.",
    latex=r"r(\mathrm{LRU}) \le r(\mathrm{FIFO})",
    status="[open]",
    evidence="none",
)
def lru_vs_fifo(scope: str = "small") -> None:
    """Stated only."""


@register(
    "claim",
    "tightness-elsewhere",
    cites=PAPER,
    statement="For which k >= l + 1 is k - l + 1 attained by some deterministic policy? At k + 1 = l n it is (claim `mark-far`), at the sizes of claim `tightness` it is not; all exceptions found have k = l + 1:",
    latex=r"\min_A r(A) = k - l + 1",
    status="[open]",
    evidence="none",
)
def tightness_elsewhere(scope: str = "small") -> None:
    """Stated only."""


@register(
    "claim",
    "randomized-gap",
    cites=PAPER,
    statement="Where between the lower bound and H_k is the optimal randomized ratio?",
    latex=r"Y(l, n) \le r \le H_k",
    status="[open]",
    evidence="none",
)
def randomized_gap(scope: str = "small") -> None:
    """Stated only."""


@register(
    "claim",
    "llru-ratio",
    cites=PAPER,
    statement="What is the ratio of LLRU exactly? At most k + l - 1 in every convention (claims `theorem-llru-visit`, `theorem-llru-absolute`), which is attained at some sizes of two layers; not k (claim `llru-competitive`):",
    latex=r"r(\mathrm{LLRU}) = \,? \le k + l - 1",
    status="[open]",
    evidence="none",
)
def llru_ratio(scope: str = "small") -> None:
    """Stated only."""
