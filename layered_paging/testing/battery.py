"""The battery that a policy must pass: ``check_policy(MyPolicy)``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ..adversary import nemesis
from ..core.instance import Instance
from ..core.layout import lay_out
from ..core.trace import Trace
from ..engine.step import Step, steps
from ..errors import LayeredPagingError, ParameterError, PolicyError
from ..offline import optimum
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from .strategies import renamed, sequences, traces

__all__ = ["Check", "CheckFailed", "check_policy"]


class CheckFailed(PolicyError, AssertionError):
    """A policy failed a check of the battery; the message holds the shrunk sequence."""


@dataclass(frozen=True)
class Check:
    """One check of the battery that was passed or does not apply."""

    name: str
    passed: bool | None
    detail: str = ""


def check_policy(
    policy: str | type | PolicySpec, *, examples: int = 100, seed: int = 0, ratio: bool = True, **declares: bool
) -> list[Check]:
    """Run the battery on a policy.

    Parameters
    ----------
    policy : str, class or PolicySpec
        An online policy; registered or not.
    examples : int
        Sequences that each check tries.
    seed : int
        Of the search and of a randomized policy.
    ratio : bool
        Whether to compute or search for ratios at small sizes.
    **declares
        Declared properties ``stack``, ``marking``, ``conservative``, ``lazy``, ``symmetric``; default: what it was
        registered with.

    Returns
    -------
    list of Check
        What was passed, and what does not apply.

    Raises
    ------
    CheckFailed
        With the shortest sequence found.
    ParameterError
        An offline policy, or an unknown property.

    Notes
    -----
    What is checked:

    - It runs (legal victims, no exception) and repeats itself.
    - Decisions on a prefix do not depend on what follows.
    - No optimum is beaten.
    - Renaming experts changes nothing (if symmetric).
    - A lazy policy evicts only what must go.
    - The declared properties hold by their definitions.
    - ``state`` says all that the future depends on.
    - Ratios at small sizes are what they are said to be.

    Examples
    --------
    >>> [check.name for check in check_policy("lru", examples=5, ratio=False) if check.passed]
    ['runs', 'online', 'optimum', 'lazy', 'stack', 'marking', 'conservative', 'symmetric', 'state']
    """
    spec = resolve(policy)
    if spec.properties.get("offline", False):
        raise ParameterError(f"{spec.name}: an offline policy is not checked here; got offline=True")
    known = ("lazy", "stack", "marking", "conservative", "symmetric")
    for name in declares:
        if name not in known:
            raise ParameterError(f"check_policy knows the properties {', '.join(known)}; got {name!r}")
    facts = {"symmetric": getattr(spec.cls, "symmetric", False), **spec.properties, **declares}
    checks = [_search("runs", _runs, spec, examples, seed), _search("online", _online, spec, examples, seed)]
    checks.append(_search("optimum", _optimum, spec, examples, seed))
    for name, test in (("lazy", _lazy), ("stack", _stack), ("marking", _marking), ("conservative", _conservative)):
        if facts.get(name):
            checks.append(_search(name, test, spec, examples, seed))
        else:
            checks.append(Check(name, None, "not declared"))
    if facts["symmetric"] and not spec.randomized:
        checks.append(_search("symmetric", _symmetric, spec, examples, seed))
    else:
        checks.append(Check("symmetric", None, "randomized" if spec.randomized else "not declared"))
    if callable(getattr(spec.cls, "state", None)):
        checks.append(_search("state", _state, spec, examples, seed))
    else:
        checks.append(Check("state", None, "no method state"))
    if ratio:
        checks.append(_ratios(spec))
    return checks


def _search(name: str, test: Callable[..., None], spec: PolicySpec, examples: int, seed: int) -> Check:
    """Let Hypothesis look for a sequence on which the test raises, and shrink it."""
    import hypothesis

    @hypothesis.seed(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(data=st.data())
    def run(data: Any) -> None:
        single = test in (_stack, _marking, _conservative, _symmetric, _state)
        shape = {"layers": data.draw(st.integers(1, 2)), "experts": data.draw(st.integers(2, 5))}
        trace = data.draw(sequences(**shape)) if single else data.draw(traces(sessions=1))
        slots = data.draw(st.integers(lay_out(trace).largest_event(), max(trace.pages, trace.top_k)))
        fail = partial(_fail, spec.name, name, trace, slots)
        try:
            test(spec, trace, slots, fail, data)
        except CheckFailed:
            raise
        except LayeredPagingError as error:
            fail(str(error))
        except Exception as error:
            if type(error).__module__.startswith("hypothesis"):
                raise
            fail(f"raises {type(error).__name__}: {error}")

    try:
        run()
    except CheckFailed as failure:
        failure.__notes__ = []
        raise failure from None
    except (
        BaseExceptionGroup
    ) as group:  # Hypothesis could not repeat a failure: the policy is not a function of its input
        failures = [error for error in group.exceptions if isinstance(error, CheckFailed)]
        if not failures:
            raise
        failures[0].__notes__ = []
        raise failures[0] from None
    return Check(name, True, f"{examples} sequences")


def _fail(policy: str, check: str, trace: Trace, slots: int, words: str) -> None:
    rows = [[[int(e) for e in event if e >= 0] for event in row] for row in trace.experts]
    flat = [[event[0] for event in row] for row in rows] if all(len(e) == 1 for row in rows for e in row) else rows
    shape = f"{trace.layers} layer(s) of {trace.n_experts[0]} experts, {slots} slots"
    raise CheckFailed(f"{policy}: check {check!r}: {words}; {shape}, rounds {flat}")


def _steps(spec: PolicySpec, trace: Trace, slots: int, seed: int = 0) -> list[Step]:
    return list(steps(lay_out(trace), lambda session: spec.make(trace.instance(slots), seed, session, 0), slots))


def _runs(spec: PolicySpec, trace: Trace, slots: int, fail: Callable[[str], None], data: Any) -> None:
    first, second = _steps(spec, trace, slots), _steps(spec, trace, slots)
    if first != second:
        fail("two runs with one seed differ")


def _online(spec: PolicySpec, trace: Trace, slots: int, fail: Callable[[str], None], data: Any) -> None:
    cut = data.draw(st.integers(1, trace.rounds))
    ids = np.array(trace.experts)
    ids[cut:] = ids[cut:][::-1, :, ::-1]
    other = Trace(ids, trace.n_experts)
    here = cut * trace.layers
    if _steps(spec, trace, slots)[:here] != _steps(spec, _plain(trace), slots)[:here]:
        fail("sessions or stages change its decisions")
    if _moves(_steps(spec, other, slots)[:here]) != _moves(_steps(spec, trace, slots)[:here]):
        fail(f"decisions in the first {cut} round(s) depend on later requests")


def _plain(trace: Trace) -> Trace:
    return Trace(trace.experts, trace.n_experts, trace.sessions, trace.stage)


def _moves(run: list[Step]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(step.misses, step.evicted) for step in run]


def _optimum(spec: PolicySpec, trace: Trace, slots: int, fail: Callable[[str], None], data: Any) -> None:
    best = optimum(trace, slots, admission="forced").misses
    paid = sum(len(step.misses) for step in _steps(spec, trace, slots))
    if not best <= paid <= trace.requests:
        fail(f"{paid} misses of {trace.requests} requests, the optimum being {best}")


def _lazy(spec: PolicySpec, trace: Trace, slots: int, fail: Callable[[str], None], data: Any) -> None:
    held = 0
    for step in _steps(spec, trace, slots):
        held += len(step.misses)
        if len(step.evicted) != max(0, held - slots):
            fail(
                f"evicts {len(step.evicted)} page(s) in round {step.event.time.round} where {max(0, held - slots)} must go"
            )
        held -= len(step.evicted)


def _stack(spec: PolicySpec, trace: Trace, slots: int, fail: Callable[[str], None], data: Any) -> None:
    small, large = (_steps(spec, trace, k) for k in (slots, slots + 1))
    for a, b in zip(small, large, strict=True):
        if not a.resident <= b.resident:
            lost = sorted(a.resident - b.resident)
            fail(f"after round {a.event.time.round} page {lost[0]} is held with {slots} slots but not with {slots + 1}")


def _marking(spec: PolicySpec, trace: Trace, slots: int, fail: Callable[[str], None], data: Any) -> None:
    marked: set[int] = set()
    for step in _steps(spec, trace, slots):
        if len(marked | set(step.event.pages)) > slots:
            marked = set()
        marked |= set(step.event.pages)
        if marked & set(step.evicted):
            fail(f"evicts the marked page {min(marked & set(step.evicted))} in round {step.event.time.round}")


def _conservative(spec: PolicySpec, trace: Trace, slots: int, fail: Callable[[str], None], data: Any) -> None:
    run = _steps(spec, trace, slots)
    for start in range(len(run)):
        seen: set[int] = set()
        paid = 0
        for step in run[start:]:
            seen |= set(step.event.pages)
            paid += len(step.misses)
            if len(seen) > slots:
                break
            if paid > slots:
                fail(f"more than {slots} misses on {len(seen)} distinct pages")


def _symmetric(spec: PolicySpec, trace: Trace, slots: int, fail: Callable[[str], None], data: Any) -> None:
    orders = [data.draw(st.permutations(range(n))) for n in trace.n_experts]
    name = {
        first + e: first + order[e]
        for first, order in zip(trace.first_page.tolist(), orders, strict=True)
        for e in range(len(order))
    }
    here, there = _steps(spec, trace, slots), _steps(spec, renamed(trace, orders), slots)
    for a, b in zip(here, there, strict=True):
        if {name[page] for page in a.evicted} != set(b.evicted):
            fail(f"renaming experts by {orders} changes what it evicts in round {a.event.time.round}")


def _state(spec: PolicySpec, trace: Trace, slots: int, fail: Callable[[str], None], data: Any) -> None:
    """The same labels, the same future: the class moves as the automaton of its states does."""
    from ..ratio.automaton import build
    from ..ratio.honest import check_bounded, check_walks, parting

    instance = Instance(trace.layers, trace.n_experts, min(slots, trace.pages - 1, 4))
    check_bounded(spec, instance, "shared", 1, False)
    key = (spec.name, spec.cls, instance)
    if key not in _automata:
        _automata.clear()  # one size at a time: Hypothesis tries many sequences of it
        _automata[key] = build(spec, instance, limit=50_000)
        check_walks(spec, _automata[key], "shared", 1, False)
    pages = [
        (int(e) + int(first),) for row in trace.experts[:, :, 0] for e, first in zip(row, trace.first_page, strict=True)
    ]
    requests = parting(spec, _automata[key], "shared", False, lambda n, live: pages[n], len(pages))
    if requests is not None:
        asked = " ".join(str(page) for (page,) in requests)
        fail(f"with {instance.slots} slots the state forgets something after requests {asked}")


_automata: dict[Any, Any] = {}


def _ratios(spec: PolicySpec) -> Check:
    """Exact ratios at small sizes where the policy has finitely many states, else the worst cycles found."""
    from ..ratio import competitive_ratio

    found = []
    for layers, experts, slots in ((1, 3, 2), (2, 2, 2), (2, 2, 3)):
        where = f"l = {layers}, n = {experts}, k = {slots}"
        if callable(getattr(spec.cls, "state", None)) and not spec.randomized:
            value = competitive_ratio(spec, layers=layers, experts=experts, slots=slots).value
            if value is not None and value < slots - layers + 1:
                raise CheckFailed(
                    f"{spec.name}: check 'ratio': {value} is below k - l + 1 at {where}: its state is not complete"
                )
            found.append(f"{where}: {'unbounded' if value is None else value}")
        else:
            worst = nemesis(spec, layers=layers, experts=experts, slots=slots, budget=60).ratio
            found.append(f"{where}: {'unbounded' if worst is None else f'at least {float(worst):.3f}'} (search)")
    return Check("ratio", True, "; ".join(found))
