"""The rules of a replay are one object, checked once, and nobody below the public functions takes them apart."""

from __future__ import annotations

import ast
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.core.layout import capacities, lay_out, pools_of
from layered_paging.core.rules import _VOCABULARY, PLAIN, Budget, Rules
from layered_paging.errors import BudgetError, ParameterError
from layered_paging.policies.names import resolve
from layered_paging.policies.spec import Time
from layered_paging.policies.step import Pool

PACKAGE = Path(__file__).resolve().parent.parent / "layered_paging"
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists())
WIDE = {  # below the public names: an argument each for what Markov's twins read and write, and for a search's growing arrays
    "prediction/guess_kernels.py:markov",
    "prediction/next_use_kernels.py:markov",
    "prediction/next_use_kernels.py:_markov_scores",
    "ratio/kernels.py:explore",
}
PUBLIC = {
    "core/rules.py:with_quotas",
    "engine/run.py:replay",
    "engine/run.py:history",
    "engine/curves.py:miss_curve",
    "engine/curves.py:optimum_curve",
    "offline/answer.py:optimum",
    "prefetch/replay.py:prefetch",
    "prefetch/guessing.py:guesses",
    "edge/generate.py:generate",
    "edge/network.py:__init__",
    "plan/answers.py:plan",
    "plan/disk.py:drive",
    "ratio/given.py:competitive_ratio",
}


@pytest.mark.parametrize("name", _VOCABULARY)
def test_each_rule_has_a_vocabulary(name: str) -> None:
    for value in _VOCABULARY[name]:
        assert getattr(Rules(**{name: value}), name) == value
    with pytest.raises(ParameterError, match=f"^{name} must be one of '.*'; got 'qqq'$"):
        Rules(**{name: "qqq"})
    assert name in PLAIN.options()


def test_rules_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        PLAIN.pool = "per-layer"  # type: ignore[misc]
    assert PLAIN.but(reset="session").resets and not PLAIN.resets


def test_no_function_below_takes_a_rule_by_itself() -> None:
    """In the engine, the solvers and the core a rule is a field of ``Rules``; what two functions share has no options."""
    found = set()
    for room in ("core", "engine", "offline"):
        for path in sorted((PACKAGE / room).rglob("*.py")):
            if "kernels" in path.parent.name:
                continue  # the special loop of one policy
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef):
                    every = (*node.args.args, *node.args.kwonlyargs)
                    names = {a.arg for a in every if a.annotation is not None and ast.unparse(a.annotation) == "str"}
                    if names & set(_VOCABULARY):
                        found.add(f"{path.relative_to(PACKAGE)}:{node.name}")
    assert found <= PUBLIC, found - PUBLIC


def test_quotas_are_given_or_found() -> None:
    trace = lp.Trace([[[0], [1]], [[1], [0]]], 2)
    rules = Rules.with_quotas([1, 2], admission="forced")
    assert (rules.pool, rules.quotas) == ("per-layer", (1, 2))
    assert capacities(trace, Budget(3), rules) == [1, 2]
    assert [q for _, q in pools_of(lay_out(trace), trace, Budget(3), rules)] == [1, 2]
    with pytest.raises(ParameterError, match="quotas must sum to slots, 4; got 3"):
        capacities(trace, Budget(4), rules)
    with pytest.raises(ParameterError, match="quotas must be one int for each of 2 layers; got 1"):
        capacities(trace, Budget(3), Rules.with_quotas([3]))
    with pytest.raises(BudgetError, match="the quota of layer 1 must hold its largest event \\(1\\); got 0"):
        pools_of(lay_out(trace), trace, Budget(3), Rules.with_quotas([3, 0]))
    for wrong, said in (
        ("best", "quotas must be one of 'uniform', 'free'"),
        (3, "or a list of slots; got 3"),
        ([-1], "quotas of layer 0"),
    ):
        with pytest.raises(ParameterError, match=said):
            Rules.with_quotas(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "error"),
    [((None, None), BudgetError), ((1, 1), BudgetError), ((0, None), ParameterError), ((None, True), ParameterError)],
)
def test_a_budget_is_slots_or_bytes(given: tuple[int | None, int | None], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"got|one of them"):
        Budget(*given)
    assert (Budget(3).unit, Budget(budget_bytes=3).unit, Budget(budget_bytes=7).total) == ("slots", "bytes", 7)


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=2, unique=True), max_size=12), st.booleans())
def test_a_pool_serves_as_the_replay_does(events: list[list[int]], bypass: bool) -> None:
    """A pool by hand, and the replay of the same events."""
    pool = Pool(resolve("lru").make(lp.Instance(1, 6, 3)), 3, bypass=bypass)
    misses = sum(len(pool.serve(sorted(event), Time(n, n, 0)).misses) for n, event in enumerate(events))
    padded = [[[*event, -1][:2]] for event in events] or [[[0, -1]]]
    run = lp.replay(lp.Trace(padded, 6), "lru", 3, admission="bypass" if bypass else "forced")
    assert misses == (run.misses if events else 0)
    assert len(pool.cache) <= 3


def test_a_pool_says_what_does_not_fit() -> None:
    pool = Pool(resolve("lru").make(lp.Instance(1, 6, 1)), 1)
    with pytest.raises(BudgetError, match=r"^round 4, layer 0: an event of 2 does not fit into 1 slots$"):
        pool.serve([0, 1], Time(4, 4, 0))


def test_an_event_is_served_in_one_place() -> None:
    """In Python only ``policies.step`` asks a policy for a victim; the checker has its own, and costs times the answer."""
    root, found = PACKAGE.parent, set()
    for folder in ("layered_paging", "proofs", "papers", "adversaries"):
        for path in sorted((root / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                called = node.func if isinstance(node, ast.Call) else None
                if isinstance(called, ast.Attribute) and called.attr == "victim" and "super" not in ast.unparse(called):
                    found.add(str(path.relative_to(root)))
    assert found == {f"layered_paging/{p}" for p in ("policies/step.py", "certify/ratio.py", "reproduction/costs.py")}


@pytest.mark.parametrize("room", ROOMS)
def test_functions_are_small(room: str) -> None:
    """At most 80 lines without the docstring, 120 for a compiled loop; at most 10 parameters but for public functions."""
    wrong = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                name = f"{path.relative_to(PACKAGE)}:{node.name}"
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                compiled = any("kernel" in ast.unparse(decorator) for decorator in node.decorator_list)
                if lines > (120 if compiled else 80):
                    wrong.append((name, lines))
                if len(node.args.args) + len(node.args.kwonlyargs) > 10 and name not in {*PUBLIC, *WIDE}:
                    wrong.append((name, "parameters"))
    assert not wrong
