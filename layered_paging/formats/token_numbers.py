"""What the numbers of tokens in a table say: skipped ones, rows out of their order, and ids of words that are no count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import FormatError

__all__ = ["refuse_unordered", "skipped_tokens", "turned_back"]

Ints = npt.NDArray[np.int64]


def refuse_unordered(path: Path, round_of: Ints, token: Ints, starts: Ints, rounds: int) -> None:
    """Refuse numbers of tokens that neither follow one another nor the order of the file: they may be words' ids.

    Raises
    ------
    FormatError
        With both readings.
    """
    number, row = np.empty(rounds, np.int64), np.full(rounds, len(round_of), np.int64)
    number[round_of] = token
    np.minimum.at(row, round_of, np.arange(len(round_of)))
    inside = np.delete(np.arange(rounds - 1), starts[1:] - 1)
    jumps, steps = np.diff(number)[inside], np.diff(row)[inside]
    if len(jumps) > 1 and 2 * int((jumps == 1).sum()) < len(jumps) and bool((steps < 0).any()):
        raise FormatError(
            f"{path}: token numbers such as {', '.join(map(str, number[:3]))} neither follow one another nor the order of "
            "the rows: they may be positions of a part of the tokens, or ids of words; sort the rows by token, or name "
            "the column that counts tokens (--columns token=NAME)"
        )


def turned_back(lane: Ints, round_of: Ints) -> int | None:
    """Return the first row whose token comes before that of an earlier row of its lane; None where there is none.

    Parameters
    ----------
    lane : int array, one entry per row
        Session and layer together: a log may hold one layer, or one request, after another.
    round_of : int array, one entry per row
        Rounds in the order in which they are taken.
    """
    if bool((round_of[1:] >= round_of[:-1]).all()):
        return None
    order = np.argsort(lane, kind="stable")
    same = lane[order][1:] == lane[order][:-1]
    back = np.flatnonzero(same & (round_of[order][1:] < round_of[order][:-1]))
    return int(order[back + 1].min()) if back.size else None


def skipped_tokens(round_of: Ints, token: Ints, starts: Ints, rounds: int) -> int:
    """Return how many numbers of tokens are skipped inside sessions; 0 where most tokens are not numbered one by one.

    One count may run through all sessions, if no two share a number: then it is looked at as a whole.
    """
    number = np.empty(rounds, np.int64)
    number[round_of] = token
    jump = np.delete(np.diff(number), starts[1:] - 1)
    if 2 * int((jump == 1).sum()) <= len(jump):
        distinct = np.unique(number)
        jump = np.diff(distinct)
        if len(distinct) < rounds or 2 * int((jump == 1).sum()) <= len(jump):
            return 0
    return int((jump[jump > 1] - 1).sum())
