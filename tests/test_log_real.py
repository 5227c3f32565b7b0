"""A real trace written in each layout and as columns, packed and through standard input, gives the same digest."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.cli import main


@pytest.fixture(scope="module")
def real(request: pytest.FixtureRequest) -> lp.Trace:
    traces: Path = request.getfixturevalue("traces")
    return lp.load_trace(traces / "qwen3_30b_a3b_top8_code.npz")


def rows(trace: lp.Trace) -> list[tuple[int, int, int, list[int]]]:
    number = np.searchsorted(trace.sessions, np.arange(trace.rounds), side="right") - 1
    table = trace.experts.tolist()
    return [(int(number[r]), r, j, table[r][j]) for r in range(trace.rounds) for j in range(trace.layers)]


def layers_first(trace: lp.Trace, path: Path) -> dict[str, str]:
    meta = {"n_moe_layers": trace.layers, "num_experts": trace.n_experts[0]}
    offsets = np.append(trace.sessions, trace.rounds)
    with path.open("wb") as stream:
        np.savez(stream, experts=np.swapaxes(trace.experts, 0, 1), offsets=offsets, meta=json.dumps(meta))
    return {}


def folder_of_arrays(trace: lp.Trace, path: Path) -> dict[str, str]:
    path.mkdir()
    for n, part in enumerate(np.split(trace.experts, trace.sessions[1:])):
        np.save(path / f"{n}.npy", part.astype(np.uint8))
    return {"layout": "tlk"}


def json_lines(trace: lp.Trace, path: Path) -> dict[str, str]:
    text = "".join(f'{{"request":{s},"token":{t},"layer":{j},"experts":{event}}}\n' for s, t, j, event in rows(trace))
    path.write_bytes(gzip.compress(text.encode(), 1))
    return {}


def shuffled(trace: lp.Trace, path: Path) -> dict[str, str]:
    all_rows = rows(trace)
    order = np.random.default_rng(0).permutation(len(all_rows))
    lines = (f'{s},{t},{j},"{event}"\n' for s, t, j, event in (all_rows[n] for n in order))
    path.write_text("request,token,layer,experts\n" + "".join(lines))
    return {}


def one_row_an_expert(trace: lp.Trace, path: Path) -> dict[str, str]:
    text = "".join(f"{s}\t{t}\t{j}\t{q}\t{e}\n" for s, t, j, event in rows(trace) for q, e in enumerate(event))
    path.write_text("conversation\tposition\tl\tslot\texpert\n" + text)
    return {}


@pytest.mark.parametrize("write", [layers_first, folder_of_arrays, json_lines, shuffled, one_row_an_expert])
def test_each_way_gives_the_same_digest(
    write: Callable[[lp.Trace, Path], dict[str, str]], real: lp.Trace, tmp_path: Path
) -> None:
    options = write(real, tmp_path / "log")
    found = lp.load_trace(tmp_path / "log", **options)  # type: ignore[arg-type]
    assert found.digest() == real.digest()


def test_standard_input(real: lp.Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    layers_first(real, tmp_path / "t.npz")

    class Given:
        buffer = io.BytesIO(gzip.compress((tmp_path / "t.npz").read_bytes(), 1))

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stdin", Given())
    assert main(["convert", "-", str(tmp_path / "out.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == real.digest()
