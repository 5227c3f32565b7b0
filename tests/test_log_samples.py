"""A sample of each format: the same trace, or read with assumptions that are stated, or refused with the reason."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.cli import main
from layered_paging.errors import FormatError, LayeredPagingError
from layered_paging.formats import formats
from layered_paging.formats.counts import read_counts
from layered_paging.formats.examine import examine

LOGS = Path(__file__).parent / "data" / "logs"
# ids by token and layer, in router order
RUN = [[[4, 3], [4, 3]], [[1, 4], [1, 5]], [[0, 4], [4, 0]], [[0, 2], [2, 1]], [[3, 1], [2, 5]], [[2, 3], [4, 5]], [[5, 3], [2, 4]]]  # fmt: skip
WHOLE, PROMPT, DECODED = RUN, RUN[:3], RUN[3:]
STAGES = [0, 0, 0, 1, 1, 1, 1]
SORTED = [[sorted(event) for event in token] for token in DECODED]
# file -> the ids that it must give, whether it states prefill, and what must have been assumed
READ: dict[str, tuple[list[Any], bool, set[str]]] = {
    "colibri_route.trace": (WHOLE, True, {"n_experts", "stage", "tokens"}),
    "lattice_trace.jsonl": (WHOLE, False, {"columns", "stage", "n_experts"}),
    "llama_moe_trace_routing_lab.bin": (WHOLE, True, {"n_experts", "stage", "tokens"}),
    "llamacpp_moe_trace_phase_token.csv": (WHOLE, True, {"columns", "n_experts"}),
    "megatron_router_trace_rank0.jsonl": (WHOLE, True, {"layers", "n_experts", "stage", "tokens"}),
    "moe_beyond_prompt_data.csv": (PROMPT, False, {"columns", "layers", "tokens", "stage", "n_experts"}),
    "moe_cache_lab_v1.jsonl": (WHOLE, True, {"columns", "weights"}),
    "moe_l2_expert.log": (DECODED, False, {"stage", "n_experts"}),
    "moe_policylang.jsonl": (WHOLE, True, {"columns"}),
    "routing_lab_layer_major.npz": (WHOLE, False, set()),
    "vllm_latest_b64npy.json": (WHOLE[:6], True, {"n_experts"}),
    "vllm_v021_completion.json": (WHOLE, True, {"n_experts"}),
    "warp_trace.jsonl": (SORTED, False, {"stage", "n_experts", "order"}),
}
# file -> why it must be refused, and the options with which it is read after all
REFUSED: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "llamacpp_moe_trace_28544.csv": ("a guess gives 7 tokens of top 2 in 5 passes", {"tokens": "guess"}, WHOLE),
    "vllm_routed_experts.npy": ("4 tokens x 2 layers, top 2 (--layout tlk) or 2 tokens x 4 layers", {"layout": "tlk"}, DECODED),
    "sglang_meta_info.json": ("2 layers x top 2 or 4 layers x top 1", {"top_k": 2}, WHOLE[:6]),
    "hf_router_logits.npz": ("give --top-k", {}, []),
    "eplb_load_layers_x_experts.npy": ("profile make --counts", {}, []),
    "flame_moe_layer_02.parquet": ("name their folder", {}, []),
    "regolith_q4rt.bin": ("not a known trace format", {}, []),
    "README.md": ("", {}, []),
}  # fmt: skip
COUNTS = ("colibri.coli_usage", "sglang_expert_distribution_rank0.csv")
OTHER = ("01_layer_major.npz", "01_right_order.npz")


def test_every_sample_has_its_outcome() -> None:
    """The table that ``layered-paging formats FILE ...`` prints: no file is read wrongly."""
    files = sorted(LOGS.iterdir())
    assert {file.name for file in files} == {*READ, *REFUSED, *COUNTS, *OTHER}
    for file, found in zip(files, examine(files), strict=True):
        if file.name in READ:
            assumed = READ[file.name][2]
            assert found.outcome == ("assumed" if assumed else "read"), found
            assert {note["about"] for note in found.assumed} == assumed
        elif file.name in REFUSED:
            assert found.outcome == "refused" and REFUSED[file.name][0] in found.reason and "\n" not in found.reason
        else:
            assert found.outcome == ("counts" if file.name in COUNTS else "read"), found


@pytest.mark.parametrize("name", READ)
def test_samples_give_the_run(name: str) -> None:
    ids, staged, _ = READ[name]
    trace = lp.load_trace(LOGS / name)
    assert trace.experts.tolist() == ids and trace.n_experts == (6, 6)
    assert trace.stage.tolist() == (STAGES[: len(ids)] if staged else [1] * len(ids))


@pytest.mark.parametrize("name", [name for name, (_, options, _) in REFUSED.items() if options])
def test_what_is_refused_is_read_when_told_how(name: str) -> None:
    _, options, ids = REFUSED[name]
    trace = lp.load_trace(LOGS / name, **options)
    assert trace.experts.tolist() == ids


def test_layers_first_are_the_same_trace() -> None:
    one, other = (lp.load_trace(LOGS / name) for name in OTHER)
    assert one.digest() == other.digest() and (one.rounds, one.layers) == (300, 6)


@pytest.mark.parametrize("name", [*READ, "llamacpp_moe_trace_28544.csv", "vllm_routed_experts.npy"])
@pytest.mark.parametrize("way", ["gz", "bz2", "xz", "zst"])
def test_packed_samples(name: str, way: str, tmp_path: Path) -> None:
    data = (LOGS / name).read_bytes()
    path = tmp_path / "log"  # by content, not by name
    if way == "zst":
        zstd = (
            pytest.importorskip("backports.zstd") if sys.version_info < (3, 14) else __import__("compression.zstd").zstd
        )
        path.write_bytes(zstd.compress(data))
    else:
        path.write_bytes({"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[way](data))
    options = REFUSED[name][1] if name in REFUSED else {}
    assert lp.load_trace(path, **options).digest() == lp.load_trace(LOGS / name, **options).digest()
    half = path.read_bytes()[: len(path.read_bytes()) // 2]
    path.write_bytes(half)
    with pytest.raises(LayeredPagingError) as caught:
        lp.load_trace(path, **options)
    assert "\n" not in str(caught.value)


def test_zstd_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    monkeypatch.setitem(sys.modules, "backports", None)
    (tmp_path / "t").write_bytes(b"\x28\xb5\x2f\xfd....")
    with pytest.raises(
        FormatError, match=r"pip install backports.zstd \(in a checkout of this project: pip install '\.\[zstd\]'\)"
    ):
        lp.load_trace(tmp_path / "t")


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Given:
        buffer = io.BytesIO(gzip.compress((LOGS / "lattice_trace.jsonl").read_bytes()))

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stdin", Given())
    assert main(["replay", "-", "--slots", "5", "--json"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out)["requests"] == 28
    assert (
        out.err.startswith("layered-paging replay: read with assumptions: columns: token=token_idx")
        and out.err.count("\n") == 1
    )
    Given.buffer = io.BytesIO(b"layer,expert\n0,1\n")
    assert main(["replay", "-", "--slots", "5"]) == 2
    assert capsys.readouterr().err.startswith("layered-paging replay: standard input: rows say layer and expert")


@pytest.mark.parametrize("command", ["replay", "diagnose", "curve", "optimum"])
def test_commands_take_the_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(LOGS / "vllm_routed_experts.npy")
    slots = [] if command == "curve" else ["--slots", "5"]
    slots += ["--admission", "forced"] if command == "optimum" else []
    assert main([command, path, *slots]) == 2
    assert "--layout tlk" in capsys.readouterr().err
    assert main([command, path, *slots, "--layout", "tlk", "--n-experts", "6"]) == 0
    assert "assumptions" not in capsys.readouterr().err
    assert main([command, path, *slots, "--columns", "token=t"]) == 2
    assert "--columns does not apply" in capsys.readouterr().err


def test_folders_and_several_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in (2, 10):
        shutil.copy(LOGS / "lattice_trace.jsonl", tmp_path / f"run{n}.jsonl")
    both = lp.load_trace(tmp_path)
    assert both.sessions.tolist() == [0, 7] and both.experts[7:].tolist() == WHOLE
    assert both.meta["files"] == ["run2.jsonl", "run10.jsonl"]
    files = [str(tmp_path / "run2.jsonl"), str(tmp_path / "run10.jsonl")]
    assert lp.load_trace(files).digest() == both.digest()
    out = str(tmp_path / "both.npz")
    assert main(["convert", files[0], out, "--also", files[1]]) == 0
    assert "sessions: 2 files" in capsys.readouterr().err
    assert lp.load_trace(out).digest() == both.digest()
    (tmp_path / "run3.jsonl").write_text('{"token": 0, "layer": 7, "experts": [1]}\n')
    (tmp_path / "both.npz").unlink()
    with pytest.raises(FormatError, match="must have the 2 layers of run2"):
        lp.load_trace(tmp_path)


def test_a_folder_of_one_file_a_layer(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for n in (3, 12):
        shutil.copy(LOGS / "flame_moe_layer_02.parquet", tmp_path / f"layer_{n}.parquet")
    trace = lp.load_trace(tmp_path)
    assert trace.experts.tolist() == [[[3, 1]] * 2, [[0, 5]] * 2, [[2, 4]] * 2]
    assert trace.meta["layer_names"] == [3, 12] and trace.weights is not None
    assert trace.weights[0, 0].tolist() == pytest.approx([0.5, 0.3])


def test_counts_are_profiles(tmp_path: Path) -> None:
    made = []
    for name, more in ((COUNTS[0], []), (COUNTS[1], []), ("eplb_load_layers_x_experts.npy", ["--counts"])):
        out = tmp_path / f"{name}.json"
        assert main(["profile", "make", str(LOGS / name), "-o", str(out), *more]) == 0
        made.append(json.loads(out.read_text()))
        assert made[-1]["counts"] == made[0]["counts"]
    trace = lp.load_trace(LOGS / "llamacpp_moe_trace_phase_token.csv")
    assert made[0]["counts"] == [np.bincount(trace.experts[:, j].ravel(), minlength=6).tolist() for j in range(2)]
    again = tmp_path / "again.coli_usage"
    profile = str(tmp_path / f"{COUNTS[0]}.json")
    assert main(["profile", "export", profile, "--coli", "-o", str(again)]) == 0
    rows = (LOGS / COUNTS[0]).read_text().splitlines()
    assert again.read_text().splitlines() == [rows[0], *rows[2:]]
    assert main(["profile", "export", profile, "--mask", "2", "-o", str(tmp_path / "m.npy")]) == 0
    mask = np.load(tmp_path / "m.npy")
    assert mask.sum(axis=1).tolist() == [2, 2] and mask[0, 3] and mask[0, 4]
    assert main(["profile", "export", profile, "--counts", "-o", str(tmp_path / "c.npy")]) == 0
    assert np.load(tmp_path / "c.npy").tolist() == made[0]["counts"]
    with pytest.raises(FormatError, match="'layered-paging profile make' reads them"):
        lp.load_trace(LOGS / COUNTS[0])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("-1 2 6\n0 0 -1\n", "must be a layer, an expert and a count"),
        ("-1 2 6\n0 9 1\n", "layers and experts must be below 2 and 6"),
        ("-1 2 6\n0 1 1\n0 1 1\n", "one stands twice"),
        ("-1 0 6\n0 1 1\n", "at least one layer"),
        ("-1 2 6\n", "at least one count"),
        ("-1 999999999 999999999\n0 0 1\n", "would take"),
        ("layer,expert,count\n0,1,x\n", "must be a layer, an expert and a count"),
        ("layer,expert,count\n0,1,0\n", "must sum to more than 0"),
    ],
)
def test_bad_counts(content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c"
    path.write_text(content)
    assert main(["profile", "make", str(path), "-o", str(tmp_path / "p.json")]) == 2
    assert said in capsys.readouterr().err


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats", *map(str, sorted(LOGS.iterdir())), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["files"]
    assert len(rows) == len(READ) + len(REFUSED) + len(COUNTS) + len(OTHER)
    assert main(["formats"]) == 0
    assert "colibri" in capsys.readouterr().out


PIECES = [b"", b"\0", b"\n", b",", b" ", b"-", b"9", b"9" * 30, b"[", b"]", b'"', b"\xff", b"e9", b"nan", b"null", b"{", b"}", b":", b"true", b"\r"]  # fmt: skip
WAYS: list[dict[str, Any]] = [{}, {"layout": "ltk"}, {"tokens": "guess"}, {"top_k": 2}]


@pytest.mark.parametrize("name", [*READ, *REFUSED, *COUNTS, *OTHER])
def test_damage_never_escapes(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever happens to a log, it is read or refused by one line that names it."""
    folder = tmp_path_factory.mktemp("damage")
    whole = (LOGS / name).read_bytes()
    places = st.integers(0, len(whole) - 1)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(places, st.integers(0, 6), st.sampled_from(PIECES)), min_size=1, max_size=3), st.sampled_from(WAYS))  # fmt: skip
    def check(changes: list[tuple[int, int, bytes]], options: dict[str, Any]) -> None:
        data = whole
        for at, length, piece in changes:
            data = data[:at] + piece + data[at + length :]
        path = folder / "log"
        path.write_bytes(data)
        calls = [lambda: lp.load_trace(path, **options), lambda: list(lp.open_trace(path).parts()), lambda: read_counts(path)]  # fmt: skip
        for call in calls:
            try:
                call()
            except LayeredPagingError as error:
                assert "\n" not in str(error) and len(str(error)) < 1000

    check()


def test_what_can_be_written_goes_there_and_back(tmp_path: Path) -> None:
    """Each trace that a sample gives survives each format that can be written, or is refused by it."""
    for name in READ:
        trace = lp.load_trace(LOGS / name)
        for known in formats():
            if known.writes:
                path = tmp_path / f"t{known.suffixes[0]}"
                try:
                    lp.save_trace(trace, path)
                except FormatError as error:
                    assert "cannot express this trace" in str(error)
                    continue
                assert lp.load_trace(path) == trace, (name, known.name)
