"""Recording without a model: prompts, and files that stay readable."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.recording.prompts import Prompt, read_prompts
from layered_paging.recording.spool import Memory, Sizes, Spool

SIZES = Sizes((4, 3), (10, 20), True, {"model": "none", "items": [{"category": "a"}, {"category": "b"}, {}]})
ROUNDS = [  # session, stage, ids of 2 layers
    (0, 0, [[[0, 1], [2, 0]], [[3, -1], [1, 2]]]),
    (0, 1, [[[1, 0], [0, 1]]]),
    (1, 0, [[[2, 3], [1, 0]]]),
]


def fill(store: Memory | Spool) -> None:
    rng = np.random.default_rng(1)
    for session, stage, ids in ROUNDS:
        store.append(session, np.array(ids, np.int16), rng.random(np.shape(ids)).astype(np.float32), stage)


def test_memory_and_file_hold_the_same_trace(tmp_path: Path) -> None:
    memory, spool = Memory(SIZES), Spool(tmp_path / "t.jsonl", SIZES)
    fill(memory)
    fill(spool)
    trace = memory.trace()
    assert trace.experts[:, 0].tolist() == [[0, 1], [3, -1], [1, 0], [2, 3]]
    assert trace.sessions.tolist() == [0, 3]
    assert trace.stage.tolist() == [0, 0, 1, 0]
    assert trace.page_bytes is not None and trace.page_bytes.tolist() == [10] * 4 + [20] * 3
    assert trace.meta["items"] == [{"category": "a"}, {"category": "b"}]
    assert spool.trace() == trace  # readable before it is closed, to the last bit of the weights
    spool.close()
    for name in ("whole.npz", "whole.jsonl"):
        assert lp.recording.recover(tmp_path / "t.jsonl", tmp_path / name) == 2
        assert lp.load_trace(tmp_path / name) == trace


def test_a_line_cut_anywhere_loses_only_itself(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "t.jsonl", SIZES)
    fill(spool)
    spool.close()
    data = (tmp_path / "t.jsonl").read_bytes()
    last = data.rindex(b"\n", 0, len(data) - 1) + 1
    whole = spool.trace()
    for cut in range(last, len(data)):
        (tmp_path / "cut.jsonl").write_bytes(data[:cut])
        assert lp.recording.recover(tmp_path / "cut.jsonl", tmp_path / "cut.npz") == 1
    assert lp.load_trace(tmp_path / "cut.npz") == whole.select([0])


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"{}\n{}\n", b'{"format": "layered-paging trace"}', b'{"format": "layered-paging trace"}\n[]\n'],
)
def test_what_is_no_recording_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(data)
    with pytest.raises(lp.LayeredPagingError, match=r"x\.jsonl"):
        lp.recording.recover(tmp_path / "x.jsonl", tmp_path / "y.npz")
    assert not (tmp_path / "y.npz").exists()
    with pytest.raises(lp.LayeredPagingError, match="cannot be read"):
        lp.recording.recover(tmp_path / "absent.jsonl", tmp_path / "y.npz")


def test_a_recording_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("precious")
    with pytest.raises(lp.LayeredPagingError, match="there already"):
        Spool(tmp_path / "t.jsonl", SIZES)
    with pytest.raises(lp.LayeredPagingError, match=r"\.jsonl"):
        Spool(tmp_path / "t.npz", SIZES)
    assert (tmp_path / "t.jsonl").read_text() == "precious"
    with pytest.raises(lp.LayeredPagingError, match="nothing was recorded"):
        Memory(SIZES).trace()


def test_prompts(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one\n\n two \r\nthree", newline="")
    assert read_prompts(tmp_path / "p.txt") == [Prompt("one"), Prompt(" two "), Prompt("three")]
    lines = [{"prompt": "a\nb", "category": "code"}, {"prompt": "c", "id": "7"}]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [prompt.item for prompt in read_prompts(tmp_path / "p.jsonl")] == [{"category": "code"}, {"id": "7"}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"[]", "must be an object"),
        (b'{"category": "x"}', "must have a 'prompt'"),
        (b'{"prompt": ""}', "must have a 'prompt'"),
        (b'{"prompt": 3}', "must be a string"),
        (b'{"prompt": "a", "kind": "b"}', "unknown entry 'kind'"),
        (b'{"prompt": "a"', "line 2"),
        (b"\xff\xfe", "line 2|UTF-8"),
    ],
)
def test_a_broken_line_of_prompts_is_named(line: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(b'{"prompt": "fine"}\n' + line + b"\n")
    with pytest.raises(lp.LayeredPagingError, match=said) as error:
        read_prompts(tmp_path / "p.jsonl")
    assert "p.jsonl" in str(error.value) and "\n" not in str(error.value)


def test_a_file_without_prompts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("\n\n")
    with pytest.raises(lp.LayeredPagingError, match="holds no prompt"):
        read_prompts(tmp_path / "p.txt")
    with pytest.raises(lp.LayeredPagingError, match="no such file"):
        read_prompts(tmp_path / "absent.txt")


# experts without parameters


class Tensor:
    """What is asked of a tensor."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def dim(self) -> int:
        return len(self.shape)

    def numel(self) -> int:
        return int(np.prod(self.shape))

    def element_size(self) -> int:
        return 4


class Module:
    def __init__(self, *tensors: Tensor, **named: int) -> None:
        self._tensors = tensors
        self.__dict__.update(named)

    def parameters(self) -> list[Tensor]:
        return list(self._tensors)

    def buffers(self) -> list[Tensor]:
        return []


@pytest.mark.parametrize(
    ("module", "found"),
    [
        (Module(Tensor(12, 32, 32), Tensor(8, 16, 32)), (8, 4096 + 2048, 4)),  # gate and up of 12, down of 8
        (Module(Tensor(8, 32, 32), Tensor(8, 16, 32)), (8, 4096 + 2048, 0)),
        (Module(Tensor(8, 32, 32), Tensor(8, 32), num_experts=8), (8, 4096 + 128, 0)),
        (Module(Tensor(12, 32, 32), Tensor(8, 16, 32), num_experts=12), (8, 4096 + 2048, 4)),
        (Module(Tensor(5, 5)), (0, None, 0)),
    ],
)
def test_stacked_experts_without_parameters_are_not_counted(module: Module, found: tuple[int, int | None, int]) -> None:
    from layered_paging.recording.sites import _stacked

    assert _stacked(module) == found


def test_listed_experts_without_parameters_stand_at_the_end() -> None:
    from layered_paging.recording.sites import _idle

    assert _idle("x", [8, 8, 0, 0, 0]) == 3 and _idle("x", [8]) == 0
    for sizes in ([8, 0, 8], [0, 0]):
        with pytest.raises(lp.LayeredPagingError, match="must stand behind the others"):
            _idle("x", sizes)


def test_a_model_that_fails_is_one_line() -> None:
    from layered_paging.recording.driving import failing

    with (
        pytest.raises(lp.LayeredPagingError, match=r"^Tiny: the model failed at prompt 3; RuntimeError: a b$"),
        failing("Tiny", 2),
    ):
        raise RuntimeError("a\n  b")
    with pytest.raises(KeyboardInterrupt), failing("Tiny", 2):
        raise KeyboardInterrupt
    with pytest.raises(lp.LayeredPagingError, match=r"^ours$"), failing("Tiny", 2):
        raise lp.LayeredPagingError("ours")
