"""A column of words' ids is not taken for the count of tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.errors import FormatError
from tests.logs import assumed, jsonl


def log(path: Path, tokens: list[int]) -> Path:
    rows = [f'{token},0,"{2 * n % 6} {2 * n % 6 + 1}"' for n, token in enumerate(tokens)]
    path.write_text("\n".join(["token,layer,experts", *rows, ""]))
    return path


def test_ids_of_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="ids of words"):
        lp.load_trace(log(tmp_path / "a.csv", [464, 3290, 318, 13]))


@pytest.mark.parametrize("tokens", [[0, 1, 2, 3], [3, 1, 0, 2], [10, 20, 30, 40], [0, 1, 3, 4]])
def test_counts_of_tokens_are_read(tokens: list[int], tmp_path: Path) -> None:
    assert lp.load_trace(log(tmp_path / "a.csv", tokens)).rounds == 4


ORDERED = [{"token": t, "layer": j, "experts": [(t + j) % 4, (t + j + 1) % 4]} for t in range(6) for j in range(2)]
ORDERS = {
    "in order": (ORDERED, None),
    "layer by layer": (sorted(ORDERED, key=lambda row: row["layer"]), None),
    "layers backwards": (sorted(ORDERED, key=lambda row: (row["token"], -row["layer"])), None),
    "the last first": (ORDERED[::-1], "token 4 of row 3"),
    "two of a layer exchanged": ([*ORDERED[:4], ORDERED[6], ORDERED[5], ORDERED[4], *ORDERED[7:]], "token 2 of row 7"),
}


@pytest.mark.parametrize("order", ORDERS)
def test_rows_that_are_put_in_order_are_said(order: str, tmp_path: Path) -> None:
    rows, said = ORDERS[order]
    made = lp.load_trace(jsonl(tmp_path / "t", rows))
    assert np.array_equal(made.experts, lp.load_trace(jsonl(tmp_path / "right", ORDERED)).experts)
    assert assumed(made).get("tokens") == (said and "in order of their numbers")
    why = [one["why"] for one in made.meta["assumed"] if one["about"] == "tokens"]
    assert why == ([f"rows come in another order: {said} comes after a later one of its layer"] if said else [])


def test_requests_that_are_put_in_order_are_said(tmp_path: Path) -> None:
    for numbers, said in (((3, 5), None), ((5, 3), "in order of their numbers"), (("b", "a"), None)):
        rows = [{**row, "request": number} for number in numbers for row in ORDERED]
        assert assumed(lp.load_trace(jsonl(tmp_path / "t", rows))).get("sessions") == said
        rows = [{**row, "request": number} for row in ORDERED for number in numbers]  # interleaved, each in order
        assert "tokens" not in assumed(lp.load_trace(jsonl(tmp_path / "t", rows)))


def test_tokens_that_may_be_out_of_order_or_sessions_are_refused(tmp_path: Path) -> None:
    def lines(*tokens: int) -> Path:
        return jsonl(tmp_path / "t", [{"token": t, "layers": [[0, 1], [2, 3]]} for t in tokens])

    with pytest.raises(FormatError, match=r"t line 2: 'token' goes back and no number stands twice: lines of one ses"):
        lp.load_trace(lines(2, 1, 0))
    with pytest.raises(FormatError, match="line 4: 'token' goes back"):
        lp.load_trace(lines(5, 6, 7, 0, 1))
    assert lp.load_trace(lines(0, 1, 2, 0, 1)).sessions.tolist() == [0, 3]
    assert lp.load_trace(lines(0, 1, 2)).sessions.tolist() == [0]


def test_columns_that_may_be_exchanged_are_said(tmp_path: Path) -> None:
    rows = [{"token": t, "layer": j, "experts": [(t + j) % 4, (t + j + 1) % 4]} for t in range(9) for j in range(2)]
    names = {"token": "layer", "layer": "token", "experts": "experts"}
    exchanged = lp.load_trace(jsonl(tmp_path / "t", [{names[k]: v for k, v in row.items()} for row in rows]))
    why = [one["why"] for one in exchanged.meta["assumed"] if one["about"] == "layers"]
    assert why == ["there are more of them (9) than tokens (2): are 'token' and 'layer' exchanged?"]
    for right in (rows, sorted(rows, key=lambda row: row["layer"])):
        assert "layers" not in assumed(lp.load_trace(jsonl(tmp_path / "t", right)))


def test_a_largest_id_far_beyond_the_others_is_said(tmp_path: Path) -> None:
    def why(*more: int) -> list[str]:
        rows = [{"token": t, "layer": 0, "experts": [e]} for t, e in enumerate([*range(64), *more])]
        made = lp.load_trace(jsonl(tmp_path / "t", rows))
        return [one["why"] for one in made.meta["assumed"] if one["about"] == "n_experts"]

    assert why(1_000_000) == ["the largest id + 1, though only 65 ids occur"]
    assert why(300) == why() == ["the largest id + 1"]
