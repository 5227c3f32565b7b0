"""Predicted next uses of a trace as laid out, as a policy is told them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from .spec import Predictions, Time

__all__ = ["Forecast"]


@dataclass(frozen=True, eq=False)
class Forecast:
    """Predicted next uses for a trace as laid out, as arrays; rows are events, in order.

    Attributes
    ----------
    members : int32 array, shape (events, width)
        Pages of each event in the order of presentation, then -1.
    due : float64 array, shape (events, width), or (0, 0)
        For each member the step of its predicted next use: predictions come with the requests.
    ahead : float32 array, shape (events, experts), or (0, 0)
        For each expert of the event's layer, after the event: rounds until its predicted next use, 1 for the next
        round, rounds without the layer not counted.  A page is then judged by the last event of its layer.
    ahead_next : float32 array, shape (events, experts), or (0, 0)
        The same for the layer served next, whose coming event counts as 1.
    layers : int
    first : int64 array, shape (layers + 1,)
        First page of each layer, and the number of pages.
    ticks : int
        Clock ticks of an event.
    label : str
        Where the predictions come from.

    Notes
    -----
    Exactly one of ``due`` and ``ahead`` has rows.  ``begin()`` gives the ``Predictions`` of one policy object; the
    compiled twins read the arrays.
    """

    members: npt.NDArray[np.int32]
    due: npt.NDArray[np.float64]
    ahead: npt.NDArray[np.float32]
    ahead_next: npt.NDArray[np.float32]
    layers: int
    first: npt.NDArray[np.int64]
    ticks: int
    label: str

    def begin(self) -> Predictions:
        """Return the predictions of one policy object."""
        return _Told(self)

    def check(self, events: int, width: int, n_experts: Sequence[int]) -> None:
        """Raise unless the arrays are for ``events`` events of up to ``width`` members, and for this model.

        Raises
        ------
        ParameterError
            They are for another trace, or for another layout of it.
        """
        shapes = [len(self.members), len(self.due) + len(self.ahead), len(self.ahead_next) or events]
        wide = self.members.shape[1] >= width and (not len(self.due) or self.due.shape == self.members.shape)
        wide = wide and all(a.shape[1] >= max(n_experts) for a in (self.ahead, self.ahead_next) if len(a))
        if shapes != [events] * 3 or not wide or np.diff(self.first).tolist() != list(n_experts):
            raise ParameterError(
                f"must be for the trace as it is replayed, {events} events of {width} members; "
                f"got {len(self.members)} of {self.members.shape[1]}",
                parameter="predictions",
            )


class _Told:
    """The predictions of a ``Forecast``, as told so far."""

    def __init__(self, forecast: Forecast) -> None:
        self._all = forecast
        self._due: dict[int, float] = {}
        self._row = -1

    def told(self, page: int, time: Time) -> None:
        """Read the page's prediction, or at the first member of an event those of its layer."""
        all_, row = self._all, time.clock // self._all.ticks
        if len(all_.due):
            self._due[page] = float(all_.due[row][list(all_.members[row]).index(page)])
        elif row != self._row:
            self._row = row
            self._read(all_.ahead[row], time.layer, time.round)
            if len(all_.ahead_next):
                layer = (time.layer + 1) % all_.layers
                self._read(all_.ahead_next[row], layer, time.round - (layer > time.layer))

    def _read(self, ahead: npt.NDArray[np.float32], layer: int, round_: int) -> None:
        layers, begin, end = self._all.layers, int(self._all.first[layer]), int(self._all.first[layer + 1])
        now = round_ * layers + layer
        self._due.update(zip(range(begin, end), [now + layers * a for a in ahead[: end - begin].tolist()], strict=True))

    def next_use(self, page: int) -> float:
        """Return the step that was predicted last."""
        return self._due[page]
