"""The least stall time that any schedule of loads and evictions can have: a yardstick for small cases, with a certificate.

After Albers, Garg and Leonardi (albers-garg-leonardi-2000): intervals in which the one disk loads a page, and a linear program over
them.  The formulation here is ours: events of several pages, and loads that last longer or shorter than an event.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import ceil, gcd

import numpy as np

from ..certificate import Certificate
from ..core.arguments import kinds
from ..core.instance import integer
from ..core.program import Program
from ..core.trace import Trace
from ..errors import BudgetError, ParameterError
from .timing import TimeModel

__all__ = ["Stall", "least_stall"]

MOST = 400_000  # variables of the program
LARGEST = 1 << 40  # slots, and bytes of a page
DENOMINATOR = 1000  # multipliers are rounded to fractions of at most this denominator


@dataclass(frozen=True, eq=False)
class Stall:
    """How long any schedule must stall.

    Attributes
    ----------
    lower, upper : int
        ns; ``lower`` holds for every schedule, ``upper`` is reached by the one in the certificate.
    relaxed : float
        Value of the linear program in ns, as the solver says.
    certificate : Certificate
        Both sides; ``layered_paging.certify.check(certificate, trace)``.
    """

    lower: int
    upper: int
    relaxed: float
    certificate: Certificate


@kinds()
def least_stall(
    trace: Trace,
    slots: int,
    *,
    time: TimeModel,
    page_bytes: int | None = None,
    time_limit: float = 60.0,
) -> Stall:
    """Return bounds on the stall time of the best offline schedule: forced, shared pool, never reset.

    Parameters
    ----------
    trace : Trace
        Small: some hundred events.
    slots : int
        At least the largest event.
    time : TimeModel
        One channel, with overlap, no cost of hits; compute times above 0.
    page_bytes : int, optional
        Bytes of every page; default: the trace's, which must be equal.
    time_limit : float
        Seconds for the integer program; the best schedule found by then is the upper side.

    Returns
    -------
    Stall

    Raises
    ------
    BudgetError
        Slots below the largest event.
    ParameterError
        A model that this program does not cover, or a trace too large for it.
    SolverError
        The solver found nothing.

    Notes
    -----
    Time is cut into units that divide the load and every compute time.  Each request is kept since the page's last event,
    or loaded during units a..b - 1, at a stall of load - (b - a): b - a is the whole load, or b begins an event,
    which then waits.  A kept page takes a slot all the while, a loaded one from a on. The disk loads one page at a
    time, and none is on its way across the begin of an event that asks for a load.  The lower side is the Lagrangian bound of the rounded dual multipliers, exact in fractions and
    rounded up to whole units.

    Examples
    --------
    >>> trace = Trace([[p] for p in [0, 1, 2, 0, 1]], n_experts=3)
    >>> disk = TimeModel(compute=1, bandwidth=10**9, latency=0, channels=1, overlap=True)
    >>> best = least_stall(trace, 2, time=disk, page_bytes=2)
    >>> best.lower, best.upper
    (6, 6)
    """
    slots = integer("slots", slots, 1, LARGEST)
    sizes = trace.page_bytes if page_bytes is None else np.array([integer("page_bytes", page_bytes, 1, LARGEST)])
    if sizes is None or len(set(sizes.tolist())) != 1:
        raise ParameterError("the least stall needs one size of all pages", ways=[("page_bytes", None)])
    if time.channels != 1 or not time.overlap or time.hit:
        raise ParameterError("the least stall is known for one channel with overlap and no cost of hits")
    compute = time.compute_times(trace.layers).tolist()
    if min(compute) < 1:
        raise ParameterError(f"the least stall needs compute times above 0; got {min(compute)}")
    load_ns = int(time.load_times(sizes[:1])[0])
    unit = gcd(load_ns, *compute)
    load, units = load_ns // unit, [c // unit for c in compute]
    slots = integer("slots", slots, 1)
    events = _events(trace)
    largest = max(len(members) for members in events)
    if slots < largest:
        raise BudgetError(f"must hold the largest event ({largest} slots); got {slots}", parameter="slots")
    program = _Program(events, units, load, slots)
    chosen, multipliers, relaxed = program.solve(time_limit)
    upper = sum(0 if option is None else load - (option[1] - option[0]) for option in chosen)
    lower = ceil(program.bound(multipliers))
    if load == 0:
        lower = 0
    certificate = Certificate(
        "stall",
        {
            "trace": trace.digest(),
            "slots": slots,
            "compute": units,
            "load": load,
            "unit_ns": unit,
            "lower": lower,
            "upper": upper,
        },
        {
            "loads": [None if option is None else list(option) for option in chosen],
            "multipliers": [[t, str(x)] for t, x in enumerate(multipliers) if x],
        },
    )
    return Stall(lower * unit, upper * unit, relaxed * unit, certificate)


def _events(trace: Trace) -> list[list[int]]:
    """Return the pages of every event in order, ascending."""
    first = trace.first_page.tolist()
    return [
        sorted(first[layer] + e for e in row if e >= 0)
        for token in trace.experts.tolist()
        for layer, row in enumerate(token)
    ]


class _Program:
    """Options of every request, and what each takes of slots and disk."""

    def __init__(self, events: Sequence[Sequence[int]], units: Sequence[int], load: int, slots: int) -> None:
        self.load = load
        self.begin = [0]
        for n in range(len(events)):
            self.begin.append(self.begin[-1] + units[n % len(units)])
        self.total = self.begin[-1]
        # capacities: slots in every unit, the disk in every unit, and for each request one of: a load when it is asked
        # for, a load across that moment
        self.room = [0] * self.total + [1] * self.total
        for n, members in enumerate(events):
            self.room[self.begin[n] : self.begin[n + 1]] = [slots - len(members)] * (self.begin[n + 1] - self.begin[n])
        self.options: list[list[tuple[int, int] | None]] = []
        self.opens: list[int] = []  # begin of the event of each request, ascending
        self.spans: list[tuple[int, int]] = []  # of each request: when it may be kept or loaded
        last: dict[int, int] = {}
        count = 0
        for n, members in enumerate(events):
            for page in members:
                since, due = last.get(page, 0), self.begin[n]
                found: list[tuple[int, int] | None] = [None] if page in last else []
                found += self._loads(since, due)
                count += len(found)
                if count > MOST:
                    raise ParameterError(
                        f"the least stall is for small cases: at most {MOST} options of loads; got more"
                    )
                self.options.append(found)
                self.spans.append((since, due))
                self.opens.append(due)
                last[page] = self.begin[n + 1]
        self.room += [1] * len(self.options)

    def _loads(self, since: int, due: int) -> list[tuple[int, int]]:
        found = [(due, due)]
        for a in range(since, due):
            ends = set(self.begin[bisect_right(self.begin, a) : bisect_left(self.begin, min(a + self.load, due + 1))])
            if a + self.load <= due:
                ends.add(a + self.load)
            found += [(a, b) for b in sorted(ends)]
        return found

    def cost(self, option: tuple[int, int] | None) -> int:
        return 0 if option is None else self.load - (option[1] - option[0])

    def takes(self, request: int, option: tuple[int, int] | None) -> tuple[range, ...]:
        """Return the capacities that the option takes one of, as ranges."""
        since, due = self.spans[request]
        if option is None:
            return (range(since, due),)
        a, b = option
        across = 2 * self.total
        if a == b:
            return (range(across + request, across + request + 1),)
        low, high = bisect_right(self.opens, a), bisect_left(self.opens, b)
        return range(a, due), range(self.total + a, self.total + b), range(across + low, across + high)

    def bound(self, multipliers: Sequence[Fraction]) -> Fraction:
        """Return the Lagrangian bound."""
        total = [Fraction(0)]
        for x in multipliers:
            total.append(total[-1] + x)
        value = -sum((x * room for x, room in zip(multipliers, self.room, strict=True)), Fraction(0))
        for request, found in enumerate(self.options):
            prices = []
            for option in found:
                price = Fraction(self.cost(option))
                for units in self.takes(request, option):
                    if units:
                        price += total[units.stop] - total[units.start]
                prices.append(price)
            value += min(prices)
        return value

    def solve(self, time_limit: float) -> tuple[list[tuple[int, int] | None], list[Fraction], float]:
        """Return a schedule, multipliers of the relaxation, and its value."""
        program = Program()
        program.at_most.block(self.room)
        program.equal.block(np.ones(len(self.options)))
        flat: list[tuple[int, tuple[int, int] | None]] = []  # request and option of every column
        for request, found in enumerate(self.options):
            for option in found:
                column = program.column(cost=self.cost(option))
                program.equal.put(request, column, 1)
                for unit in chain.from_iterable(self.takes(request, option)):
                    program.at_most.put(unit, column, 1)
                flat.append((request, option))
        relaxed = program.solve("least stall")
        whole = program.solve("least stall", whole=range(len(flat)), time_limit=time_limit)
        chosen: list[tuple[int, int] | None] = [(0, 0)] * len(self.options)
        for at in np.flatnonzero(whole.x > 0.5).tolist():
            request, option = flat[at]
            chosen[request] = option
        multipliers = [Fraction(max(0.0, float(x))).limit_denominator(DENOMINATOR) for x in relaxed.row_prices]
        return chosen, multipliers, relaxed.value
