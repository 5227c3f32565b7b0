"""Furthest next use with and without a compiler: the same counts, flags and full points, in every mode."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.core.layout import lay_out
from layered_paging.core.renting import Lease
from layered_paging.offline.furthest import greedy


@st.composite
def traces(draw: st.DrawFn) -> lp.Trace:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers, experts, top_k = draw(st.integers(1, 3)), draw(st.integers(2, 6)), draw(st.integers(1, 3))
    rounds = draw(st.integers(1, 30))
    ids = np.full((rounds, layers, top_k), -1)
    for r in range(rounds):
        for j in range(layers):
            some = rng.permutation(experts)[: rng.integers(0, min(top_k, experts) + 1)]
            ids[r, j, rng.permutation(top_k)[: len(some)]] = some
    ids[0, 0] = [0] + [-1] * (top_k - 1)
    starts = sorted({0, *np.flatnonzero(rng.random(rounds) < 0.2).tolist()})
    return lp.Trace(ids, experts, starts, (rng.random(rounds) < 0.5).astype(int))


@settings(max_examples=150)
@given(traces(), st.integers(1, 20), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 3))
def test_the_plain_loop_is_the_kernel(
    trace: lp.Trace, slots: int, resets: bool, bypass: bool, record: bool, held: int
) -> None:
    grid = lay_out(trace)
    warm = np.arange(min(held, slots, grid.pages), dtype=np.int64) if held else None
    found = []
    for price in (float("inf"), 0.0):  # rented for ever, bought at once
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(greedy.__globals__, "lease", lambda home: Lease(None))
            patch.setattr(Lease, "wanted", lambda self, expected, asked, price=price: price == 0.0)
            found.append(greedy(grid, slots, resets=resets, bypass=bypass, warm=warm, record=record))
    plain, kernel = found
    assert plain.full.tolist() == kernel.full.tolist()
    assert plain.counts.misses.tolist() == kernel.counts.misses.tolist()
    assert plain.counts.layer_misses.tolist() == kernel.counts.layer_misses.tolist()
    assert plain.counts.missed_bytes == kernel.counts.missed_bytes
    if record:
        assert np.array_equal(plain.counts.flags, kernel.counts.flags)
