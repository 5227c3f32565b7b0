"""Counts of expert use, which are profiles and no traces: of colibri, SGLang, EPLB and plain tables; in and out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..core.files import replacing
from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError, ParameterError
from .base import Format, Reading
from .common import WIDEST, afford, blocks, guarded
from .names import normal
from .npy import MAGIC, array_of
from .opening import Start, plain, text

if TYPE_CHECKING:
    from ..profiles.profile import Profile

__all__ = ["WAYS", "is_counts", "read_counts", "write_counts"]

Counts = npt.NDArray[np.float64]
_USAGE = re.compile(r"-1 (\d{1,9}) (\d{1,9})")
_COLUMNS = {
    "layer": ("layer", "layer_id", "layer_idx", "l"),
    "expert": ("expert", "expert_id", "expert_idx", "e"),
    "count": ("count", "counts", "n", "uses", "activations", "freq", "frequency", "hits"),
}
WAYS = ("coli", "counts", "mask")


def _columns_of(line: str) -> list[int] | None:
    """Return where a table has layer, expert and count, or None."""
    names = [normal(name) for name in line.split(",")]
    found = [next((names.index(name) for name in known if name in names), -1) for known in _COLUMNS.values()]
    return found if min(found) >= 0 and len(names) == 3 else None


@register("format", "counts")
class CountsFile(Format):
    """Counts of expert use (.coli_usage, layer,expert,count): a profile and no trace; 'profile make' reads them."""

    rank = 15

    def sniff(self, start: Start) -> bool:
        """Look for colibri's first line, or for columns of layer, expert and count."""
        return _USAGE.fullmatch(start.line) is not None or _columns_of(start.line) is not None

    def read(self, path: Path, how: Reading) -> Trace:
        """Refuse the file: counts have no order."""
        raise FormatError(
            f"{path}: holds counts of expert use, which have no order and are no trace; "
            "'layered-paging profile make' reads them as a profile"
        )


def is_counts(path: str | os.PathLike[str]) -> bool:
    """Say whether a file holds counts for certain: colibri's, or a table of layer, expert and count."""
    file = Path(path)
    if file.is_dir():
        return False
    with guarded(file):
        return CountsFile().sniff(Start(file))


def read_counts(path: str | os.PathLike[str], experts: int | None = None, top_k: int | None = None) -> Profile:
    """Read counts of expert use as a profile.

    Parameters
    ----------
    path : path
        ``.coli_usage`` of colibri, or a table of layer, expert and count (SGLang).  An array (``.npy``) has the axes layers x
        experts (EPLB), or steps x layers x experts, which is summed.
    experts : int, optional
        Experts of a layer, where the file does not state them; default: the largest id + 1.

    top_k : int, optional
        Experts of an event, by which the sum of a layer's counts is divided to give its events; default: 1.

    Returns
    -------
    Profile

    Raises
    ------
    FormatError
        Not counts, negative, not whole, or an expert that stands twice.
    """
    file = Path(path)
    with guarded(file):
        start = Start(file)
        if start.data.startswith(MAGIC):
            counts = _array(file)
        elif _USAGE.fullmatch(start.line):
            counts = _usage(file)
        else:
            where = _columns_of(start.line)
            if where is None:
                raise FormatError(
                    f"{file}: must hold counts: colibri's '-1 layers experts', a table of layer,expert,count, "
                    "or an .npy of layers x experts"
                )
            counts = _table(file, where, experts)
    if experts is not None and counts.shape[1] != experts:
        raise FormatError(f"{file}: must hold {experts} experts per layer, as stated; it has {counts.shape[1]}")
    events = np.maximum(counts.sum(axis=1) / (top_k or 1), counts.max(axis=1))
    source = {"trace": None, "sessions": None, "rounds": None, "name": file.name}
    from ..profiles.profile import Profile

    return Profile(tuple(row.copy() for row in counts), events, None, sources=(source,))


def _checked(path: Path, counts: npt.NDArray[Any]) -> Counts:
    from ..profiles.profile import MOST

    if not np.isfinite(counts).all() or (counts < 0).any() or (counts != np.floor(counts)).any():
        raise FormatError(f"{path}: counts must be whole numbers of at least 0")
    if not counts.any() or counts.sum(dtype=np.float64) >= MOST:
        raise FormatError(
            f"{path}: counts must sum to more than 0 and less than 2^53; got {counts.sum(dtype=np.float64)}"
        )
    return counts.astype(np.float64)


def _array(path: Path) -> Counts:
    with plain(path) as whole, whole.open("rb") as stream:
        length = whole.stat().st_size
        afford(path, "the array", 3 * length)
        counts = array_of(f"{path}: the array", stream, length)
    if counts.ndim not in (2, 3) or 0 in counts.shape or counts.dtype.kind not in "iuf":
        raise FormatError(
            f"{path}: counts must have shape (layers, experts) or (steps, layers, experts); got {counts.shape}"
        )
    return _checked(path, counts if counts.ndim == 2 else counts.sum(axis=0))


def _triples(path: Path, skip: int, mark: str | None, order: list[int]) -> npt.NDArray[np.int64]:
    """Return layer, expert and count of each row below the first ``skip`` lines."""
    made: list[list[int]] = []
    with text(path) as stream:
        for _ in range(skip):
            stream.readline(1 << 16)
        for number, data in blocks(stream, path, skip + 1):
            for at, row in enumerate(data.decode().split("\n")[:-1], number):
                fields = row.split(mark)
                if not row.strip():
                    continue
                if len(fields) != 3 or not all(re.fullmatch(r"\s*\d{1,15}\s*", f, re.ASCII) for f in fields):
                    raise FormatError(f"{path} line {at}: must be a layer, an expert and a count; got {row[:60]!r}")
                made.append([int(fields[n]) for n in order])
            afford(path, "the rows", 200 * len(made))
    if not made:
        raise FormatError(f"{path}: must hold at least one count")
    return np.array(made, np.int64)


def _filled(path: Path, rows: npt.NDArray[np.int64], layers: int, experts: int) -> Counts:
    if int(rows[:, 0].max()) >= layers or int(rows[:, 1].max()) >= experts:
        got = f"layer {int(rows[:, 0].max())} and expert {int(rows[:, 1].max())}"
        raise FormatError(f"{path}: layers and experts must be below {layers} and {experts}; got {got}")
    afford(path, f"counts of {layers} layers x {experts} experts", 16 * layers * experts)
    place = rows[:, 0] * experts + rows[:, 1]
    if len(np.unique(place)) < len(place):
        raise FormatError(f"{path}: each expert of a layer must stand once; one stands twice")
    counts = np.zeros(layers * experts)
    counts[place] = rows[:, 2]
    return _checked(path, counts.reshape(layers, experts))


def _usage(path: Path) -> Counts:
    with text(path) as stream:
        head = [stream.readline(1 << 12).decode().split() for _ in range(2)]
    layers, experts = int(head[0][1]), int(head[0][2])
    if not 1 <= layers <= WIDEST or not 1 <= experts <= WIDEST:
        raise FormatError(f"{path} line 1: must state at least one layer and one expert; got {layers} and {experts}")
    second = len(head[1]) == 3 and head[1][0] == "-2"
    return _filled(path, _triples(path, 1 + second, None, [0, 1, 2]), layers, experts)


def _table(path: Path, where: list[int], experts: int | None) -> Counts:
    rows = _triples(path, 1, ",", where)
    layers = np.unique(rows[:, 0])
    rows[:, 0] = np.searchsorted(layers, rows[:, 0])
    return _filled(path, rows, len(layers), experts or int(rows[:, 1].max()) + 1)


def write_counts(profile: Profile, path: str | os.PathLike[str], way: str, slots: int | None = None) -> None:
    """Write a profile for an engine that pins experts.

    Parameters
    ----------
    profile : Profile
    path : path
        A file that is there is replaced.
    way : {"coli", "counts", "mask"}
        colibri's ``.coli_usage``, an ``.npy`` of counts, float64 (layers, experts), or an ``.npy`` of booleans.  They are
        true for the ``slots`` hottest experts of each layer (ties to the lower id).
    slots : int, optional
        For ``mask``: experts of a layer, at least 1.

    Raises
    ------
    ParameterError
        Layers of different widths, fading counts for ``coli``, or slots out of range.
    """
    if len(set(profile.n_experts)) != 1:
        raise ParameterError(
            f"must have equally many experts to be exported; got {sorted(set(profile.n_experts))}", parameter="layers"
        )
    if (slots is not None) != (way == "mask"):
        raise ParameterError("must be given for a mask, and for nothing else", parameter="slots")
    experts = profile.n_experts[0]
    counts = np.stack(profile.counts)
    if way == "mask":
        assert slots is not None
        if not 1 <= slots <= experts:
            raise ParameterError(f"must be in 1..{experts}, the experts of a layer; got {slots}", parameter="slots")
        mask = np.zeros(counts.shape, bool)
        for layer in range(len(counts)):
            mask[layer, profile.hottest(layer, slots)] = True
        _save(path, lambda stream: np.lib.format.write_array(stream, mask, allow_pickle=False))
    elif way == "counts":
        _save(path, lambda stream: np.lib.format.write_array(stream, counts, allow_pickle=False))
    else:
        if (counts != np.floor(counts)).any():
            raise ParameterError("must hold whole counts to be written as .coli_usage; these fade", parameter="profile")
        rows = [f"-1 {len(counts)} {experts}\n"]
        rows += [f"{j} {e} {int(counts[j, e])}\n" for j, e in np.argwhere(counts > 0).tolist()]
        _save(path, lambda stream: stream.write("".join(rows).encode()))


def _save(path: str | os.PathLike[str], write: Callable[[Any], Any]) -> None:
    with replacing(Path(path)) as stream:
        write(stream)
