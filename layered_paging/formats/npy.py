"""Bare NumPy arrays (``.npy``): ids without anything beside them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .common import afford, brief, guarded
from .layout import Facts, reading, trace_of
from .opening import Start, plain

__all__ = ["array_of"]

MAGIC = b"\x93NUMPY"


def array_of(where: str, stream: IO[bytes], length: int) -> npt.NDArray[Any]:
    """Read an array in NumPy's own format, whose header must fit the ``length`` bytes that there are.

    Raises
    ------
    FormatError
        The header is not valid or claims another size, or the array holds Python objects.
    """
    begin = stream.tell()
    shape, fortran, dtype = _header(where, stream)
    held = length - (stream.tell() - begin)
    if dtype.hasobject:
        raise FormatError(f"{where} holds Python objects (a pickle), which are never read; save plain numbers")
    if dtype.kind not in "iufbUS":
        raise FormatError(f"{where} must hold numbers, or text for 'meta'; got dtype {dtype}")
    count = 1
    for axis in shape:
        count *= axis
    size = count * dtype.itemsize
    if size != held or min(shape, default=0) < 0:
        raise FormatError(f"{where} claims shape {shape} of {dtype}, {size} bytes; the file holds {held}")
    flat = np.empty(count, dtype)
    view = memoryview(flat.view(np.uint8).data) if size else memoryview(b"")
    at = 0
    while at < size:
        got = stream.readinto(view[at : at + (1 << 22)])  # type: ignore[attr-defined]
        if not got:
            raise FormatError(f"{where} ends after {at} of {size} bytes")
        at += got
    array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _header(where: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"version {version} is not a plain array's")
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = reader(stream)
    except Exception as error:  # NumPy parses the header with Python's own tokenizer, which raises many kinds
        raise FormatError(f"{where} has no valid npy header; {brief(error)}") from None
    return shape, fortran, dtype


@register("format", "npy")
class Npy(Format):
    """One bare NumPy array of ids; ``--layout`` says which axis is what."""

    takes = ("layout", "n_experts")
    rank = 10

    def sniff(self, start: Start) -> bool:
        """Look for NumPy's magic number."""
        return start.data.startswith(MAGIC)

    def read(self, path: Path, how: Reading) -> Trace:
        """Read the array; its layout must be given."""
        with guarded(path), plain(path) as whole, whole.open("rb") as stream:
            length = whole.stat().st_size
            afford(path, "the array", 2 * length)
            ids = array_of(f"{path}: the array", stream, length)
        if ids.ndim == 2 and how.layout is None and ids.dtype.kind in "iuf" and 0 not in ids.shape:
            both = " or ".join(f"{reading(ids.shape, o)} (--layout {o})" for o in ("tlk", "ltk"))
            raise FormatError(
                f"{path}: an array of shape {ids.shape} must say which axis is what; it can be {both}, "
                "or counts of layers x experts, which 'layered-paging profile make --counts' reads"
            )
        return trace_of(path, ids, Facts(), how)
