"""Linear and integer programs: put together one number at a time or in arrays, and solved by scipy's HiGHS.

CBC, through PuLP, is a second road for integer programs that shares no code with the first.
Both compute in floats.  Whoever uses an answer rounds it and verifies it in integers or fractions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, SolverError
from .deadline import Deadline, OutOfTime

__all__ = ["Answer", "Program", "Rows", "has_cbc"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def _cbc(**options: float) -> Any:
    """Return PuLP's CBC, or None: version 3 brings it, and says that version 4 will not."""
    import pulp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        solver = getattr(pulp, "PULP_CBC_CMD", pulp.COIN_CMD)(msg=False, threads=1, gapRel=0.0, **options)
    return solver if solver.available() else None


def has_cbc() -> bool:
    """Say whether CBC can be called."""
    return _cbc() is not None


class Answer(NamedTuple):
    """What a solver found.

    Attributes
    ----------
    x : float64 array, one value per column
    value : float
        The least cost.
    row_prices : float64 array, one per row of ``at_most``
        The fall of the value per unit of the right-hand side, at least 0; empty for an integer program.
    upper_prices : float64 array, one per column
        The same for the upper bounds of the columns; empty for an integer program.
    proved : bool
        Whether the solver says that the answer is an optimum; False for what an integer program had when its time was over.
    """

    x: Floats
    value: float
    row_prices: Floats
    upper_prices: Floats
    proved: bool


class Rows:
    """Rows of a sparse matrix and their right-hand sides."""

    def __init__(self) -> None:
        self.right: list[float] = []
        self._single: tuple[list[int], list[int], list[float]] = ([], [], [])
        self._blocks: list[tuple[Any, Any, Any]] = []

    def new(self, right: float, terms: Iterable[tuple[int, float]] = ()) -> int:
        """Begin a row, put terms (column, factor) into it, and return its number."""
        self.right.append(right)
        for column, factor in terms:
            self.put(len(self.right) - 1, column, factor)
        return len(self.right) - 1

    def put(self, row: int, column: int, factor: float) -> None:
        """Add ``factor`` times a column to a row."""
        rows, columns, factors = self._single
        rows.append(row)
        columns.append(column)
        factors.append(factor)

    def block(self, right: Any, *entries: tuple[Any, Any, Any]) -> None:
        """Append one row per number of ``right``; an entry is arrays (row within the block, column, factor or factors)."""
        first = len(self.right)
        self.right.extend(right)
        for rows, columns, factors in entries:
            self._blocks.append((first + rows, columns, np.broadcast_to(np.asarray(factors, float), len(rows))))

    def copy(self) -> Rows:
        """Return a copy that can be extended independently."""
        twin = Rows()
        rows, columns, factors = self._single
        twin.right, twin._single, twin._blocks = list(self.right), (rows[:], columns[:], factors[:]), list(self._blocks)
        return twin

    def matrix(self, columns: int) -> Any:
        """Return the rows as a sparse matrix with a number of columns; numbers at the same place are added up."""
        from scipy.sparse import csr_array

        rows, cols, factors = (np.concatenate(parts) for parts in zip(self._single, *self._blocks, strict=True))
        places = (rows.astype(np.int64), cols.astype(np.int64))
        return csr_array((factors.astype(float), places), (len(self.right), columns))


class Program:
    """Minimise the cost of columns subject to rows: ``at_most`` and ``equal``.

    Examples
    --------
    Two items of 2 and 3 units that save 3 and 4, and room for 4 units:

    >>> program = Program()
    >>> items = program.columns(2, cost=[-3, -4], upper=1)
    >>> program.at_most.new(4, [(items[0], 2), (items[1], 3)])
    0
    >>> answer = program.solve("items")
    >>> print(round(answer.value, 3), round(answer.row_prices[0], 3))
    -5.667 1.333
    >>> program.solve("items", whole=items).value
    -4.0
    """

    def __init__(self) -> None:
        self.at_most = Rows()
        self.equal = Rows()
        self.cost: list[float] = []
        self.bounds: list[tuple[float, float]] = []

    def column(self, *, cost: float = 0.0, lower: float = 0.0, upper: float = np.inf) -> int:
        """Append a column and return its number."""
        self.cost.append(cost)
        self.bounds.append((lower, upper))
        return len(self.cost) - 1

    def columns(self, number: int, *, cost: Any = 0.0, lower: Any = 0.0, upper: Any = np.inf) -> Ints:
        """Append columns and return their numbers; a cost or a bound is one number for all or an array."""
        first = len(self.cost)
        costs, lowest, highest = (np.broadcast_to(np.asarray(part, float), number) for part in (cost, lower, upper))
        self.cost.extend(costs.tolist())
        self.bounds.extend(zip(lowest.tolist(), highest.tolist(), strict=True))
        return np.arange(first, first + number)

    def copy(self) -> Program:
        """Return a copy that can be extended independently."""
        twin = Program()
        twin.at_most, twin.equal = self.at_most.copy(), self.equal.copy()
        twin.cost, twin.bounds = list(self.cost), list(self.bounds)
        return twin

    def solve(self, what: str, *, whole: Any = None, time_limit: float | None = None, method: str = "highs") -> Answer:
        """Return an optimum.

        Parameters
        ----------
        what : str
            What is looked for, for messages.
        whole : int array, optional
            Columns that must be integers.  An integer program whose time is over gives the best that was found.
        time_limit : float, optional
            Seconds.
        method : {"highs", "highs-ds", "highs-ipm", "cbc"}
            Which of HiGHS' methods solves a program without integers; or CBC, for a program with integers.

        Raises
        ------
        OutOfTime
            Nothing was found within the limit.
        SolverError
            Nothing was found.
        """
        if method == "cbc":
            return self._by_cbc(what, whole, time_limit)
        from scipy.optimize import Bounds, LinearConstraint, linprog, milp

        size = len(self.cost)
        cost, bounds = np.array(self.cost), np.array(self.bounds)
        options = {} if time_limit is None else {"time_limit": max(time_limit, 0.01)}
        below, equal = (r.matrix(size) if r.right else None for r in (self.at_most, self.equal))
        most, goal = (np.array(r.right) if r.right else None for r in (self.at_most, self.equal))
        if whole is None:
            found = linprog(cost, below, most, equal, goal, bounds, method=method, options=options)
        else:
            flags = np.zeros(size)
            flags[whole] = 1
            limits = [] if below is None else [LinearConstraint(below, -np.inf, most)]
            limits += [] if equal is None else [LinearConstraint(equal, goal, goal)]
            options["mip_rel_gap"] = 0.0
            found = milp(cost, constraints=limits, integrality=flags, bounds=Bounds(*bounds.T), options=options)
        if found.x is None or (whole is None and found.status != 0):
            kind = OutOfTime if found.status == 1 and time_limit is not None else SolverError
            raise kind(f"HiGHS found no {what}: {found.message}")
        if whole is not None:
            return Answer(found.x, float(found.fun), np.zeros(0), np.zeros(0), found.status == 0)
        return Answer(found.x, float(found.fun), -found.ineqlin.marginals, -found.upper.marginals, True)

    def _by_cbc(self, what: str, whole: Any, time_limit: float | None) -> Answer:
        """Hand the program to CBC through PuLP, whose versions 3 and 4 differ in where CBC is and in what ``solve`` returns."""
        import pulp

        clock = Deadline(time_limit)
        integers = {int(column) for column in whole}
        program = pulp.LpProblem("program", pulp.LpMinimize)
        columns = [
            program.add_variable(
                f"x{i}", low, None if high == np.inf else high, pulp.LpInteger if i in integers else pulp.LpContinuous
            )
            for i, (low, high) in enumerate(self.bounds)
        ]
        program.setObjective(pulp.lpSum(price * x for price, x in zip(self.cost, columns, strict=True) if price))
        for rows, equal in ((self.at_most, False), (self.equal, True)):
            matrix: Any = rows.matrix(len(columns)) if rows.right else None
            for row, right in enumerate(rows.right):
                clock.left(what)
                inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
                terms = zip(matrix.data[inside].tolist(), matrix.indices[inside].tolist(), strict=True)
                left = pulp.lpSum(factor * columns[column] for factor, column in terms)
                program += left == right if equal else left <= right
        left = clock.left(what)
        options = {} if left is None else {"timeLimit": left}
        cbc = _cbc(**options)
        if cbc is None:
            raise ParameterError(
                "needs CBC, which PuLP does not find (pip install 'pulp[cbc]')", parameter="solver", value="cbc"
            )
        result = program.solve(cbc)
        if isinstance(result, int):  # PuLP 3: a number, and the kind of solution on the problem
            some, proved = program.sol_status in (1, 2), result == 1 and program.sol_status == 1
        else:  # PuLP 4: an object
            some, proved = bool(result.has_solution), int(result.status) == 1
        if not some:
            kind = OutOfTime if time_limit is not None else SolverError
            raise kind(f"CBC found no {what}: status {getattr(result, 'status', result)!r}")
        x = np.array([column.varValue or 0.0 for column in columns])
        return Answer(x, float(np.dot(self.cost, x)), np.zeros(0), np.zeros(0), proved)
