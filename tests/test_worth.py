"""What a profile buys: warm starts are replays, splits are honest, and gains are paired."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.errors import ParameterError
from layered_paging.profiles.profile import Profile
from layered_paging.profiles.value import METHODS, hot_pages, seeded, transfer, warmed, worth


def kinds(seed: int = 0, tokens: int = 150) -> lp.Trace:
    """Six sessions of two kinds; each kind has its own hot experts."""
    rng = np.random.default_rng(seed)
    experts = np.empty((6 * tokens, 2, 2), int)
    for s in range(6):
        p = np.roll(0.6 ** np.arange(12), 6 * (s % 2))
        for r in range(s * tokens, (s + 1) * tokens):
            for j in range(2):
                experts[r, j] = rng.choice(12, 2, replace=False, p=p / p.sum())
    meta = {"items": [{"topic": "ab"[s % 2]} for s in range(6)]}
    return lp.Trace(experts, n_experts=12, sessions=[s * tokens for s in range(6)], meta=meta)


def test_hot_pages_by_hand() -> None:
    trace = lp.Trace([[[0, 1], [2, 3]], [[0, 2], [2, -1]], [[0, 1], [2, 3]]], n_experts=4)
    made = Profile.of(trace)
    # uses: layer 0: 3 2 1 0; layer 1: 0 0 3 2
    assert hot_pages(made, 3, "per-layer") == [1, 6, 0]
    assert hot_pages(made, 3, "shared") == [1, 6, 0]
    assert hot_pages(made, 99, "shared") == [2, 7, 1, 6, 0]


def test_a_warm_start_holds_the_hot_pages() -> None:
    trace = kinds()
    hot = hot_pages(Profile.of(trace), 9, "shared")
    warm = warmed(trace.select([0, 1]), hot)
    assert len(warm.sessions) == 2 and (warm.stage == 0).sum() == 2 * -(
        -max(sum(p < 12 for p in hot), sum(p >= 12 for p in hot)) // 2
    )
    run = lp.replay(warm, "lru", 9, reset="session")
    assert run.misses_by_session[:, 0].tolist() == [9, 9]  # each is loaded once, and nothing is evicted
    resident = None
    from layered_paging.engine.run import history

    for step in history(warm.select([0]), "lru", 9):
        if step.event.stage == 1:
            break
        resident = step.resident
    assert resident == set(hot)
    assert warmed(trace, []) is trace


def test_profiles_help_where_kinds_differ_and_mislead_across_them() -> None:
    trace = kinds()
    got = worth(trace, 8, key="topic")
    base = got.of("lfu-decay", "nothing")
    same, other = (got.of("static", f"{which} topic") for which in ("same", "other"))
    assert same.gain(base, "cold")[1] > 0 > other.gain(base, "all")[2]
    assert got.of("lfu-decay, seeded and warm", "same topic").gain(base, "cold")[1] > 0
    assert got.of("lfu-decay, warm", "other topic").gain(base, "settled")[2] < 0.02
    assert {one.trained_on for one in got.outcomes} == {
        "nothing", "all others", "same topic", "other topic", "the session itself (oracle)",
    }  # fmt: skip
    assert all(len(one.sessions) == 6 for one in got.outcomes)
    after = worth(trace, 8, key="topic", changed=True, methods=("lfu", "lfu-decay", "static"))
    # what served the workload before misleads after the change; decay recovers, plain LFU less so
    fading = after.of("lfu-decay", "nothing")
    assert after.of("static", "the topic before").gain(fading, "all")[2] < 0
    assert after.of("lfu", "nothing").gain(fading, "all")[2] < 0


def test_no_profile_sees_its_session() -> None:
    trace = kinds()
    changed = trace.experts.copy()
    changed[:150] = changed[:150, :, ::-1]  # the same sets in session 0
    changed[300:450] = (changed[300:450] + 5) % 12
    other = lp.Trace(changed, trace.n_experts, trace.sessions, meta=trace.meta)
    a, b = (worth(t, 8, key="topic", methods=("lfu-decay", "static")) for t in (trace, other))
    # session 2 changed: its own baseline moves, and so do profiles of others that contain it; session 1's "same" do not
    at = a.of("static", "same topic").sessions.index(1)
    assert a.of("static", "same topic").hit_rate["all"][at] == b.of("static", "same topic").hit_rate["all"][at]
    assert a.of("lfu-decay", "nothing").hit_rate["all"][0] == b.of("lfu-decay", "nothing").hit_rate["all"][0]


def test_gains_are_paired_means() -> None:
    got = worth(kinds(), 8, key="topic", methods=("lru", "lfu-decay"))
    one, base = got.of("lru", "nothing"), got.of("lfu-decay", "nothing")
    mean, low, high = one.gain(base, "all")
    assert mean == pytest.approx(float(np.mean(one.hit_rate["all"] - base.hit_rate["all"]))) and low < mean < high
    assert base.gain(base, "cold") == (0, 0, 0)
    direct = lp.replay(kinds(), "lru", 8, pool="per-layer", reset="session")
    rates = 1 - direct.misses_by_session.sum(axis=1) / direct.requests_by_session.sum(axis=1)
    assert one.hit_rate["all"] == pytest.approx(rates)


def test_pinning_is_static_with_two_ranks() -> None:
    trace = kinds()
    spec = seeded("static", [float(p in (0, 12)) for p in range(24)])
    from layered_paging.engine.run import history

    seen: set[int] = set()
    for step in history(trace, spec, 6):
        seen |= set(step.misses)
        assert {0, 12} & seen <= step.resident
    assert spec.name == "static with a profile"


def test_transfer_by_kind() -> None:
    got = transfer(kinds(), key="topic", top=4)
    assert got.kinds == ["a", "b"]
    assert (np.diag(got.covered) > 0.6).all() and got.covered[0, 1] < 0.4 > got.covered[1, 0]
    assert (got.own >= np.diag(got.covered)).all() and (np.diag(got.distance) < got.distance[0, 1]).all()


def test_mistakes_and_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = kinds()
    for options, words in (
        ({"key": "nothing"}, "needs an item with 'nothing'"),
        ({"key": "topic", "methods": ("x",)}, "unknown method"),
        ({"key": "topic", "pool": "x"}, "pool"),
    ):
        with pytest.raises(ParameterError, match=words):
            worth(trace, 8, **options)
    with pytest.raises(ParameterError, match="two kinds"):
        worth(trace.select([0, 2]), 8, key="topic")
    prompts = lp.Trace(trace.experts, 12, trace.sessions, (np.arange(900) % 150 >= 20).astype(int), meta=trace.meta)
    some = ("lru", "lru, warm")
    a, b = (worth(t, 8, key="topic", methods=some).of("lru, warm", "same topic") for t in (trace, prompts))
    assert a.hit_rate["all"].tolist() == b.hit_rate["all"].tolist()  # a prompt's tokens count like any others
    file = tmp_path / "t.npz"
    lp.save_trace(trace, file)
    assert main(["profile", "judge", str(file), "--slots", "8", "--key", "topic", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == 3 + 4 * (len(METHODS) - 3) and all(r["all_low"] <= r["all_gain"] <= r["all_high"] for r in rows)
    assert main(["profile", "judge", str(file), "--slots", "8", "--key", "topic", "--changed"]) == 0
    assert main(["profile", "judge", str(file), "--slots", "8"]) == 2


def test_one_half_life_serves_all_resets(traces: Path) -> None:
    # LFU beats LRU with a reset at each session and loses without; decay with its default is ahead of both
    trace = lp.load_trace(traces / "gpt_oss_20b.npz")
    rates = {
        (policy, reset): 100 * lp.replay(trace, policy, 192, pool="per-layer", reset=reset).hit_rate
        for policy in ("lru", "lfu", "lfu-decay")
        for reset in ("session", "never")
    }
    assert {key: round(value, 3) for key, value in rates.items()} == {
        ("lru", "session"): 66.238,
        ("lfu", "session"): 69.410,
        ("lfu-decay", "session"): 70.185,
        ("lru", "never"): 66.323,
        ("lfu", "never"): 62.195,
        ("lfu-decay", "never"): 69.884,
    }


def test_the_table_of_the_how_to() -> None:
    from layered_paging.samples import SAMPLE

    root = Path(__file__).resolve().parent.parent
    methods = {"seeded and warm": "lfu-decay, seeded and warm", "warm only": "lfu-decay, warm", "static": "static"}
    got = worth(lp.load_trace(SAMPLE), 24, key="category", methods=("lfu-decay", *methods.values()))
    base = got.of("lfu-decay", "nothing")
    rows = [
        line.split("|")[1:-1]
        for line in (root / "docs/how-to/profiles.md").read_text().splitlines()
        if " to +" in line or " to -" in line
    ]
    assert len(rows) == 6
    for start, trained, *cells in rows:
        kind = "same category" if "same" in trained else "other category"
        for window, cell in zip(("cold", "all"), cells, strict=True):
            mean, low, high = (100 * x for x in got.of(methods[start.strip()], kind).gain(base, window))
            assert cell.strip() == f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"


def test_sessions_without_a_request_are_left_out() -> None:
    ids = [[[0]], [[1]], [[-1]], [[2]], [[3]], [[2]]]
    items = [{"topic": t} for t in ("a", "b", "a", "b", "c")]
    trace = lp.Trace(ids, 4, [0, 1, 2, 3, 5], meta={"items": [*items[:2], {"topic": "none"}, *items[3:]]})
    moved = transfer(trace, key="topic", top=1)
    assert moved.kinds == ["a", "b", "c"]
    outcome = worth(trace, 2, key="topic").outcomes[0]
    assert 2 not in outcome.sessions and set(outcome.sessions) <= {0, 1, 3, 4}
