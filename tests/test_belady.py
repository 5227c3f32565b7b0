"""The compiled optimum equals the reference policy that is given the future."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.errors import BudgetError

OPTIONS: dict[str, tuple[str, ...]] = {
    "pool": ("shared", "per-layer"),
    "reset": ("never", "session", "cache"),
    "events": ("atomic", "serial"),
    "admission": ("forced", "bypass"),
    "prefill": ("token", "merged"),
    "ties": ("page", "rank"),
    "oversize": ("allow", "error"),
}


def random_trace(seed: int) -> lp.Trace:
    random = np.random.default_rng(seed)
    layers, n = random.integers(1, 5), random.integers(2, 6)
    rounds, top_k = random.integers(1, 40), 1 if random.random() < 0.5 else random.integers(1, min(3, n) + 1)
    ids = np.argsort(random.random((rounds, layers, n)), axis=2)[:, :, :top_k]
    ids[random.random(ids.shape) < random.choice([0, 0.1, 0.5])] = -1
    if (ids < 0).all():
        ids[0, 0, 0] = 0
    starts = sorted({0, *random.integers(0, rounds, 2).tolist()})
    sizes = random.integers(1, 5, layers) if random.random() < 0.5 else None
    return lp.Trace(ids, int(n), starts, random.integers(0, 2, rounds), sizes)


# a quota of 0 slots beside known sizes once counted slots as bytes
@example(7, 0.2, False, {"pool": "per-layer", "admission": "bypass"})
# missing requests once took up a slot in the one-member kernel
@example(3, 0.4, False, {"pool": "per-layer"})
@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.01, 1.2),
    in_bytes=st.booleans(),
    options=st.fixed_dictionaries({name: st.sampled_from(values) for name, values in OPTIONS.items()}),
)
def test_twin(seed: int, share: float, in_bytes: bool, options: dict[str, Any]) -> None:
    trace = random_trace(seed)
    sizes = trace.page_bytes
    if in_bytes and sizes is not None:
        budget = {"budget_bytes": max(1, int(share * sizes.sum()))}
    else:
        budget = {"slots": max(1, int(share * trace.pages))}
    runs = []
    for engine in ("reference", "kernel"):
        try:
            runs.append(lp.replay(trace, "belady", **budget, **options, record=True, engine=engine))
        except BudgetError:
            runs.append(None)
    slow, fast = runs
    if slow is None or fast is None:
        assert slow is fast
        return
    assert slow.misses == fast.misses
    assert slow.missed is not None
    assert fast.missed is not None
    assert np.array_equal(slow.missed, fast.missed)
    assert slow.bytes_read == fast.bytes_read
    assert slow.misses_by_session.tolist() == fast.misses_by_session.tolist()
    assert slow.misses_by_layer.tolist() == fast.misses_by_layer.tolist()
