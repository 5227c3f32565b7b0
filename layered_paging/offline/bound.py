"""A bound where sizes make the problem NP-hard: prices from the linear relaxation, rounded.

Any prices at all give a true bound (``certify.optimum``), so the floats of the solver do no harm:
they are rounded to fractions with one denominator, and what they prove is computed in integers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..core.deadline import Deadline
from ..core.program import Program
from ..errors import SolverError
from .integral import lay
from .model import Model

__all__ = ["descended_prices", "in_integers", "proved_saving", "relaxed_prices"]

BLOCK = 1 << 16  # intervals looked at together
ROOM = 1 << 60  # what the checker's sums must stay below


def in_integers(
    models: Sequence[Model], prices: Sequence[npt.NDArray[np.float64]]
) -> tuple[list[npt.NDArray[np.int64]], int]:
    """Return prices as multiples of one over a denominator, and that denominator: the finest that 64 bits allow."""
    shift = 40
    for model, price in zip(models, prices, strict=True):
        worth = max(1, int(model.worth.max(initial=0)) * len(model.worth))
        largest = max(1.0, float(price.sum()) * float(max(model.capacity.max(), model.size.max(initial=1))))
        shift = min(shift, int(np.log2(ROOM / worth)), int(np.log2(ROOM / largest)))
    denominator = 1 << max(0, shift)
    return [np.rint(price * denominator).astype(np.int64) for price in prices], denominator


def relaxed_prices(model: Model, time_limit: float | None = None) -> npt.NDArray[np.float64]:
    """Return prices, one per point, near an optimum of the relaxation's dual.

    Raises
    ------
    SolverError
        HiGHS failed or ran out of time.
    """
    if not (model.begin < model.end).any():
        return np.zeros(len(model.capacity))
    unit, scale = float(model.size.max()), float(model.worth[model.begin < model.end].max()) or 1.0
    program = Program()
    _, taken = lay(program, model, unit, model.capacity / unit, scale)
    clock, message = Deadline(time_limit), ""
    for method in ("highs", "highs-ipm", "highs-ds"):  # what one of them cannot solve, another can
        try:
            answer = program.solve("bound", time_limit=clock.left("bound"), method=method)
        except SolverError as error:
            message = message or str(error)
            continue
        price: npt.NDArray[np.float64] = np.maximum(0.0, answer.upper_prices[taken]) * scale / unit
        return price
    raise SolverError(message)


def proved_saving(model: Model, prices: npt.NDArray[np.int64], denominator: int) -> int:
    """Return what the prices prove no schedule to exceed in what it saves, times the denominator."""
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(prices)))
    total = int(model.capacity @ prices)  # ``in_integers`` keeps every sum here below ROOM
    for at in range(0, len(model.begin), BLOCK):
        part = slice(at, at + BLOCK)
        paid = model.size[part] * (before[model.end[part]] - before[model.begin[part]])
        total += int(np.maximum(0, model.worth[part] * denominator - paid).sum())
    return total


def descended_prices(model: Model, steps: int = 60, time_limit: float | None = None) -> npt.NDArray[np.float64]:
    """Return prices by descent on the relaxation's dual, where a linear program would take too long.

    The start is the best price that is the same at every point.  Each step is O(intervals + points): it raises prices
    where what would be kept does not fit, and lowers them where there is room.

    Parameters
    ----------
    model : Model
    steps : int
        Steps at the most.
    time_limit : float, optional
        Seconds after which the best prices so far are returned.

    Returns
    -------
    float64 array, one price a point
    """
    clock, points = Deadline(time_limit), len(model.capacity)
    worth, size, capacity = (part.astype(np.float64) for part in (model.worth, model.size, model.capacity))
    inside = model.begin < model.end
    price = np.full(
        points, _one_price(worth[inside], (size * (model.end - model.begin))[inside], float(capacity.sum()))
    )
    best, least, stride, worse = price, np.inf, 0.02, 0
    for _ in range(steps):
        before = np.concatenate(([0.0], np.cumsum(price)))
        left = worth - size * (before[model.end] - before[model.begin])
        proved = float((capacity * price).sum()) + float(np.maximum(left, 0).sum())  # not @: its threads cost more
        kept = (left > 0) & inside
        taken = np.bincount(model.begin[kept], size[kept], points + 1) - np.bincount(
            model.end[kept], size[kept], points + 1
        )
        slope = capacity - np.cumsum(taken)[:points]
        slope[(price <= 0) & (slope > 0)] = 0
        length = float((slope * slope).sum())
        if proved < least:
            best, least, worse = price, proved, 0
        else:
            worse += 1
        if length == 0 or clock.over:
            break
        if worse == 4:  # the strides are too long: go back, and halve them
            price, stride, worse = best, stride / 2, 0
        else:
            price = np.maximum(0.0, price - stride * proved / length * slope)
    return best


def _one_price(worth: npt.NDArray[np.float64], use: npt.NDArray[np.float64], capacity: float) -> float:
    """Return the price of a byte for the time of one point that proves most, if it is the same at every point.

    At a price, the intervals worth more than what they use would be kept. The best price is the first at which these
    fill the capacity of all points together (PFOO-L of berger-beckmann-harchol-balter-2018 is the bound that it proves).
    """
    rate = worth / use
    order = np.argsort(-rate, kind="stable")
    at = int(np.searchsorted(np.cumsum(use[order]), capacity))
    return float(rate[order[at]]) if at < len(order) else 0.0
