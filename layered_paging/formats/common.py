"""What the readers and writers share: opening, limits, text in bulk, messages."""

from __future__ import annotations

import contextlib
import gzip
import json
import lzma
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..core import strict_json
from ..core.parts import Part
from ..core.trace import DECODE, PREFILL, Trace
from ..errors import FormatError, LayeredPagingError, TraceError

__all__ = [
    "BLOCK",
    "META",
    "WIDEST",
    "afford",
    "available",
    "blocks",
    "brief",
    "build",
    "check_part",
    "checked_head",
    "guarded",
    "id_dtype",
    "meta_refused",
    "numbers",
    "parse_json",
    "repeated",
    "whole",
]

BLOCK = 1 << 24  # bytes of text read together; no line may be longer
META = 1 << 23  # characters of meta as JSON
WIDEST = 2**31 - 1  # experts of a layer: ids are int32 at most
# what zipfile and gzip raise on damaged files, beside their own errors
DAMAGE = (EOFError, zlib.error, lzma.LZMAError, struct.error, NotImplementedError)
_FLOOR, _RATIO = 256 << 20, 4096


def brief(error: object) -> str:
    """Return what a library says, on one line of at most 160 characters."""
    return " ".join(str(error).split())[:160]


@contextlib.contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn what reading a broken file can raise into a ``FormatError`` that names the file."""
    try:
        yield
    except LayeredPagingError:
        raise
    except MemoryError:
        raise FormatError(f"{path}: needs more memory than there is") from None
    except RecursionError:
        raise FormatError(f"{path}: nested too deeply") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: must be UTF-8 text; {error.reason} at byte {error.start}") from None
    except (*DAMAGE, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise FormatError(f"{path}: is cut short or damaged; {brief(error)}") from None
    except OSError as error:
        raise FormatError(f"{path}: cannot be read; {brief(error.strerror or error)}") from None


def available() -> int:
    """Return the bytes of memory that can be had now, as far as the system tells."""
    free = 1 << 62
    with contextlib.suppress(OSError, ValueError, AttributeError):
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    with contextlib.suppress(OSError, ValueError):  # in a container
        group = Path("/sys/fs/cgroup")
        limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        free = min(free, max(0, int(limit) - int(used)))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            free = min(free, soft)
    return free


def afford(path: Path, what: str, size: int) -> None:
    """Refuse to allocate ``size`` bytes that the file's own size or the memory does not warrant.

    Raises
    ------
    FormatError
        ``size`` exceeds 256 MiB and 4096 times the file, or half of the available memory.
    """
    if size <= 1 << 20:
        return
    length = path.stat().st_size
    most = max(_FLOOR, _RATIO * length)
    if size > most:
        raise FormatError(
            f"{path}: {what} would take {size} bytes, more than a file of {length} bytes may ask for ({most})"
        )
    free = available()
    if size > free // 2:
        raise FormatError(f"{path}: {what} would take {size} bytes, more than half of the {free} bytes available")


def meta_refused(trace: Trace) -> str | None:
    """Say why meta is too long to be written, or return None."""
    length = len(json.dumps(trace.meta))
    return None if length <= META else f"meta must be at most {META} characters of JSON; it has {length}"


def id_dtype(widest: int) -> type[np.int16] | type[np.int32]:
    """Return the integer type in which a trace holds ids below ``widest``."""
    return np.int16 if widest <= np.iinfo(np.int16).max else np.int32


def build(path: Path, *arguments: Any, **named: Any) -> Trace:
    """Make a trace; what it complains about is told with the file's name."""
    try:
        return Trace(*arguments, **named)
    except LayeredPagingError as error:
        raise TraceError(f"{path}: {error}") from None
    except RecursionError:
        raise FormatError(f"{path}: meta is nested too deeply") from None


def checked_head(
    path: Path, layers: int, n_experts: Any, expert_bytes: Any
) -> tuple[tuple[int, ...], npt.NDArray[np.int64] | None]:
    """Return n_experts, one per layer, and expert_bytes as a trace has them; what is wrong is told with the file's name."""
    afford(path, f"{layers} layers", 64 * layers)
    blank = np.zeros((1, layers, 1), np.int16)
    made = build(path, blank, n_experts, expert_bytes=expert_bytes)
    return made.n_experts, made.expert_bytes


def check_part(path: Path, part: Part, limits: npt.NDArray[np.int64], row: int) -> None:
    """Refuse ids out of their layer's range, an expert twice in an event, or a stage that is none.

    ``limits`` is the number of experts, shape (layers, 1); ``row`` the number of the first round.
    """
    wrong = (part.experts >= limits) | (part.experts < -1)
    if wrong.any():
        r, j, q = (int(x) for x in np.argwhere(wrong)[0])
        raise FormatError(
            f"{path}: 'experts' of layer {j} must be in -1..{limits[j, 0] - 1}; got {part.experts[r, j, q]} in row {row + r}"
        )
    twice = repeated(part.experts)
    if twice is not None:
        event = [e for e in part.experts[twice].tolist() if e >= 0]
        raise FormatError(f"{path}: 'experts' must be distinct; got {event} in row {row + twice[0]}")
    wrong = (part.stage != PREFILL) & (part.stage != DECODE)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise FormatError(f"{path}: stage[{row + at}] must be 0 (prefill) or 1 (decode); got {part.stage[at]}")


def parse_json(where: str, line: bytes | str) -> Any:
    """Parse strict JSON: no NaN, no name twice in an object, not too deep; ``where`` starts the message."""
    try:
        return strict_json.parse(line)
    except UnicodeDecodeError as error:
        raise FormatError(f"{where}: must be UTF-8 text; {error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise FormatError(f"{where}: not JSON; {error.msg.removesuffix(' at')} at column {error.colno}") from None
    except ValueError as error:
        raise FormatError(f"{where}: not usable JSON; {str(error).partition(';')[0]}") from None


def blocks(stream: IO[bytes], path: Path, line: int = 1, ended: bool = False) -> Iterator[tuple[int, bytes]]:
    """Yield (number of the first line, whole lines) a few megabytes at a time; line ends become LF.

    The last line is given an end if it has none, or refused where it must be ``ended``.
    """
    rest = b""
    while True:
        new = stream.read(BLOCK)
        data = rest + new
        if not data:
            return
        cut = data.rfind(b"\n") + 1 if new else len(data)
        if not cut and len(data) > BLOCK:
            raise FormatError(f"{path} line {line}: longer than {BLOCK} bytes")
        whole, rest = data[:cut], data[cut:]
        if whole:
            if not whole.endswith(b"\n"):
                if ended:
                    at = line + whole.count(b"\n")
                    raise FormatError(f"{path} line {at}: must end with a line end; the file is cut short")
                whole += b"\n"
            yield line, whole.replace(b"\r\n", b"\n") if b"\r" in whole else whole
            line += int(np.count_nonzero(np.frombuffer(whole, np.uint8) == 10))


def numbers(data: bytes, empty: bytes) -> npt.NDArray[np.float64] | None:
    """Read plain finite numbers between commas, empty fields as ``empty``; None if there is anything else."""
    lower = data.lower()
    if b"nan" in lower or b"inf" in lower:
        return None
    while b",," in data:
        data = data.replace(b",,", b"," + empty + b",")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(data, sep=",")  # the text mode; many times faster than a loop
        except (ValueError, DeprecationWarning):
            return None


def whole(values: npt.NDArray[np.float64]) -> bool:
    """Say whether all values are integers that int32 holds."""
    return bool((np.abs(values) <= WIDEST).all() and (values == np.floor(values)).all())


def repeated(ids: npt.NDArray[np.signedinteger[Any]]) -> tuple[int, int] | None:
    """Return (round, layer) of the first event that names an expert twice, or None."""
    if ids.shape[2] < 2:
        return None
    if ids.shape[2] <= 8 and not any(
        ((ids[:, :, b] == ids[:, :, a]) & (ids[:, :, a] >= 0)).any() for b in range(1, ids.shape[2]) for a in range(b)
    ):
        return None
    ordered = np.sort(ids, axis=2)
    twice = ((ordered[:, :, 1:] == ordered[:, :, :-1]) & (ordered[:, :, 1:] >= 0)).any(axis=2)
    if not twice.any():
        return None
    r, j = np.argwhere(twice)[0]
    return int(r), int(j)
