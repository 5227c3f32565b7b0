"""What became of one claim."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Verdict"]


@dataclass(frozen=True)
class Verdict:
    """What became of one claim.

    Attributes
    ----------
    name, status, evidence, scope : str
        As registered; ``scope`` is the text of what was run.
    holds : bool or None
        None where nothing was run: evidence ``none``, or a package is missing (see ``reason``).
    control_refuted : bool or None
        Whether the control was refuted; None where nothing was run.
    seconds : float
        Of this claim; of all theorems together where ``together`` is not 0.
    reason : str
        The counterexample, the error, or what is missing; empty if there is nothing to say.
    together : int
        How many theorems the proof kernel was asked about in one call, this one among them; 0: the claim ran alone.
    """

    name: str
    status: str
    evidence: str
    scope: str
    holds: bool | None
    control_refuted: bool | None
    seconds: float
    reason: str = ""
    together: int = 0

    @property
    def failed(self) -> bool:
        """Whether the claim or its control went wrong."""
        return self.holds is False or self.control_refuted is False
