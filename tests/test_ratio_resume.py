"""Searches for the best ratio go on from a journal: what is taken over, what is proved again, what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging import certify, cli
from layered_paging.errors import FormatError, LayeredPagingError
from layered_paging.ratio import cycle, game_search
from layered_paging.ratio.journal import FORMAT, VERSION, Journal, _digest, fraction

RANDOMIZED = {"layers": 2, "experts": 2, "slots": 3, "randomized": True}
DETERMINISTIC = {"layers": 2, "experts": 3, "slots": 4}
EVENTS = {"layers": 2, "experts": 3, "slots": 4, "top_k": 2}


class Stopping:
    """A tick that interrupts at its n-th fact of a kind, and keeps all facts."""

    def __init__(self, what: str = "", after: int = 1) -> None:
        self.what, self.left = what, after
        self.facts: list[tuple[str, Any]] = []

    def __call__(self, what: str, value: Any) -> None:
        self.facts.append((what, value))
        if what == self.what:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def all(self, what: str) -> list[Any]:
        return [value for name, value in self.facts if name == what]


def search(path: Path | None, size: dict[str, Any], tick: Stopping, seconds: float | None = None) -> lp.ratio.Bracket:
    return lp.optimal_ratio(**size, seconds=seconds, resume=path, tick=tick)


def kept(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())["kept"]
    return found


def forge(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a journal and give it the digest of what it now says."""
    fields = json.loads(path.read_text())
    change(fields)
    fields["digest"] = _digest(fields)
    path.write_text(json.dumps(fields))


@pytest.mark.parametrize("size", [RANDOMIZED, {"layers": 1, "experts": 4, "slots": 3, "randomized": True}])
@pytest.mark.parametrize("every", [1, 3])
def test_a_randomized_search_stopped_again_and_again_ends_where_an_unbroken_one_does(
    size: dict[str, Any], every: int, tmp_path: Path
) -> None:
    whole = Stopping()
    wanted = search(None, size, whole)
    path, stops, lows = tmp_path / "j.json", 0, [Fraction(0)]
    while True:
        tick = Stopping("source", every + 1)
        found = search(path, size, tick)
        lows.append(found.lower)
        if found.complete:
            break
        stops += 1
    assert (found.lower, found.upper, found.statement) == (wanted.lower, wanted.upper, wanted.statement)
    assert found.certificate.evidence == wanted.certificate.evidence
    assert stops == (len(whole.all("source")) - 1) // every
    assert lows == sorted(lows)
    certify.check(found.certificate)


def test_what_was_done_is_taken_over(tmp_path: Path) -> None:
    size = {"layers": 2, "experts": 3, "slots": 4, "randomized": True}
    path = tmp_path / "j.json"
    first = Stopping("source", 9)
    before = search(path, size, first)
    was = kept(path)
    assert not before.complete and before.upper == Fraction(93, 46)
    assert was["above"] >= 1 and was["running"]["round"] > 0
    again = Stopping("source", 2)
    after = search(path, size, again)
    (told,) = again.all("taken up")
    assert str(before.upper) in told and f"after {was['running']['round']} step" in told
    # the first value of the source that went on is the last one before the stop, and no program from above is solved twice
    assert again.all("source")[0] == first.all("source")[-1] > first.all("source")[0]
    assert again.all("upper") == []
    assert after.lower >= before.lower and after.upper is not None and after.upper <= before.upper
    assert kept(path)["running"]["round"] == was["running"]["round"] + 1


@pytest.mark.parametrize("size", [DETERMINISTIC, EVENTS])
def test_a_game_stopped_at_every_bracket_ends_where_an_unbroken_one_does(size: dict[str, Any], tmp_path: Path) -> None:
    whole = Stopping()
    wanted = search(None, size, whole)
    path, trials, stops = tmp_path / "j.json", 0, 0
    while True:
        tick = Stopping("bracket", 1)
        found = search(path, size, tick)
        trials += len(tick.all("bracket"))
        if found.complete:
            break
        stops += 1
        assert len(tick.all("taken up")) == (stops > 1)
    assert (found.lower, found.upper) == (wanted.lower, wanted.upper)
    assert stops == len(whole.all("bracket")) - 1 or stops == len(whole.all("bracket"))
    assert trials <= len(whole.all("bracket"))  # no trial was made twice
    certify.check(found.certificate)
    once_more = Stopping()
    assert search(path, size, once_more).solved
    assert once_more.all("bracket") == []


def test_a_judgement_that_is_interrupted_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(ratio: Fraction) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(game_search, "largest_ratio", lambda arcs: cycle.largest_ratio(arcs, tick=stop))
    found = search(None, DETERMINISTIC, Stopping())
    assert (found.lower, found.upper, found.complete) == (0, None, False)
    certify.check(found.certificate)


def test_other_questions_and_releases_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.json"
    search(path, RANDOMIZED, Stopping())
    whole = path.read_bytes()
    for other, name in (
        (RANDOMIZED | {"slots": 2}, "'slots' must be 2; got 3"),
        (RANDOMIZED | {"experts": [2, 3]}, "'experts' must be"),
        (RANDOMIZED | {"randomized": False}, "'admission' must be 'forced'; got None"),
    ):
        with pytest.raises(LayeredPagingError, match=name) as caught:
            search(path, other, Stopping())
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert path.read_bytes() == whole
    assert search(path, RANDOMIZED | {"experts": [2, 2]}, Stopping()).solved  # the same question in other words
    forge(path, lambda fields: fields["question"].update(release="0.0.1"))
    with pytest.raises(LayeredPagingError, match="'release' must be"):
        search(path, RANDOMIZED, Stopping())


def damages() -> dict[str, tuple[Callable[[bytes], bytes], str]]:
    return {
        "empty": (lambda data: b"", "must be JSON"),
        "cut": (lambda data: data[:-40], "must be JSON"),
        "binary": (lambda data: b"\x80\x04" + data, "must be JSON"),
        "NaN": (lambda data: data.replace(b'"version":1', b'"version":NaN'), "NaN is not JSON"),
        "twice": (lambda data: data.replace(b'"version":1', b'"version":1,"version":1'), "stands twice"),
        "nested": (lambda data: b"[" * 100_000, "nested too deeply"),
        "foreign": (lambda data: data.replace(FORMAT.encode(), b"layered-paging certificate"), "'format' must be"),
        "a list": (lambda data: b"[1]", "'format' must be"),
        "later": (lambda data: data.replace(b'"version":1', b'"version":2'), f"'version' must be {VERSION}"),
        "altered": (lambda data: data.replace(b'"above":', b'"above":1'), "digest"),
        "more": (lambda data: data.replace(b'"version":1', b'"version":1,"a":1'), "digest"),
        "infinite": (lambda data: data.replace(b'"above":', b'"above":1e999,"b":'), "digest"),
    }


@pytest.mark.parametrize("name", damages())
def test_damaged_and_foreign_files_are_refused_in_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "j.json"
    search(path, RANDOMIZED, Stopping("source", 2))
    change, message = damages()[name]
    data = change(path.read_bytes())
    assert data != path.read_bytes()
    path.write_bytes(data)
    words = ["--layers", "2", "--experts", "2", "--slots", "3", "--resume", str(path)]
    assert cli.main(["ratio", "--optimal", "--randomized", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err and str(path) in err
    assert path.read_bytes() == data


def claims() -> dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], Any]]]:
    """Name forgeries whose digest fits."""

    def put(*way: Any) -> Callable[[dict[str, Any]], Any]:
        *inner, last, value = way

        def change(fields: dict[str, Any]) -> None:
            at: Any = fields["kept"]
            for step in inner:
                at = at[step]
            at[last] = value

        return change

    return {
        "a smaller upper bound": (RANDOMIZED, put("policy", "ratio", "3/2")),
        "a larger lower bound": (RANDOMIZED, put("source", "ratio", "2")),
        "another value": (RANDOMIZED, lambda f: f["kept"]["source"]["values"][0][0].__setitem__(1, "1000")),
        "less than 1": (RANDOMIZED, lambda f: f["kept"]["source"]["chances"][0][0].__setitem__(1, "1/3")),
        "half a distribution": (RANDOMIZED, lambda f: f["kept"]["policy"]["distributions"][0][0].__setitem__(1, "1/9")),
        "no cache": (RANDOMIZED, lambda f: f["kept"]["policy"]["distributions"][0][0].__setitem__(0, 99)),
        "nodes missing": (RANDOMIZED, lambda f: f["kept"]["policy"]["distributions"].pop()),
        "no fraction": (RANDOMIZED, put("policy", "ratio", "1e999999")),
        "no number": (RANDOMIZED, put("above", "x")),
        "no memory": (RANDOMIZED, put("policy", "memory", -1)),
        "too few pages": (RANDOMIZED, put("source", "experts", [1, 1])),
        "a policy of a long memory": (RANDOMIZED | {"experts": 3}, put("policy", "memory", 40)),
        "a number too large": (
            RANDOMIZED,
            put("running", {"program": [0, 2, 2], "chances": [[10**400]], "floor": 0, "round": 0, "radius": 1}),
        ),
        "a field less": (RANDOMIZED, lambda f: f["kept"].pop("below")),
        "a smaller ratio of the game": (DETERMINISTIC, put("policy", "ratio", "2")),
        "a larger ratio of the game": (DETERMINISTIC, put("adversary", "ratio", "4")),
        "other values": (DETERMINISTIC, lambda f: f["kept"]["adversary"].update(values=[0])),
        "values below 0": (DETERMINISTIC, lambda f: f["kept"]["running"]["values"].__setitem__(0, -1)),
        "truth values": (DETERMINISTIC, lambda f: f["kept"]["running"]["values"].__setitem__(0, True)),
        "no trial": (DETERMINISTIC, put("running", "trial", "0")),
        "no rounds": (DETERMINISTIC, put("running", "rounds", 1 << 40)),
    }


@pytest.mark.parametrize("name", claims())
def test_a_claim_is_proved_again_and_a_false_one_refused(name: str, tmp_path: Path) -> None:
    size, change = claims()[name]
    path = tmp_path / "j.json"
    search(path, size, Stopping("lower"))
    forge(path, change)
    data = path.read_bytes()
    with pytest.raises(FormatError, match="damaged") as caught:
        search(path, size, Stopping())
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == data


@pytest.mark.parametrize("chances", [[], [[1.0]], [[2.0, -1.0]] * 9, [[0.5, 0.5]] * 9])
def test_a_wrong_hint_makes_no_bound_false(chances: list[list[float]], tmp_path: Path) -> None:
    path = tmp_path / "j.json"
    search(path, RANDOMIZED, Stopping("source", 3))
    forge(path, lambda fields: fields["kept"]["running"].update(chances=chances))
    found = search(path, RANDOMIZED, Stopping())
    assert found.lower == found.upper == Fraction(7, 4)
    certify.check(found.certificate)


def test_a_wrong_hint_of_a_game_makes_no_bound_false(tmp_path: Path) -> None:
    path = tmp_path / "j.json"
    search(path, DETERMINISTIC, Stopping("bracket", 2))
    forge(path, lambda f: f["kept"]["running"].update(values=[7] * len(f["kept"]["running"]["values"])))
    found = search(path, DETERMINISTIC, Stopping())
    assert found.lower == found.upper == 3
    certify.check(found.certificate)


def test_a_place_that_cannot_be_written_is_refused_before_the_search(tmp_path: Path) -> None:
    for path in (tmp_path / "none" / "j.json", tmp_path):
        for size in (RANDOMIZED, DETERMINISTIC):
            tick = Stopping()
            with pytest.raises(LayeredPagingError, match=r"cannot be (written|read)"):
                search(path, size, tick)
            assert tick.facts == []


def test_a_journal_is_written_when_it_is_time_and_not_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    journal = Journal(tmp_path / "j.json", {"a": 1})
    for moment, written in ((0.0, {}), (9.0, {}), (11.0, {"at": 11.0}), (15.0, {"at": 11.0}), (22.0, {"at": 22.0})):
        now[0] = moment
        journal.keep(lambda: {"at": now[0]})
        assert kept(tmp_path / "j.json") == written
    assert Journal(tmp_path / "j.json", {"a": 1}).kept == {"at": 22.0}


@pytest.mark.parametrize("text", ["", "1/0", "1e9", "0x1", " 1", "1.5", "1/-2", "9" * 2000, 1, None])
def test_what_is_no_fraction_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="fraction"):
        fraction(text)


def test_a_given_policy_has_nothing_to_go_on_from(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--layers", "2", "--experts", "3", "--slots", "4", "--resume", str(tmp_path / "j.json")]
    assert cli.main(["ratio", "lru", *words]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "--resume is for --optimal" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "kill") or sys.platform == "win32", reason="no SIGTERM here")
def test_a_killed_command_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "j.json"
    words = [sys.executable, "-m", "layered_paging", "ratio", "--optimal", "--randomized", "--layers", "3"]
    words += ["--experts", "2", "--slots", "3", "--json", "--resume", str(path), "--time-limit"]
    process = subprocess.Popen([*words, "60s"], stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(1200):  # until the first source is proved
            if process.poll() is not None or (path.exists() and kept(path).get("source")):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        answer = json.loads(process.communicate(timeout=120)[0])
    finally:
        process.kill()
    assert process.returncode == 0 and answer["complete"] is False and answer["taken_up"] is None
    was = kept(path)
    assert was["below"] and answer["lower"] == was["source"]["ratio"] and answer["upper"] == was["policy"]["ratio"]
    again = json.loads(subprocess.run([*words, "1s"], capture_output=True, text=True, check=True).stdout)
    assert again["taken_up"].startswith(f"between {answer['lower']} and {answer['upper']}; ")
    assert Fraction(again["lower"]) >= Fraction(answer["lower"]) > 0
    assert Fraction(again["upper"]) <= Fraction(answer["upper"])
    assert len(kept(path)["below"]) >= len(was["below"])
