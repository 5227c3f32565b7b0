"""Profiles: learnt, kept, merged, compared; drift; and files that must not be believed."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.core.cutting import sessions_where
from layered_paging.errors import FormatError, LayeredPagingError, ParameterError
from layered_paging.prediction import predictor
from layered_paging.profiles.drift import drift
from layered_paging.profiles.profile import Profile, compare, jensen_shannon, merge


def source(seed: int = 0, rounds: int = 40, hot: int = 0) -> lp.Trace:
    """Two layers of 6 and 9 experts, two of each a token; the experts around ``hot`` are used most."""
    rng = np.random.default_rng(seed)
    experts = np.empty((rounds, 2, 2), int)
    for j, n in enumerate((6, 9)):
        p = np.roll(0.5 ** np.arange(n), hot)
        for r in range(rounds):
            experts[r, j] = rng.choice(n, 2, replace=False, p=p / p.sum())
    return lp.Trace(experts, n_experts=(6, 9), sessions=[0, rounds // 2], meta={"model": "m"})


def test_a_profile_counts() -> None:
    trace = source()
    made = Profile.of(trace)
    assert [row.tolist() for row in made.counts] == [
        np.bincount(trace.experts[:, j].ravel(), minlength=n).tolist() for j, n in enumerate((6, 9))
    ]
    assert made.events.tolist() == [40, 40] and made.model == "m" and made.check(trace) is made
    last = Profile.of(trace, window=7)
    with pytest.raises(ParameterError, match="exclude each other"):
        Profile.of(trace, half_life=3, window=7)
    assert last.counts[1].tolist() == np.bincount(trace.experts[-7:, 1].ravel(), minlength=9).tolist()


@pytest.mark.parametrize("written", ["popularity(half_life=5)", "popularity(window=4)", "popularity(half_life=None)"])
def test_learnt_online_or_from_a_trace(written: str) -> None:
    trace = source(3)
    tracker = predictor(written, trace)
    for row in trace.experts:
        for layer, members in enumerate(row):
            tracker.observe(layer, members.tolist())
    online, whole = Profile.of_tracker(tracker), Profile.of(trace, **tracker.learnt)
    for a, b in zip(online.counts, whole.counts, strict=True):
        assert a.tolist() == b.tolist()
    assert online.events.tolist() == whole.events.tolist()


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), half_life=st.sampled_from([None, 3.0]))
def test_merging_halves_is_the_whole(seed: int, half_life: float | None) -> None:
    trace = source(seed)
    parts = [Profile.of(trace.select([s]), half_life=half_life) for s in (0, 1)]
    whole = merge(parts)
    if half_life is None:
        assert [row.tolist() for row in whole.counts] == [row.tolist() for row in Profile.of(trace).counts]
    assert len(whole.sources) == 2 and whole.learnt["half_life"] == half_life
    twice = merge(parts, [2.0, 2.0])
    assert all((2 * a == b).all() for a, b in zip(whole.counts, twice.counts, strict=True))


def test_saved_and_loaded_to_the_last_bit(tmp_path: Path) -> None:
    made = Profile.of(source(5), half_life=7, name="x")
    made.save(tmp_path / "p.json")
    back = Profile.load(tmp_path / "p.json")
    assert back.to_json() == made.to_json() and back.learnt == {"half_life": 7, "window": None}
    assert not [p for p in tmp_path.iterdir() if p.name != "p.json"]


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.lists(st.integers(0, 50), min_size=4, max_size=4))
def test_jensen_shannon_is_a_distance(p: list[int], q: list[int]) -> None:
    a, b = np.array(p, float), np.array(q, float)
    if not a.sum() or not b.sum():
        assert math.isnan(jensen_shannon(a, b))
        return
    d = jensen_shannon(a, b)
    assert 0 <= d <= 1 and d == jensen_shannon(b, a) and jensen_shannon(a, 3 * a) == pytest.approx(0, abs=1e-7)
    from scipy.spatial.distance import jensenshannon

    assert d == pytest.approx(float(np.nan_to_num(jensenshannon(a, b, base=2))), abs=1e-6)


def test_another_shape_is_refused_with_the_reason() -> None:
    made, other = Profile.of(source()), lp.Trace([[[0]]], n_experts=4)
    with pytest.raises(ParameterError, match=r"profile is for 2 layers x \[6, 9\] experts, the trace for 1 layers x 4"):
        made.check(other)
    for act in (lambda: compare(made, Profile.of(other)), lambda: merge([made, Profile.of(other)])):
        with pytest.raises(ParameterError, match="layers x"):
            act()


def test_drift_is_found_where_the_workload_moves() -> None:
    made = Profile.of(source(1, 2000))
    same, moved = drift(source(2, 640), made, window=64, top=2), drift(source(2, 640, hot=3), made, window=64, top=2)
    judged = [b for b in same if b.before is not None]
    assert len(judged) == 8 and sum(b.drifted for b in judged) <= 1
    assert all(b.drifted for b in moved if b.before is not None)
    assert all(b.covered < 0.5 < b.covered_before for b in moved if b.covered_before is not None)


VALID = json.loads(Profile.of(source()).to_json())


def spoilt(**changes: object) -> bytes:
    fields = copy.deepcopy(VALID) | changes
    fields.pop("digest")
    return json.dumps(fields).encode()


HOSTILE = {
    "empty": b"",
    "cut": json.dumps(VALID).encode()[:-40],
    "not json": b"\x80\x04\x95cos\nsystem\n",
    "list": b"[]",
    "deep": b"[" * 200_000,
    "long number": b'{"format": ' + b"9" * 10_000 + b"}",
    "nan": spoilt().replace(b"40.0", b"NaN", 1),
    "infinite": spoilt().replace(b"40.0", b"1e999", 1),
    "twice": b'{"format": "layered-paging profile", "format": "layered-paging profile"}',
    "later": spoilt(version=2),
    "version true": spoilt(version=True),
    "huge shape": spoilt(experts=[10**9, 10**9]),
    "no layers": spoilt(experts=[], events=[], counts=[]),
    "zero experts": spoilt(experts=[0, 9]),
    "negative": spoilt(counts=[[-1.0] + [0] * 5, [0] * 9]),
    "more uses than events": spoilt(counts=[[41.0] + [0] * 5, [0] * 9]),
    "text": spoilt(counts=[["1"] + [0] * 5, [0] * 9]),
    "huge count": spoilt(counts=[[10**400] + [0] * 5, [0] * 9]),
    "learnt": spoilt(learnt={"half_life": -1, "window": None}),
    "sources": spoilt(sources=[1]),
    "unknown field": spoilt(extra=1),
    "altered": json.dumps(VALID | {"model": "other"}).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(FormatError) as error:
        Profile.load(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
    good = tmp_path / "good.json"
    Profile.of(source()).save(good)
    before = good.read_bytes()
    assert main(["profile", "merge", str(path), str(good), "-o", str(good)]) == 2
    assert good.read_bytes() == before and path.read_bytes() == HOSTILE[name]
    assert capsys.readouterr().err.count("\n") == 1


@settings(max_examples=60)
@given(st.data())
def test_a_changed_byte_is_never_an_exception_of_another_kind(data: st.DataObject) -> None:
    import tempfile

    raw = bytearray(json.dumps(VALID).encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.json"
        path.write_bytes(raw)
        with contextlib.suppress(LayeredPagingError):
            assert Profile.load(path).to_json() == Profile.of(source()).to_json()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path("a\0b")):
        with pytest.raises(FormatError, match="cannot be read"):
            Profile.load(path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "t.npz"
    meta = {"model": "m", "items": [{"topic": "a"}, {"topic": "b"}]}
    made = source()
    lp.save_trace(lp.Trace(made.experts, made.n_experts, made.sessions, meta=meta), trace)
    a, b, both = (str(tmp_path / f"{n}.json") for n in ("a", "b", "both"))

    def call(*words: str) -> dict:
        assert main(["profile", *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert call("make", str(trace), "-o", a, "--where", "topic=a")["events"] == [20, 20]
    assert call("make", str(trace), "-o", b, "--where", "topic!=a")["sources"][0]["sessions"] == 1
    assert call("merge", a, b, "-o", both)["events"] == [40, 40]
    assert call("show", both)["model"] == "m"
    assert call("compare", a, a)["distance"] == pytest.approx(0, abs=1e-7)
    assert call("drift", str(trace), both, "--window", "5")["judged"] == 6
    for words in (["show", both], ["compare", a, b], ["drift", str(trace), a]):
        assert main(["profile", *words]) == 0
    assert main(["profile", "make", str(trace), "-o", a, "--where", "topic=c"]) == 2
    assert "available: a, b" in capsys.readouterr().err


def test_sessions_are_chosen_by_their_items() -> None:
    trace = lp.Trace([[0], [1], [0]], sessions=[0, 1, 2], meta={"items": [{"t": "a"}, {}, 7]})
    assert sessions_where(trace, ["t!=a"]) == [1, 2] and sessions_where(trace, ["session=1"]) == [1]
    for wrong in ("t", "=a", "session=x", "session=9", "u=a"):
        with pytest.raises(ParameterError):
            sessions_where(trace, [wrong])
