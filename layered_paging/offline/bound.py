"""A bound where sizes make the problem NP-hard: prices from the linear relaxation, rounded.

Any prices at all give a true bound (``certify.optimum``), so the floats of the solver do no harm:
they are rounded to fractions with one denominator, and what they prove is computed in integers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import SolverError
from .deadline import Deadline
from .model import Model

__all__ = ["in_integers", "proved_saving", "relaxed_prices"]

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
    """Return prices, one a point, near an optimum of the relaxation's dual.

    Raises
    ------
    SolverError
        HiGHS failed or ran out of time.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    points = len(model.capacity)
    real = np.flatnonzero(model.begin < model.end)
    if not len(real):
        return np.zeros(points)
    n = len(real)
    unit = float(model.size.max())
    size = model.size[real] / unit
    time = np.arange(points)
    # taken[t] - taken[t - 1] - (begins at t) + (ends at t) = 0; what ends behind the last point matters to nobody
    inside = model.end[real] < points
    rows = np.concatenate((model.begin[real], model.end[real][inside], time, time[1:]))
    columns = np.concatenate((np.arange(n), np.flatnonzero(inside), n + time, n + time[:-1]))
    values = np.concatenate((-size, size[inside], np.ones(points), -np.ones(points - 1)))
    matrix = coo_array((values, (rows, columns)), shape=(points, n + points)).tocsc()
    upper = np.concatenate((np.ones(n), model.capacity / unit))
    scale = float(model.worth[real].max()) or 1.0
    clock, message = Deadline(time_limit), ""
    for method in ("highs", "highs-ipm", "highs-ds"):  # what one of them cannot solve, another can
        left = clock.left("bound")
        answer = linprog(
            np.concatenate((-model.worth[real] / scale, np.zeros(points))),
            A_eq=matrix,
            b_eq=np.zeros(points),
            bounds=np.stack((np.zeros(n + points), upper), axis=1),
            method=method,
            options={} if left is None else {"time_limit": left},
        )
        if answer.status == 0 and answer.x is not None:
            price: npt.NDArray[np.float64] = np.maximum(0.0, -answer.upper.marginals[n:]) * scale / unit
            return price
        message = message or answer.message
    raise SolverError(f"HiGHS found no bound: {message}")


def proved_saving(model: Model, prices: npt.NDArray[np.int64], denominator: int) -> int:
    """Return what the prices prove no schedule to exceed in what it saves, times the denominator."""
    before: list[int] = [0]
    for y in prices.tolist():
        before.append(before[-1] + y)
    total: int = sum(c * y for c, y in zip(model.capacity.tolist(), prices.tolist(), strict=True))
    for b, e, w, s in zip(
        model.begin.tolist(), model.end.tolist(), model.worth.tolist(), model.size.tolist(), strict=True
    ):
        total += max(0, w * denominator - s * (before[e] - before[b]))
    return total
