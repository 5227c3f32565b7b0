"""Pairs of layer and expert as a patch of llama.cpp logs them: layer by layer for each pass, without tokens."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError, ParameterError
from .base import Format, Reading
from .common import WIDEST, afford, blocks, guarded, numbers, whole
from .names import normal
from .opening import Start, text
from .passes import Passes

__all__ = ["Pairs"]

Ints = npt.NDArray[np.int64]


def _pairs(path: Path, number: int, data: bytes) -> Ints:
    flat = numbers(data.rstrip(b"\n").replace(b"\n", b","), b"-1") if data.strip() else np.empty(0)
    rows = data.rstrip(b"\n").count(b"\n") + 1 if data.strip() else 0
    if flat is None or len(flat) != 2 * rows or not whole(flat) or (flat < 0).any():
        for at, row in enumerate(data.split(b"\n")[:-1], number):
            fields = row.split(b",")
            if row.strip() and (len(fields) != 2 or not all(f.strip().isdigit() and int(f) <= WIDEST for f in fields)):
                raise FormatError(
                    f"{path} line {at}: must be 'layer,expert'; got {row[:60].decode(errors='replace')!r}"
                )
        flat = np.array([int(f) for row in data.split(b"\n") if row.strip() for f in row.split(b",")], np.float64)
    return flat.astype(np.int64).reshape(-1, 2)


def runs_of(layer: Ints) -> tuple[Ints, Ints]:
    """Return where runs of one layer begin, and how long they are."""
    first = np.flatnonzero(np.diff(layer, prepend=layer[0] - 1))
    return first, np.diff(np.append(first, len(layer)))


def guess_top(expert: Ints, first: Ints, length: Ints) -> int:
    """Return the largest top_k that divides every run such that no token asks for an expert twice."""
    every = math.gcd(*length.tolist())
    for top in (n for n in range(every, 0, -1) if every % n == 0):
        groups = np.sort(expert.reshape(-1, top), axis=1)
        if not (groups[:, 1:] == groups[:, :-1]).any():
            return top
    return 1


@register("format", "pairs")
class Pairs(Format):
    """Pairs of layer and expert (llama.cpp): tokens are not in it, and are guessed on demand only."""

    takes = ("tokens", "top_k", "n_experts")
    rank = 20

    def sniff(self, start: Start) -> bool:
        """Look for two columns, layer and expert, or two plain numbers."""
        names = [normal(name) for name in start.line.split(",")]
        if names == ["layer", "expert"]:
            return True
        rows = start.data.split(b"\n")[:20]
        return len(rows) > 2 and all(
            len(row.split(b",")) == 2 and all(f.strip().isdigit() for f in row.split(b",")) for row in rows[:-1]
        )

    def read(self, path: Path, how: Reading) -> Trace:
        """Read the pairs, if tokens may be guessed."""
        if how.tokens not in (None, "guess"):
            raise ParameterError(f"must be 'guess'; got {how.tokens!r}", parameter="tokens")
        parts, line = [], 1
        with guarded(path), text(path) as stream:
            head = stream.readline(1 << 16)
            if not any(48 <= c <= 57 for c in head):
                head, line = b"", 2
            for number, data in blocks(stream, path, line + bool(head)):
                parts.append(_pairs(path, number, data))
                afford(path, "the rows", 3 * sum(part.nbytes for part in parts))
        table = np.concatenate([_pairs(path, 1, head.rstrip(b"\r\n") + b"\n") if head else np.empty((0, 2), np.int64), *parts])  # fmt: skip
        if not len(table):
            raise FormatError(f"{path}: must hold at least one pair of layer and expert")
        layer, expert = table[:, 0], table[:, 1]
        first, length = runs_of(layer)
        top = how.top_k if how.top_k is not None else guess_top(expert, first, length)
        wrong = np.flatnonzero(length % top)
        if wrong.size:
            raise FormatError(
                f"{path}: {top} experts per token must divide the rows of each pass; layer {layer[first[wrong[0]]]} has "
                f"{length[wrong[0]]} from row {int(first[wrong[0]]) + 1} on"
            )
        passes = Passes(path, how)
        for at, size in zip(first.tolist(), length.tolist(), strict=True):
            passes.add(int(layer[at]), expert[at : at + size].reshape(-1, top))
        tokens = sum(max(passes.count[n] for n in run) for run in _by_pass(passes))
        said = f"{tokens} tokens of top {top} in {passes.number + 1} passes over {len(passes.names.known)} layers"
        if how.tokens != "guess":
            raise FormatError(
                f"{path}: rows say layer and expert, but not where a token begins; a guess gives {said} "
                "(--guess-tokens takes it; --top-k states the experts of a token)"
            )
        why = "as stated" if how.top_k is not None else "the largest at which no token has an expert twice"
        how.assume("tokens", "guess", f"{said}; top {top} is {why}; a pass ends where the layers do not rise")
        return passes.trace({})


def _by_pass(passes: Passes) -> list[list[int]]:
    runs: list[list[int]] = [[] for _ in range(passes.number + 1)]
    for n, number in enumerate(passes.begin):
        runs[number].append(n)
    return runs
