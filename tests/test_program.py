"""Linear and integer programs: two ways to enter one, every point of a small one, and what has no answer."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layered_paging.core.deadline import OutOfTime
from layered_paging.core.program import Program
from layered_paging.errors import SolverError

small = st.integers(0, 5)


@st.composite
def knapsacks(draw: st.DrawFn) -> tuple[list[int], list[list[int]], list[int]]:
    """Draw what up to four items save, what each takes of up to three stores, and the room of each store."""
    items, stores = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    saved = draw(st.lists(small, min_size=items, max_size=items))
    taken = [draw(st.lists(small, min_size=items, max_size=items)) for _ in range(stores)]
    return saved, taken, draw(st.lists(st.integers(0, 9), min_size=stores, max_size=stores))


def one_by_one(saved: list[int], taken: list[list[int]], room: list[int]) -> Program:
    program = Program()
    columns = [program.column(cost=-gain, upper=1) for gain in saved]
    for row, limit in zip(taken, room, strict=True):
        program.at_most.new(limit, zip(columns, row, strict=True))
    return program


def in_blocks(saved: list[int], taken: list[list[int]], room: list[int]) -> Program:
    program = Program()
    columns = program.columns(len(saved), cost=-np.array(saved), upper=1)
    rows, items = np.indices((len(room), len(saved))).reshape(2, -1)
    program.at_most.block(room, (rows, columns[items], np.array(taken).ravel()))
    return program


@settings(max_examples=60, deadline=None)
@given(knapsacks())
def test_an_integer_program_finds_the_best_of_all_choices(given: tuple[list[int], list[list[int]], list[int]]) -> None:
    saved, taken, room = given
    fits = [
        np.dot(saved, pick) for pick in product((0, 1), repeat=len(saved)) if (np.array(taken) @ pick <= room).all()
    ]
    for made in (one_by_one(*given), in_blocks(*given)):
        answer = made.solve("choice", whole=range(len(saved)))
        assert answer.proved and round(-answer.value) == max(fits)
        assert (np.array(taken) @ np.rint(answer.x) <= room).all()


@settings(max_examples=60, deadline=None)
@given(knapsacks())
def test_the_prices_of_rows_and_bounds_prove_the_value(given: tuple[list[int], list[list[int]], list[int]]) -> None:
    saved, taken, room = given
    answers = [made.solve("share") for made in (one_by_one(*given), in_blocks(*given))]
    assert answers[0].value == answers[1].value
    for answer in answers:
        assert answer.row_prices.min() >= -1e-9
        excess = np.maximum(0, saved - answer.row_prices @ np.array(taken))  # what an item is worth beyond its prices
        assert np.dot(answer.row_prices, room) + excess.sum() == pytest.approx(-answer.value, abs=1e-7)
        assert answer.upper_prices == pytest.approx(excess, abs=1e-7)


def test_equal_rows_and_numbers_at_one_place() -> None:
    program = Program()
    x, y = program.columns(2, cost=[1, 3]).tolist()
    row = program.equal.new(6, [(x, 1), (y, 1)])
    program.equal.put(row, y, 1)  # added to the number that is there
    copy = program.copy()
    copy.bounds[x] = (0, 2)
    assert program.solve("sum").x.tolist() == [6, 0]
    assert copy.solve("sum").x.tolist() == [2, 2]


@pytest.mark.parametrize("whole", [None, [0]])
def test_what_has_no_answer_is_said_in_one_line(whole: list[int] | None) -> None:
    program = Program()
    program.at_most.new(-1, [(program.column(), 1)])
    with pytest.raises(SolverError, match=r"HiGHS found no answer: .*infeasible") as caught:
        program.solve("answer", whole=whole)
    assert "\n" not in str(caught.value) and not isinstance(caught.value, OutOfTime)
