"""Optima: what is refused, and solvers that run out of time or lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.core.layout import lay_out
from layered_paging.errors import FormatError, ParameterError


def test_admission_has_no_default() -> None:
    trace = lp.Trace([[0]], n_experts=1)
    with pytest.raises(TypeError, match="admission"):
        lp.optimum(trace, 1)  # type: ignore[call-arg]


def test_the_function_stays_a_function() -> None:
    import layered_paging.offline.kernels  # noqa: F401

    assert callable(lp.optimum) and lp.optimum.__name__ == "optimum"


def test_ortools_beside_highs() -> None:
    """OR-tools runs in a process of its own, so that both can be used from one."""
    from layered_paging.offline.flow import has_ortools

    if not has_ortools():
        pytest.skip("ortools is not installed")
    rng = np.random.default_rng(1)
    trace = lp.Trace(np.argsort(rng.random((30, 3, 6)), axis=2)[:, :, :2], 6)
    costs = rng.integers(0, 9, 18)
    found = [lp.optimum(trace, 8, admission="bypass", costs=costs, solver=s) for s in ("ortools", "ilp", "paths")]
    assert len({best.cost for best in found}) == 1
    lp.certify.check(found[0].certificate, trace)
    with pytest.raises(lp.LayeredPagingError, match="did not end within"):
        lp.optimum(trace, 8, admission="bypass", costs=costs, solver="ortools", time_limit=1e-9)


def test_a_solver_out_of_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.optimize

    class Late:
        status, x, message = 1, None, "Time limit reached."

    monkeypatch.setattr(scipy.optimize, "linprog", lambda *a, **k: Late())
    trace = lp.Trace([[0, 0], [1, 1], [0, 0]], n_experts=2)
    with pytest.raises(lp.LayeredPagingError, match="Time limit reached"):
        lp.optimum(trace, 2, admission="forced", costs=[1, 2], solver="highs", time_limit=1)


def test_a_solver_that_lies_is_noticed() -> None:
    """A schedule that is feasible but not optimal has no prices; one that does not fit is refused."""
    from layered_paging.offline import flow
    from layered_paging.offline.model import build

    trace = lp.Trace([[0, 0], [1, 1], [0, 0], [1, 1]], n_experts=2)
    model = build(lay_out(trace), 3, resets=False, bypass=False, costs=np.array([1, 2, 3, 4]))
    best = flow.by_networkx(model)
    flow.price(model, best)
    for change in range(len(best)):
        kept = best.copy()
        kept[change] = not kept[change]
        with pytest.raises(lp.LayeredPagingError, match=r"not optimal|does not fit"):
            flow.price(model, kept)


def test_bytes_without_a_common_divisor_are_no_optimum_on_a_solvers_word() -> None:
    ids = [[[0, 2]], [[2, 1]], [[2, 3]], [[3, 2]], [[3, 0]], [[0, 1]]]
    trace = lp.Trace(ids, 4, expert_bytes=[20000003, 3333333, 10000003, 10000002])
    given: dict[str, Any] = {"budget_bytes": 33333339, "admission": "bypass", "costs": [2, 4, 4, 1]}
    truth = lp.optimum(trace, solver="brute", **given)
    assert truth.bounds == (12, 12)
    found = lp.optimum(trace, **given)
    low, high = found.bounds
    assert low <= 12 <= high
    assert not found.exact or found.cost == 12
    lp.certify.check(found.certificate, trace)


@pytest.mark.parametrize("solver", ["auto", "flow", "ilp", "brute", "networkx"])
def test_pages_held_at_the_start_serve_the_first_session_only(solver: str) -> None:
    later = lp.Trace([[[-1]], [[0]]], 2, [0, 1])
    given: dict[str, Any] = {"admission": "forced", "reset": "session", "warm": [0], "solver": solver}
    assert lp.optimum(later, 1, **given).misses == 1
    nothing = lp.Trace([[[0], [-1]]], 2)
    assert lp.optimum(nothing, 2, admission="forced", pool="per-layer", warm=[2], solver=solver).misses == 1


def test_free_quotas_hold_what_is_held_at_the_start() -> None:
    trace = lp.Trace([[[0], [0]], [[1], [1]], [[0], [0]]], [3, 3])
    best = lp.optimum(trace, 3, admission="forced", quotas="free", warm=[0, 1])
    lp.certify.check(best.certificate, trace)


def test_pages_that_do_not_fit_at_the_start_prove_nothing() -> None:
    trace = lp.Trace([[[0]], [[1]]], 2)
    fits = lp.optimum(trace, 2, admission="forced", warm=[0, 1]).certificate
    statement = {**fits.statement, "slots": 1, "split": [1]}
    with pytest.raises(lp.CertificateRejected, match="held at the start take 2"):
        lp.certify.check(lp.Certificate(fits.kind, statement, fits.evidence), trace)


def test_more_slots_than_pages_are_certified() -> None:
    trace = lp.workloads.zipf(2, 4, 20, seed=1)
    for pool in ("shared", "per-layer"):
        best = lp.optimum(trace, 13, admission="forced", pool=pool)
        lp.certify.check(best.certificate, trace)


@pytest.mark.parametrize("given", [{"quotas": None}, {"quotas": 5}, {"warm": 5}])
def test_odd_arguments(given: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        lp.optimum(lp.Trace([[0]]), 1, admission="forced", **given)


def test_a_key_given_twice_is_refused() -> None:
    text = lp.optimum(lp.Trace([[0]]), 1, admission="forced").certificate.to_json()
    with pytest.raises(FormatError, match="stands twice in an object"):
        lp.Certificate.from_json(text.replace('"cost":1', '"cost":0,"cost":1'))


@pytest.mark.parametrize("odd", [{}, None, lp.Certificate([], {}, {})])  # type: ignore[arg-type]
def test_what_is_no_certificate_is_rejected(odd: Any) -> None:
    with pytest.raises(lp.CertificateRejected):
        lp.certify.check(odd)
