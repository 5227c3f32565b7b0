"""How much the experts that are asked for tell of the kind of prompt, by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.trace import Trace
from ..errors import ParameterError

__all__ = ["Information", "counts_by_kind", "information", "plug_in"]


@dataclass(frozen=True)
class Information:
    """Mutual information between kind of prompt and expert, in nats, one number a layer.

    Attributes
    ----------
    plain : float64 array
        The plug-in estimate: of the observed frequencies.
    shuffled : float64 array
        Its mean when the kinds are dealt out to the sessions at random: what so few sessions, each of one
        text, show without any connection.
    counts : int64 array, shape (layers, kinds, experts)
        Requests; what ``plain`` is computed of.
    """

    plain: npt.NDArray[np.float64]
    shuffled: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    @property
    def corrected(self) -> npt.NDArray[np.float64]:
        """``plain - shuffled``: may be slightly negative where there is no connection."""
        return self.plain - self.shuffled

    @property
    def mean(self) -> float:
        """``corrected``, averaged over the layers."""
        return float(self.corrected.mean())


def counts_by_kind(trace: Trace, kinds: Sequence[str]) -> npt.NDArray[np.int64]:
    """Count requests by session, layer and expert.

    Parameters
    ----------
    trace : Trace
    kinds : sequence of str
        One per session.

    Returns
    -------
    int64 array, shape (sessions, layers, widest layer)

    Raises
    ------
    ParameterError
        Not one kind a session.
    """
    if len(kinds) != len(trace.sessions):
        raise ParameterError(
            f"must be one for each of the {len(trace.sessions)} sessions; got {len(kinds)}", parameter="kinds"
        )
    widest = max(trace.n_experts)
    of_round = np.repeat(np.arange(len(kinds)), np.diff([*trace.sessions.tolist(), trace.rounds]))
    ids = trace.experts.astype(np.int64)
    place = (of_round[:, None, None] * trace.layers + np.arange(trace.layers)[None, :, None]) * widest + ids
    size = len(kinds) * trace.layers * widest
    made: npt.NDArray[np.int64] = np.bincount(place[ids >= 0], minlength=size).astype(np.int64)
    return made.reshape(len(kinds), trace.layers, widest)


def plug_in(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the mutual information of tables of counts, in nats.

    Parameters
    ----------
    counts : int array, shape (..., rows, columns)
        Each table with at least one count.

    Returns
    -------
    float64 array, shape (...)
    """
    joint = counts / counts.sum(axis=(-2, -1), keepdims=True)
    alone = joint.sum(axis=-1, keepdims=True) * joint.sum(axis=-2, keepdims=True)
    terms = np.zeros_like(joint)
    np.log(joint / np.where(alone > 0, alone, 1), out=terms, where=joint > 0)
    made: npt.NDArray[np.float64] = (joint * terms).sum(axis=(-2, -1))
    return made


def information(trace: Trace, kinds: Sequence[str], *, shuffles: int = 200, seed: int = 0) -> Information:
    """Estimate the mutual information between the kind of a session's prompt and the experts asked for.

    Parameters
    ----------
    trace : Trace
    kinds : sequence of str
        One per session.
    shuffles : int
        Random assignments of the kinds to the sessions, at least 1.
    seed : int
        Of these.

    Returns
    -------
    Information

    Raises
    ------
    ParameterError
        Not one kind a session, or ``shuffles`` below 1.
    """
    if shuffles < 1:
        raise ParameterError(f"must be at least 1; got {shuffles}", parameter="shuffles")
    each = counts_by_kind(trace, kinds)
    names = {kind: at for at, kind in enumerate(dict.fromkeys(kinds))}
    of = np.array([names[kind] for kind in kinds])

    def tables(assigned: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        made = np.zeros((len(names), *each.shape[1:]), np.int64)
        np.add.at(made, assigned, each)
        return made.swapaxes(0, 1)

    rng = np.random.default_rng(seed)
    shuffled = np.mean([plug_in(tables(rng.permutation(of))) for _ in range(shuffles)], axis=0)
    return Information(plug_in(tables(of)), shuffled, tables(of))
