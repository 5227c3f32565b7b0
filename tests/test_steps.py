"""A clock of measured steps: it finds the clock that made them, is tested on other runs, and refuses what is no run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layered_paging.cli import main
from layered_paging.errors import FormatError, ParameterError
from layered_paging.plan import fit_steps, predict_steps, read_steps
from layered_paging.plan.spread import clock_spread
from layered_paging.plan.steps import MeasuredRun

HEADER = "step,wall_ms,io_ms,compute_ms,read_bytes,cache_hit_pct"
MB = 1e6


def made(
    name: str,
    loaded: list[float],
    *,
    lanes: int | None = None,
    cached: bool = True,
    overlapped: bool = False,
    compute: float = 0.1,
    keep: float = 1e-10,
) -> MeasuredRun:
    """Return a run by a clock: 20 ms and 0.2 ns + 0.8 ns / lanes per byte of loading."""
    bytes_ = np.array(loaded)
    waited = 0.02 + (2e-10 + 8e-10 / (lanes or 1)) * bytes_
    computed = compute + keep * cached * bytes_
    wall = np.maximum(waited, computed) if overlapped else waited + computed
    return MeasuredRun(name, lanes, wall, waited, computed, bytes_, cached)


def saved(run: MeasuredRun, path: Path) -> Path:
    hits = 50.0 if run.cached else -1.0
    rows = [
        f"{n},{1e3 * w},{1e3 * i},{1e3 * c},{b},{hits}"
        for n, (w, i, c, b) in enumerate(zip(run.wall, run.waited, run.computed, run.loaded, strict=True), start=1)
    ]
    path.write_text("\n".join([HEADER, *rows, "# summary of the engine"]) + "\n")
    return path


RUNS = [
    made("none", [900 * MB] * 3, lanes=4, cached=False),
    made("small", [500 * MB, 300 * MB, 450 * MB], lanes=4),
    made("large", [200 * MB, 100 * MB, 50 * MB], lanes=4),
]


def test_a_third_cache_size_is_predicted_from_two() -> None:
    for found in predict_steps(RUNS):
        assert len(found.fitted) == 2 and found.run.name not in found.fitted
        assert found.predicted == pytest.approx(found.measured)
        assert found.steps == pytest.approx(0, abs=1e-6)
        others = np.concatenate([run.wall for run in RUNS if run.name in found.fitted])
        assert found.null == pytest.approx(others.mean())


@settings(max_examples=50)
@given(
    bytes_=st.lists(st.floats(1e6, 1e9), min_size=3, max_size=20, unique=True).filter(lambda b: max(b) > 1.1 * min(b)),
    compute=st.floats(0.001, 1),
    keep=st.sampled_from([0.0, 1e-11, 1e-9]),
)
def test_the_clock_that_made_the_steps_is_found(bytes_: list[float], compute: float, keep: float) -> None:
    runs = [made(str(lanes), bytes_, lanes=lanes, compute=compute, keep=keep) for lanes in (1, 2, 8)]
    clock = fit_steps(runs)
    assert clock.compute == pytest.approx(compute, rel=1e-4)
    assert clock.keep == pytest.approx(keep, rel=1e-3, abs=1e-14)
    assert clock.loading(4) == pytest.approx(4e-10, rel=1e-4)
    (found,) = predict_steps(runs, [made("new", [3e8], lanes=4, compute=compute, keep=keep)])
    assert found.predicted == pytest.approx(found.measured, rel=1e-4)


def test_what_no_fitted_run_says_is_not_predicted() -> None:
    (lanes,) = predict_steps(RUNS[1:], [made("two", [1e8, 2e8], lanes=2)])
    assert lanes.predicted is None and lanes.reason == "it has 2 lanes, and every fitted run has 4"
    bare = [made("bare", [1e8, 3e8], lanes=4, cached=False)]
    (cache,) = predict_steps(bare, RUNS[1:2])
    assert cache.predicted is None and cache.reason == "it has a cache, and no fitted run has one"


def test_overlapped_runs_are_bounded_by_the_others_and_predicted_by_their_like() -> None:
    over = [
        made(f"over{n}", [b * MB, 1.5 * b * MB], lanes=4, overlapped=True) for n, b in enumerate((1200, 1700, 2500))
    ]
    assert all(run.overlapped for run in over)
    (bounded,) = predict_steps(RUNS, over[:1])
    assert bounded.at_once == pytest.approx(bounded.measured)
    assert bounded.predicted > bounded.measured
    for found in predict_steps([*RUNS, *over]):
        alike = {run.name for run in (over if found.run.overlapped else RUNS)}
        assert set(found.fitted) == alike - {found.run.name}
        if found.run.overlapped:  # loading is longer at every step, so a line through the wall times is right
            assert found.predicted == pytest.approx(found.measured) and found.at_once is None
    (apart,) = predict_steps(over, RUNS[1:2])
    assert apart.predicted is None and "does not overlap" in apart.reason
    with pytest.raises(ParameterError, match="over0: loading overlaps computing there, and not in other runs"):
        fit_steps([*RUNS, over[0]])


def test_runs_that_say_nothing_are_refused() -> None:
    with pytest.raises(ParameterError, match="at least one run to fit; got none"):
        fit_steps([])
    with pytest.raises(ParameterError, match="two runs or more are needed"):
        predict_steps(RUNS[:1])
    with pytest.raises(ParameterError, match="small: its steps are those of small; give each run once"):
        predict_steps(RUNS[:2], RUNS[1:2])
    with pytest.raises(ParameterError, match="must load different amounts; all load 900,000,000 bytes"):
        fit_steps(RUNS[:1])
    with pytest.raises(ParameterError, match="small: its lanes are not told"):
        predict_steps([RUNS[0], made("small", [1e8, 2e8])])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs one column 'wall_ms'; its first line has 0"),
        (HEADER.replace("io_ms", "io"), "needs one column 'io_ms'"),
        (HEADER + ",io_ms\n1,2,1,1,5,0,1", "needs one column 'io_ms'"),
        (HEADER, "at least one step; it has none"),
        (HEADER + "\n1,2,1,1,5", "line 2: a row must have 6 values, as the first line has; it has 5"),
        (HEADER + "\n1,2,1,x,5,0", "line 2: compute_ms must be a number of at least 0 and below 1e+18; got 'x'"),
        (HEADER + "\n1,2,1,nan,5,0", "compute_ms must be a number of at least 0 and below 1e+18; got 'nan'"),
        (HEADER + "\n# note\n1,0,0,0,5,0", "line 3: wall_ms must be a number above 0 and below 1e+18; got '0'"),
        (HEADER + "\n1,1e308,0,0,5,0", "line 2: wall_ms must be a number above 0 and below 1e+18; got '1e308'"),
        (
            HEADER + "\n1,1,0,0,1e308,0",
            "line 2: read_bytes must be a number of at least 0 and below 1e+18; got '1e308'",
        ),
        (HEADER + "\n1,2,1,1,-5,0", "read_bytes must be a number of at least 0 and below 1e+18; got '-5'"),
        (HEADER + "\n1,2,1,1,inf,0", "read_bytes must be a number of at least 0 and below 1e+18; got 'inf'"),
        (HEADER + "\n1,2,1,1,5,-0.5", "cache_hit_pct must be -1 or a number from 0 to 100; got '-0.5'"),
        (HEADER + "\n1,2,1,1,5,500", "cache_hit_pct must be -1 or a number from 0 to 100; got '500'"),
        (HEADER + "\n1,2,1,1,5,-1\n2,2,1,1,5,7", "-1 at every step (no cache), or at none; it is at some"),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.csv"
    file.write_text(text)
    assert main(["clock", str(file)]) == 2
    said = capsys.readouterr().err
    assert words in said and str(file) in said and said.count("\n") == 1


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"absent\.csv: cannot be read; No such file"):
        read_steps(tmp_path / "absent.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\x80\xfe\x00")
    with pytest.raises(FormatError, match=r"bytes\.csv: cannot be read"):
        read_steps(tmp_path / "bytes.csv")
    with pytest.raises(ParameterError, match="lanes must be at least 1; got 0"):
        read_steps(saved(RUNS[1], tmp_path / "one.csv"), 0)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_run_in_wide_characters_names_its_encoding(encoding: str, tmp_path: Path) -> None:
    file = saved(RUNS[1], tmp_path / "wide.csv")
    file.write_bytes(file.read_text().encode(encoding))
    name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
    with pytest.raises(
        FormatError, match=rf"wide\.csv: must be UTF-8 text; it is {name}; convert it: 'iconv -f {name} "
    ):
        read_steps(file)


def test_a_mark_before_the_first_column_is_passed_over(tmp_path: Path) -> None:
    file = saved(RUNS[1], tmp_path / "small.csv")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_steps(file).loaded.tolist() == RUNS[1].loaded.tolist()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [f"{saved(run, tmp_path / f'{run.name}.csv')}@4" for run in RUNS]
    over = made("over", [1200 * MB, 1500 * MB], lanes=4, overlapped=True)
    assert main(["clock", *files, f"{saved(over, tmp_path / 'over.csv')}@4", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in answer["runs"]] == ["none", "small", "large", "over"]
    assert answer["mean_error"] == pytest.approx(0, abs=1e-6) and answer["mean_null_error"] > 0.1
    (plan,) = answer["plans"]
    assert plan["lanes"] == 4 and plan["compute"] == pytest.approx(0.12)
    assert plan["bandwidth"] == pytest.approx(1 / (4e-10 + 1e-10))
    assert main(["clock", *files[:2], "--predict", files[2], f"{tmp_path / 'over.csv'}@4"]) == 0
    said = capsys.readouterr().out
    assert "Mean absolute error of what was predicted: 0.0 %" in said
    assert "over, from none, small: loading overlaps computing here alone" in said
    assert "For plan with 4 lanes, with a cache: --compute 120.000ms --bandwidth 2000.0MB" in said
    bare = saved(made("bare", [1e8, 3e8], lanes=4, cached=False), tmp_path / "bare.csv")
    assert main(["clock", f"{bare}@4", "--predict", files[0]]) == 0
    assert "For plan with 4 lanes, no run has a cache, what it takes is left out:" in capsys.readouterr().out


def test_files_of_one_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for run in RUNS[1:]:
        (tmp_path / run.name).mkdir()
        files.append(str(saved(run, tmp_path / run.name / "run.csv")))
    assert main(["clock", *files, "--json"]) == 0
    assert [row["run"] for row in json.loads(capsys.readouterr().out)["runs"]] == files


def test_runs_that_were_measured_on_a_phone(traces: Path) -> None:
    folder = traces.parent / "devices"
    if not folder.is_dir():
        pytest.skip(f"measured runs are absent: no folder {folder}")
    runs = [read_steps(folder / f"qwen_{name}.csv", 4) for name in ("stream", "c2000_l4", "c4000_l4")]
    errors = [abs(found.error(found.predicted)) for found in predict_steps(runs)]
    assert max(errors) < 0.1 and sum(errors) / 3 < 0.05
    (over,) = predict_steps(runs, [read_steps(folder / "qwen_c4000_l4_ov.csv", 4)])
    assert over.at_once < over.measured < over.predicted


def noisy(seed: int, noise: float, along: float) -> MeasuredRun:
    """Return a run of 100 ms and 1 ns per byte, whose computing is off by a noise with a memory of ``along``."""
    random = np.random.default_rng(seed)
    loaded = random.integers(1, 400, 144) * MB
    off = np.zeros(144)
    for n in range(1, 144):
        off[n] = along * off[n - 1] + noise * random.standard_normal()
    waited, computed = loaded / 1e9, 0.1 + off
    return MeasuredRun("a", None, waited + computed, waited, computed, loaded, cached=False)


def test_intervals_hold_what_made_the_steps_about_as_often_as_they_say() -> None:
    held = {0.0: 0, 0.8: 0}
    for along in held:
        for seed in range(40):
            low, high = clock_spread([noisy(seed, 0.01, along)], draws=60).interval(lambda clock: clock.compute)
            held[along] += low <= 0.1 <= high
    assert held[0.0] >= 32 and held[0.8] >= 26  # of 40; short runs with a long memory are held less often than 95 %
    few, many = (clock_spread([noisy(1, n, 0.0)], draws=60).interval(lambda c: c.compute) for n in (0.001, 0.01))
    assert many[1] - many[0] > 5 * (few[1] - few[0]) > 0


def test_the_command_prints_intervals_and_what_they_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for n in (1, 2):
        run = noisy(n, 0.01, 0.5)
        paths.append(str(saved(run, tmp_path / f"{n}.csv")))
    assert main(["clock", *paths]) == 0
    shown = capsys.readouterr().out
    assert "(95 %: " in shown and "not how another run differs" in shown and "(seed 0)" in shown
    assert main(["clock", *paths, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (plan,) = answer["plans"]
    assert plan["compute_95"][0] < plan["compute"] < plan["compute_95"][1]
    assert plan["bandwidth_95"][0] <= plan["bandwidth"] <= plan["bandwidth_95"][1]
    assert answer["spread"]["draws"] == 1000 and answer["spread"]["blocks"] == [12, 12]
    assert main(["clock", *paths, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer


def test_draws_of_no_use_are_refused() -> None:
    with pytest.raises(ParameterError, match="draws must be an integer of at least 2; got 1"):
        clock_spread([noisy(1, 0.01, 0.0)], draws=1)


def test_a_table_for_programs_has_numbers_and_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [f"{saved(run, tmp_path / f'{run.name}.csv')}@4" for run in RUNS]
    assert main(["clock", *files, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["runs"]
    assert main(["clock", *files, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    units = {"loaded": "loaded, bytes per step", "measured": "measured, ms", "predicted": "predicted, ms"}
    factors = {"loaded": 1, "measured": 1000, "predicted": 1000, "error": 100, "null_error": 100}
    units |= {"error": "error, %", "null_error": "error of the null model, %"}
    assert [row["run"] for row in rows] == ["none", "small", "large"]
    for row, said in zip(rows, answer, strict=True):
        for key, column in units.items():
            assert float(row[column]) == pytest.approx(factors[key] * said[key], rel=1e-12)
        empty = [column for column in ("if at once, ms", "error if at once, %") if row[column] == ""]
        assert len(empty) == (2 if said["at_once"] is None else 0)
    for name in ("md", "tex"):
        assert main(["clock", *files, "--format", name]) == 0
        assert "measured, ms" in capsys.readouterr().out
