"""A file that stands for a model's weights: experts one after the other, aligned as direct reads need it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.files import replacing
from ..core.trace import Trace
from ..errors import ParameterError

__all__ = ["ALIGNED", "layout", "make", "opened"]

ALIGNED = 4096  # bytes: direct reads begin, end and land on multiples of it
BLOCK = 1 << 24  # bytes written at a time
FREE = 1 << 30  # bytes that stay free on the disk


def layout(trace: Trace, scale: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the offset and the size of each page in the file: the trace's sizes times ``scale``, rounded up to 4,096.

    Raises
    ------
    ParameterError
        The trace has no sizes, or the scale is out of range.
    """
    sizes = trace.page_bytes
    if sizes is None:
        raise ParameterError("the trace has no sizes of experts", ways=[("expert_bytes", None)])
    if not 0 < scale <= 1:
        raise ParameterError(f"must be above 0 and at most 1; got {scale!r}", parameter="scale")
    scaled = np.maximum(ALIGNED, -(-np.ceil(sizes * scale).astype(np.int64) // ALIGNED) * ALIGNED)
    return np.concatenate(([0], np.cumsum(scaled)[:-1])), scaled


def make(path: Path, size: int) -> None:
    """Write random bytes, which no file system can leave out or compress.

    Raises
    ------
    ParameterError
        The disk has less room than the file and one GiB.
    """
    if not path.absolute().parent.is_dir():
        raise ParameterError(f"{path}: no such folder {path.parent}")
    free = shutil.disk_usage(path.absolute().parent).free
    if free < size + FREE:
        raise ParameterError(
            f"{path}: {size:,} bytes would leave less than {FREE:,} free of {free:,}; use a smaller scale"
        )
    draw = np.random.default_rng(0)
    with replacing(path) as file:
        for at in range(0, size, BLOCK):
            file.write(draw.bytes(min(BLOCK, size - at)))


def opened(path: Path, size: int, io: str) -> int:
    """Open the file for ``io`` ("direct", "buffered" or "mmap") and return its descriptor.

    Raises
    ------
    ParameterError
        It is no regular file, too small, has holes, or the file system offers no direct reads.
    """
    if not path.is_file():
        raise ParameterError(f"{path} must be a regular file")
    facts = path.stat()
    if facts.st_size < size:
        raise ParameterError(f"{path} must hold all experts, {size:,} bytes; it has {facts.st_size:,}")
    if facts.st_blocks * 512 < facts.st_size:
        raise ParameterError(
            f"{path} has holes: {facts.st_blocks * 512:,} of {facts.st_size:,} bytes are on the disk, and reading the "
            "others would cost nothing"
        )
    with path.open("rb") as file:
        for at in range(0, size, max(ALIGNED, size // 16)):
            file.seek(at)
            if not any(file.read(ALIGNED)):
                raise ParameterError(
                    f"{path}: byte {at:,} and what follows are zeros: blocks that were never written cost nothing"
                )
    try:
        return os.open(path, os.O_RDONLY | (os.O_DIRECT if io == "direct" else 0))
    except (OSError, AttributeError) as error:
        raise ParameterError(
            f"{path}: the file system or this machine offers no direct reads (O_DIRECT); use --io buffered; {error}"
        ) from None
