"""A column of words' ids is not taken for the count of tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging.errors import FormatError


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
