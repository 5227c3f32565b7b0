"""Every argument of the public functions, replaced by values of other kinds: refused in one line, never a raw traceback."""

from __future__ import annotations

import inspect
import signal
import tempfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from types import FrameType
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging import adversary, coupon, edge, report, transforms, workloads
from layered_paging.analysis.evidence import distinct_sessions, weigh
from layered_paging.analysis.over_time import over_time
from layered_paging.core.arguments import kinds, real
from layered_paging.core.registry import find
from layered_paging.errors import LayeredPagingError, ParameterError
from layered_paging.plan import Clock, fit, plan
from layered_paging.policies.names import resolve
from layered_paging.prefetch.guessing import guesses
from layered_paging.prefetch.replay import prefetch
from layered_paging.prefetch.stall import least_stall
from layered_paging.prefetch.timing import TimeModel
from layered_paging.problems.compared import compared
from layered_paging.profiles import behaviour
from layered_paging.profiles.drift import drift
from layered_paging.profiles.profile import Profile, compare, merge
from layered_paging.profiles.value import hot_pages

TRACE = lp.Trace([[[0, 1], [2, 3]], [[0, 2], [1, 3]], [[1, 2], [0, 3]]], n_experts=4, sessions=[0, 2])
SIZED = lp.Trace(TRACE.experts, n_experts=4, sessions=[0, 2], expert_bytes=10)
ABOUT = lp.Trace(TRACE.experts, n_experts=4, sessions=[0, 2], meta={"items": [{"category": "a"}, {"category": "b"}]})
NETWORK = edge.generate(users=4, servers=2, layers=2, experts=6, top_k=2, seed=1, storage=4 << 20)
DISK = TimeModel(compute=10, bandwidth=10**9, latency=0, channels=1, overlap=True)
FOLDER = tempfile.TemporaryDirectory()
PROFILE = Profile.of(TRACE)
RUN = lp.replay(TRACE, "lru", 4, record=True)
COLLECT: dict[str, Any] = {"experts": 3, "collectors": 2}
DRAWS: dict[str, Any] = {**COLLECT, "draws": 1, "replacement": False, "probabilities": None}
SHAPE: dict[str, Any] = {"layers": 2, "experts": 3}
WORK: dict[str, Any] = {"layers": 2, "experts": 4, "rounds": 5, "top_k": 1, "seed": 0, "sessions": 1}
SOURCE: dict[str, Any] = {"policy": "lru", "layers": 2, "experts": 2, "slots": 2, "rounds": 40, "runs": 2, "seed": 0}
GAME: dict[str, Any] = {"policy": "lru", "layers": 2, "experts": 2, "slots": 3, "seed": 0}
HOW: dict[str, Any] = {"reset": "never", "prefill": "token"}
SHOWN: dict[str, Any] = {"trace": TRACE, "policies": ["lru"], "slots": 4, "reset": "never"}
CROWD: dict[str, Any] = {"servers": 2, "topics": 2, "tokens": 3, "top_k": 1, "seed": 0}
METRES: dict[str, Any] = {"token_bytes": 4, "side_m": 100.0, "reach_m": 50.0}
LINK: dict[str, Any] = {"compute": 10, "bandwidth": 10**9, "hit": 0}
NONE: dict[str, Any] = {"progress": None}


def by_program(time_limit: float | None) -> edge.Placement:
    return edge.place(NETWORK, "ilp", time_limit=time_limit)


def by_greed(lazy: bool) -> edge.Placement:
    return edge.place(NETWORK, "greedy", lazy=lazy)


CALLS: dict[str, list[tuple[Callable[..., Any], dict[str, Any]]]] = {
    "coupon": [
        (coupon.expected_rounds, DRAWS),
        (coupon.variance, DRAWS),
        (coupon.cdf, {"t": 2, **DRAWS}),
        (coupon.distribution, {"rounds": 3, **COLLECT}),
        (coupon.harmonic, {"n": 3, "power": 1}),
        (coupon.best_split, {**SHAPE, "slots": 3}),
        (coupon.yao_bound, {**SHAPE, "slots": 3}),
        (coupon.split_bound, {"widths": [2, 2]}),
        (coupon.enclose_rounds, {**COLLECT, "draws": 1, "replacement": False, "digits": 5}),
        (coupon.enclose_yao, {**SHAPE, "digits": 5}),
        (coupon.compare, {**SHAPE, "digits": 5}),
        (coupon.gumbel_cdf, {"t": 3.0, **COLLECT}),
        (coupon.gumbel_mean, COLLECT),
        (coupon.many_collectors, COLLECT),
        (coupon.occupancy_rounds, {**COLLECT, "tolerance": 1e-9}),
        (coupon.poissonised, {**COLLECT, "probabilities": None}),
        (coupon.simulate, {**DRAWS, "samples": 5, "seed": 1, "method": "draws", "workers": 1}),
        (coupon.phase_ratio, {**SOURCE, "confidence": 0.9, "engine": "reference"}),
        (coupon.simulate(3, 2, samples=5, seed=1).interval, {"confidence": 0.9}),
    ],
    "workloads": [
        (workloads.uniform, WORK),
        (workloads.zipf, {**WORK, "exponent": 1.0}),
        (workloads.markov, {**WORK, "stickiness": 0.5, "exponent": 0.0}),
        (workloads.drift, {**WORK, "exponent": 1.0, "period": 2, "swaps": 1}),
        (workloads.phases, {**WORK, "working_set": 2, "length": 2}),
    ],
    "transforms": [
        (transforms.batch, {"traces": TRACE, "size": 2, "chunk": None}),
        (transforms.interleave, {"trace": TRACE, "streams": 2}),
        (transforms.leave_early, {"trace": TRACE, "probability": 0.5, "seed": 0}),
        (transforms.permute_layers, {"trace": TRACE, "probability": 0.5, "seed": 0}),
        (transforms.skip_layers, {"trace": TRACE, "probability": 0.1, "seed": 0}),
        (transforms.shuffle_tokens, {"trace": TRACE, "seed": 0}),
        (transforms.redraw, {"trace": TRACE, "within": "session", "seed": 0}),
        (transforms.merge_prefill, {"trace": TRACE}),
        (transforms.top_one, {"trace": TRACE}),
        (transforms.without_layers, {"trace": TRACE, "layers": [1]}),
    ],
    "plan": [
        (plan, {"trace": SIZED, "using": "lru", "policies": ["llru"], "sized": True, "engine": None, **HOW}),
        (plan, {"trace": SIZED, "size": 40, "sizes": [40, 60], "target": ("hits", 0.5), "pool": "shared"}),
        (plan, {"trace": SIZED, "size": 40, "sizes": [40], "measured": [(40, 3.0), (60, 4.0)], "overlap": False}),
        (plan, {"trace": SIZED, "size": 40, "sizes": [40], "clock": Clock(0.02, 2e9), "traffic": None}),
        (plan, {"trace": SIZED, "size": 40, "sizes": [40], "progress": lambda done: None}),
        (Clock, {"compute": 0.02, "bandwidth": 2e9, "latency": 0.0, "overlap": False, "on_cpu": 0.0, "cpu": 0.0}),
        (fit, {"loaded": [1e6, 2e6, 3e6], "seconds": [0.1, 0.2, 0.3], "overlap": False}),
    ],
    "report": [
        (
            report.replay_page,
            {**SHOWN, "pool": "shared", "admission": "forced", "seed": 0, "title": "", "note": "", **NONE},
        ),
        (report.figure, {**SHOWN, "form": "svg", "title": ""}),
        (report.facts, {"trace": TRACE, "slots": 4, "policy": "lru", "policies": ["lfu"], "clock": None, **HOW}),
        (report.play_page, {"title": ""}),
        (report.board, {**SHOWN, "blank": False, "admission": "forced"}),
    ],
    "prefetch": [
        (prefetch, {"trace": TRACE, "guesses": TRACE.experts, "slots": 4, "time": DISK, "page_bytes": 10, "budget": 1}),
        (
            prefetch,
            {"trace": SIZED, "guesses": None, "slots": 4, "time": DISK, "policy": "lru", "distance": 1, "seed": 0},
        ),
        (prefetch, {"trace": SIZED, "guesses": None, "slots": 4, "time": DISK, "staging": 0, "pool": "shared"}),
        (
            prefetch,
            {"trace": SIZED, "guesses": None, "slots": 4, "time": DISK, "reset": "never", "engine": "reference"},
        ),
        (guesses, {"trace": TRACE, "predictor_name": "popularity", "width": 2, "least": 0.0, "reset": "never"}),
        (guesses, {"trace": TRACE, "predictor_name": "previous", "width": 2, "train": None, "imported": None}),
        (guesses, {"trace": TRACE, "predictor_name": "profile", "width": 2, "rates": [[0.5] * 4] * 2}),
        (guesses, {"trace": TRACE, "predictor_name": "markov", "width": 2, "engine": "reference"}),
        (TimeModel, {**LINK, "latency": 0, "channels": 1, "overlap": True, "chunk": 100}),
        (TimeModel.page_cache, {**LINK, "fault": 3, "readahead": 100}),
        (least_stall, {"trace": TRACE, "slots": 4, "time": DISK, "page_bytes": 10, "time_limit": 5.0}),
    ],
    "edge": [
        (
            edge.online_against_static,
            {"trace": ABOUT, "slots": 4, "by": "category", "edge_ns": 2, "cloud_ns": 22, **NONE},
        ),
        (edge.online_against_static, {"trace": ABOUT, "slots": 4, "policies": ["lru"], "algorithms": ["popularity"]}),
        (
            edge.place,
            {"network": NETWORK, "algorithm": "popularity", "storage": 4 << 20, "bound": "none", "seed": 0, **NONE},
        ),
        (edge.place, {"network": NETWORK, "algorithm": "rounds", "method": "auto", "exact": 2, "rounds": 2}),
        (edge.place, {"network": NETWORK, "algorithm": "enumeration", "triple": 1}),
        (
            edge.storage_curve,
            {"network": NETWORK, "storages": [4 << 20], "algorithm": "local", "bound": "none", **NONE},
        ),
        (edge.generate, {**CROWD, "users": 2, "layers": 2, "experts": 3, "skew": 1.0, "trace": None, "radio": None}),
        (
            edge.generate,
            {**CROWD, **METRES, "expert_bytes": 10, "storage": 30, "user_storage": 10, "nonexpert_bytes": 0},
        ),
        (edge.generate, {**CROWD, "local_ns": 10, "server_ns": 10, "cloud_extra_ns": 20, "backhaul_ns": 5}),
        (edge.generate, {"trace": ABOUT, "by": "category", "top_k": 1, "tokens": 1}),
        (edge.generate, {"profiles": [PROFILE], "top_k": 1, "tokens": 2}),
        (edge.Radio, {"bandwidth_hz": 2e7, "up_dbm": 23.0, "down_dbm": 43.0, "noise_dbm_hz": -174.0}),
        (edge.Radio, {"loss_db": 30.0, "exponent": 3.5}),
        (by_program, {"time_limit": 5.0}),
        (by_greed, {"lazy": True}),
    ],
    "adversary": [
        (adversary.play, {"adversary": "layered-cruel", **GAME, "rounds": 4, "pool": None}),
        (adversary.play, {"adversary": "uniform-source", **GAME, "rounds": 4}),
        (adversary.nemesis, {**GAME, "rounds": 3, "budget": 6, "restarts": 2, "progress": None}),
        (adversary.Table, {**GAME, "pool": "shared"}),
        (adversary.bound_of, {"entry": find("adversary", "layered-cruel"), **SHAPE, "slots": 3}),
        (adversary.spread, {**SHAPE, "pages": 5}),
    ],
    "others": [
        (lp.save_trace, {"trace": TRACE, "path": f"{FOLDER.name}/t.jsonl"}),
        (compared, {"layers": 2, "experts": 2}),
        (
            lp.gap_table,
            {"traces": {"t": TRACE}, "policies": ["lfu"], "base": "llru", "tokens": [1.5], "prefill": "token"},
        ),
        (lp.gap_table, {"traces": {"t": TRACE}, "tokens": [1.5], "admission": "forced", "pool": "shared", **NONE}),
        (lp.gap_table, {"traces": {"t": TRACE}, "tokens": [1.5], "resets": ["never"], "traffic": None}),
        (lp.diagnose, {"trace": TRACE, "slots": 4, "policy": "lru", "policies": ["lfu"], **HOW, **NONE}),
        (lp.diagnose, {"trace": SIZED, "budget_bytes": 40, "policies": ["lfu"]}),
        (merge, {"profiles": [PROFILE], "weights": [1.0]}),
        (compare, {"one": PROFILE, "other": PROFILE, "top": 2}),
        (hot_pages, {"profile": PROFILE, "slots": 4, "pool": "shared"}),
        (drift, {"trace": TRACE, "profile": PROFILE, "window": 2, "top": 2}),
        (weigh, {"trace": TRACE, "first": RUN, "second": RUN, "groups": [[0], [1]]}),
        (behaviour.reuse_ages, {"trace": TRACE, "layer": 0}),
        (lp.inspect, {"trace": TRACE}),
        (distinct_sessions, {"trace": TRACE}),
        (over_time, {"trace": TRACE, "run": RUN, "window": None}),
        (behaviour.behaviour, {"trace": TRACE}),
        (behaviour.pruned, {"chosen_from": TRACE, "trace": TRACE, "removed": 1}),
        (behaviour.transition_counts, {"trace": TRACE, "layer": 0}),
    ],
}
WRONG: list[Any] = [
    *("nonsense", "", "3", "2.0", "a\nb", b"x", True, False, None, object(), np.True_),
    *(0.5, 2.0, -0.0, -1, 0, -1.5, float("nan"), float("inf"), -float("inf"), 1e308, 1 + 2j),
    *([], [None], [0.5], ["a"], [True], (), {}, {"a": 1}, set(), range(0)),
    *(np.array([]), np.array([1.5]), np.array(2), np.array(2.0), np.float64(2), np.float32("nan")),
    *(10**30, 10**400, 10**5000, 1 << 63, -(10**30), Decimal(2), Decimal("nan"), Fraction(1, 2)),
]
IS_OF: dict[str, Callable[[Any], bool]] = {
    "int": lambda value: hasattr(value, "__index__") and not isinstance(value, bool),
    "float": lambda value: isinstance(value, (int, float, Fraction, np.floating)) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, (bool, np.bool_)),
    "str": lambda value: isinstance(value, str),
    "None": lambda value: value is None,
    "AnyPath": lambda value: isinstance(value, str),
    "list": lambda value: isinstance(value, (list, tuple, range, np.ndarray)),
    "Sequence": lambda value: isinstance(value, (list, tuple, range, np.ndarray)),
    "Callable": callable,
}


@pytest.fixture
def ends() -> Iterator[None]:
    """Turn a call that does not end into a failure instead of a test that hangs."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError("the calls did not end")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(100)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def permitted(annotation: str, value: Any) -> bool:
    return any(IS_OF.get(part.partition("[")[0], lambda _: False)(value) for part in annotation.split(" | "))


@pytest.mark.usefixtures("ends")
@pytest.mark.parametrize(
    ("function", "given"),
    [
        pytest.param(f, given, id=f"{room}.{at}.{f.__name__}")
        for room, rows in CALLS.items()
        for at, (f, given) in enumerate(rows)
    ],
)
def test_other_kinds_are_refused_by_name(function: Callable[..., Any], given: dict[str, Any]) -> None:
    function(**given)
    annotations = inspect.signature(function).parameters
    for name in given:
        annotation = str(annotations[name].annotation) if name in annotations else "int"
        for wrong in WRONG:
            try:
                function(**{**given, name: wrong})
            except LayeredPagingError as error:
                assert len(str(error).splitlines()) == 1 and len(str(error)) < 2000
                named = name in str(error) or name in error.parameter
                assert named or permitted(annotation, wrong), f"{name}: {error}"
            else:
                assert permitted(annotation, wrong), f"{name}={wrong!r} was taken"


@pytest.mark.parametrize("room", ["coupon", "workloads", "transforms"])
def test_every_function_of_a_room_is_tried(room: str) -> None:
    home = getattr(lp, room)
    listed = {name for name in home.__all__ if inspect.isfunction(getattr(home, name))} - {"identities"}
    assert listed <= {function.__name__ for function, _ in CALLS[room]}


def test_sizes_that_never_end_say_the_limit() -> None:
    for call in (
        lambda: coupon.harmonic(10**30),
        lambda: coupon.cdf(10**30, 3),
        lambda: coupon.expected_rounds(10**30),
        lambda: coupon.expected_rounds(1, 10**30),
        lambda: coupon.distribution(2, 10**30, rounds=3),
        lambda: coupon.enclose_rounds(10**30),
        lambda: coupon.simulate(3, samples=10**30, seed=0),
        lambda: coupon.phase_ratio("lru", layers=2, experts=2, runs=10**30),
        lambda: adversary.play("uniform-source", "lru", layers=2, experts=2, slots=2, rounds=10**30),
        lambda: adversary.nemesis("lru", layers=2, experts=2, slots=2, budget=10**30),
        lambda: adversary.nemesis("lru", layers=2, experts=2, slots=2, restarts=10**30),
        lambda: adversary.nemesis("lru", layers=2, experts=2, slots=2, rounds=10**30),
        lambda: adversary.spread(2, 10**30, 10**30),
        lambda: compared(2, 10**30),
    ):
        with pytest.raises(ParameterError, match=r"at most .*; got 1000000"):
            call()


def test_what_the_annotations_say() -> None:
    @kinds(times=1)
    def said(text: str | None, times: int = 1, *, few: list[float] | None = None, free: Any = None) -> int:
        return times

    wrong: Any = said  # calls that the type checker would refuse too
    assert said("a") == 1 and said(None, times=np.int64(2), few=[1, 0.5], free=object()) == 2
    with pytest.raises(ParameterError, match=r"^text must be a text or None; got 3$"):
        wrong(3)
    with pytest.raises(ParameterError, match=r"^times must be an integer of at least 1; got 2.0$"):
        wrong("a", 2.0)
    with pytest.raises(ParameterError, match=r"^few\[1\] must be a number; got nan$"):
        said("a", few=[1, float("nan")])
    with pytest.raises(TypeError, match="unexpected keyword"):
        wrong("a", other=1)
    assert real("x", Fraction(1, 2), 0, 1) == 0.5
    with pytest.raises(ParameterError, match=r"^x must be a number in 0..1; got '1'$"):
        real("x", "1", 0, 1)


def test_members_of_the_wrong_kind_are_refused_where_they_stand() -> None:
    for call, said in (
        (lambda: plan(SIZED, size=40, measured=[(40, "3")]), "measured[0] must be a budget and tokens"),
        (lambda: plan(SIZED, size=40, measured=[(40, 3.0), ("60", 4.0)]), "measured[1][0] must be an integer"),
        (lambda: plan(SIZED, size=40, target=("hits", "1")), "a target is ('rate', tokens per second"),
        (lambda: plan(SIZED, sizes=[40, True]), "sizes[1] must be an integer of at least 1; got True"),
        (lambda: guesses(TRACE, "profile", 2, rates=[[0.5] * 4, ["1"] * 4]), "rates[1] must be numbers in 0..1"),
        (lambda: lp.gap_table({"t": TRACE}, tokens=["3"]), "tokens must be numbers above 0"),
        (lambda: lp.gap_table({"t": 1}), "traces['t'] must be a Trace; got 1"),
        (lambda: adversary.spread(2, 3, 7), "pages must be at most 6"),
        (lambda: behaviour.reuse_ages(TRACE, 2), "layer must be in 0..1; got 2"),
    ):
        with pytest.raises(ParameterError) as caught:
            call()
        assert str(caught.value).startswith(said)
    assert lp.gap_table({"t": TRACE}, tokens=[np.float32(1.1)]).cells == lp.gap_table({"t": TRACE}, tokens=[1.1]).cells


def test_policies_of_ones_own_are_shown_too() -> None:
    spec = resolve("lru")
    by_name = edge.online_against_static(ABOUT, 4, policies=["lru"], algorithms=[])
    for policy in (spec, spec.cls):
        assert report.replay_page(TRACE, [policy, policy], 4) == report.replay_page(TRACE, [policy], 4)
        assert report.figure(TRACE, [policy, "fifo"], 4).count(" missed</text>") == 2
        served = edge.online_against_static(ABOUT, 4, policies=[policy], algorithms=[])
        assert [row.hit_rate for row in served] == [row.hit_rate for row in by_name]
        first, second = (lp.gap_table({"t": TRACE}, ["fifo"], base=base, tokens=[1.5]) for base in (policy, "lru"))
        assert [cell.base for cell in first.cells] == [cell.base for cell in second.cells]
    assert report.board(TRACE, spec, 4) == report.board(TRACE, "lru", 4)
