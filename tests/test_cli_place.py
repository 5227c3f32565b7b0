"""``layered-paging place``: networks generated or from a file, curves, certificates, mistakes in one line."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import layered_paging as lp
from layered_paging import edge
from layered_paging.cli import main
from layered_paging.profiles.profile import Profile
from layered_paging.samples import SAMPLE

SMALL = [
    "--generate",
    "--users",
    "3",
    "--servers",
    "2",
    "--layers",
    "2",
    "--experts",
    "6",
    "--tokens",
    "8",
    "--seed",
    "1",
]


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["place", *words, "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_generated_saved_and_read_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, proof = str(tmp_path / "net.json"), str(tmp_path / "proof.json.gz")
    first = answer(capsys, *SMALL, "--storage", "2MiB", "--algorithm", "best", "local", "split", "--save", file)
    again = answer(capsys, "--network", file, "--storage", "2MiB", "--algorithm", "best", "ilp", "--certificate", proof)
    assert first["network"] == again["network"]
    assert first["placements"][0]["latency_ns"] == again["placements"][0]["latency_ns"]
    best, ilp = again["placements"]
    assert Fraction(ilp["latency_ns"]) <= Fraction(best["latency_ns"]) and ilp["optimal"]
    assert Fraction(best["bound_ns"]) <= Fraction(ilp["latency_ns"])
    held = best["held"]
    assert set(held) == {"server0", "server1"} and all(len(pairs) <= 2 for pairs in held.values())
    lp.certify.check(lp.Certificate.load(proof))
    assert main(["check", proof]) == 0
    net = edge.load_network(file)
    direct = edge.place(net, "best", storage=2 << 20)
    assert str(direct.latency) == best["latency_ns"]
    local, split = first["placements"][1:]
    assert local["edge"] == 0 and split["algorithm"] == "split" and "held" not in split


def test_a_curve_falls_and_is_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "curve.svg"
    found = answer(
        capsys, *SMALL, "--storage", "0", "1MiB", "3MiB", "--algorithm", "best", "random", "-o", str(picture)
    )
    rows = [r for r in found["placements"] if r["algorithm"] == "best"]
    assert [r["storage"] for r in rows] == [0, 1 << 20, 3 << 20]
    latencies = [Fraction(r["latency_ns"]) for r in rows]
    assert latencies == sorted(latencies, reverse=True) and latencies[0] > latencies[2]
    assert picture.read_text().startswith("<?xml")
    assert main(["place", *SMALL, "--held", "-o", str(tmp_path / "bars.png")]) == 0
    shown = capsys.readouterr().out
    assert "3 users, 2 servers, 2 layers, 12 experts, top 2" in shown and "server1 (layer.expert):" in shown
    assert (tmp_path / "bars.png").stat().st_size > 1000


def test_activations_of_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(
        capsys, "--generate", "--trace", str(SAMPLE), "--by", "session", "--algorithm", "popularity", "--bound", "none"
    )
    trace = lp.load_trace(SAMPLE)
    assert found["network"]["users"] == len(trace.sessions) and found["network"]["experts"] == trace.pages
    assert found["placements"][0]["bound_ns"] is None


def test_activations_of_profiles(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    profile = str(tmp_path / "profile.json")
    Profile.of(lp.load_trace(SAMPLE)).save(profile)
    found = answer(
        capsys, "--generate", "--profile", profile, profile, "--tokens", "4", "--top-k", "3", "--bound", "none"
    )
    assert found["network"]["users"] == 2 and found["network"]["top_k"] == 3
    assert main(["place", "--generate", "--profile", profile, "--layers", "2"]) == 2
    assert "--layers is the profile's" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--generate", "--algorithm", "gredy"], "unknown algorithm 'gredy'; did you mean 'greedy'?"),
        (["--network", "none.json"], "none.json: cannot be read"),
        (["--network", "none.json", "--users", "3"], "--users is for --generate"),
        (["--generate", "--trace", str(SAMPLE), "--layers", "3"], "--layers is the trace's"),
        (["--generate", "--trace", "PLAIN", "--by", "category"], "'items' with a 'category'"),
        (["--generate", "-o", "plot.txt"], "must end in"),
        (["--generate", "--algorithm", "split", "--certificate", "x.json"], "split inference places none"),
        (["--generate", "--top-k", "99"], "--top-k must be at most"),
        (["--generate", "--experts", "40"], "exhaust"),
        ([], "one of the arguments --network --generate is required"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lp.save_trace(lp.workloads.uniform(2, 4, 10), tmp_path / "plain.npz")
    words = [str(tmp_path / "plain.npz") if word == "PLAIN" else word for word in words]
    try:
        code = main(["place", *words, *(["--algorithm", "exhaustive"] if said == "exhaust" else [])])
    except SystemExit as left:
        code = int(left.code or 0)
    error = capsys.readouterr().err
    assert code == 2 and error.count("\n") == 1
    assert said == "exhaust" or said in error, error
