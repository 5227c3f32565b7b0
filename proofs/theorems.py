"""Each theorem that the proof kernel has checked is a claim; the kernel alone decides it."""

from __future__ import annotations

from layered_paging.core.registry import register
from layered_paging.theorems import Theorem, theorems


def enter(theorem: Theorem) -> None:
    """Register a theorem as the claim ``theorem-NAME``."""
    also = f"; small cases: claim `{theorem.claim}`" if theorem.claim else ""

    @register(
        "claim",
        "theorem-" + theorem.name.replace("_", "-"),
        statement=f"`{theorem.constant}`{also}:",
        latex=theorem.latex,
        status="[derived]",
        cites=(),
        evidence="theorem",
        theorem=theorem.name,
        scope={"small": "all sizes: the compiled statement", "full": "all sizes: the compiled files checked again"},
        control={"statement": f"{len(theorem.controls)} false neighbours"},
    )
    def kernel_decides(scope: str) -> None:
        """Decided by the proof kernel, not here."""


for row in theorems():
    enter(row)
