"""Opening files as they come: packed or not, from standard input, cut off or not."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from ..core.words import install
from ..errors import FormatError, LayeredPagingError
from .common import BLOCK, afford, guarded, parse_json

__all__ = ["Start", "check_file", "packing", "plain", "spooled", "text"]

HEAD = 1 << 16  # bytes by which a file is recognised
SPARE = 24  # bytes of memory that a byte of JSON can take when it is parsed
ELSEWHERE = " (TMPDIR names another folder)"
_MAGIC = {"gz": b"\x1f\x8b", "zst": b"\x28\xb5\x2f\xfd", "xz": b"\xfd7zXZ\x00", "bz2": b"BZh"}


def packing(start: bytes) -> str | None:
    """Return how a file is compressed, by its first bytes: gz, zst, xz, bz2 or None."""
    for name, magic in _MAGIC.items():
        if start.startswith(magic) and (name != "bz2" or start[4:10] == b"1AY&SY"):
            return name
    return None


@contextlib.contextmanager
def text(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes, unpacked where it begins as a packed file does."""
    with path.open("rb") as raw:
        kind = packing(raw.read(16))
        raw.seek(0)
        if kind is None:
            yield raw
            return
        with _unpacking(path, raw, kind) as stream:
            yield stream


def _unpacking(path: Path, raw: IO[bytes], kind: str) -> Any:
    if kind == "gz":
        return gzip.GzipFile(fileobj=raw)
    if kind == "bz2":
        import bz2

        return bz2.BZ2File(raw)
    if kind == "xz":
        import lzma

        return lzma.LZMAFile(raw)
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from backports import zstd  # type: ignore[no-redef,import-not-found,unused-ignore]
        except ImportError:
            raise FormatError(
                f"{path}: is packed with zstd, which Python reads from 3.14 on; before, "
                f"{install('zstd', 'backports.zstd')}"
            ) from None
    return _quiet(path, zstd, raw)


@contextlib.contextmanager
def _quiet(path: Path, zstd: Any, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """Open a zstd file; its own errors are told as ours."""
    try:
        with zstd.ZstdFile(raw) as stream:
            yield stream
    except zstd.ZstdError as error:
        raise FormatError(f"{path}: is cut short or damaged; {' '.join(str(error).split())[:160]}") from None


def check_file(path: Path) -> None:
    """Refuse what is no regular file, or is empty."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise FormatError(f"{path}: no such file") from None
    except ValueError as error:
        raise FormatError(f"{str(path)!r}: not a path; {error}") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise FormatError(f"{path}: a trace is a file; this is {kind}")
    if status.st_size == 0:
        raise FormatError(f"{path}: the file is empty")


class Start:
    """How a file begins: what a format looks at to recognise it.

    Attributes
    ----------
    path : Path
    data : bytes
        The first 64 KiB, unpacked, without a byte order mark.
    """

    def __init__(self, path: Path) -> None:
        check_file(path)
        self.path = path
        self.is_single = False  # one line, as far as ``is_lines`` has looked
        with text(path) as stream:
            self.data = stream.read(HEAD).removeprefix(b"\xef\xbb\xbf")

    @cached_property
    def line(self) -> str:
        """The first line, as far as it was read; undecodable bytes are replaced."""
        return self.data.lstrip(b"\r\n").partition(b"\n")[0].decode(errors="replace").rstrip("\r")

    @cached_property
    def is_lines(self) -> bool:
        """Whether the first line alone is a JSON value, so that the file is JSON Lines."""
        return self._first is not None

    @cached_property
    def _first(self) -> Any:
        if not self.data.lstrip().startswith((b"{", b"[")):
            return None
        with text(self.path) as stream:
            line = b""
            while not line.strip():
                line = stream.readline(BLOCK)
                if not line:
                    return None
            rest = stream.read(HEAD).strip()
        self.is_single = not rest
        if self.is_single and line.lstrip().startswith(b"["):
            return None  # one line that is a list: a document
        try:
            return parse_json("line 1", line.removeprefix(b"\xef\xbb\xbf"))
        except FormatError:
            return None

    @cached_property
    def value(self) -> Any:
        """The first JSON value: of the first line, or else the whole document; None where there is none."""
        return self._first if self.is_lines else self._document

    @cached_property
    def _document(self) -> Any:
        try:
            return document(self.path) if self.data.lstrip()[:1] in (b"{", b"[") else None
        except FormatError:
            return None

    def first(self, key: str) -> Any:
        """Return an entry of the first JSON value if that is an object, else None."""
        return self.value.get(key) if isinstance(self.value, dict) else None


def document(path: Path) -> Any:
    """Read a file that is one JSON document.

    Raises
    ------
    FormatError
        Not JSON, or parsing it could take more than the memory promise allows.
    """
    with guarded(path), text(path) as stream:
        data = b""
        while new := stream.read(BLOCK):
            data += new
            afford(path, f"a JSON document of {len(data)} bytes", SPARE * len(data))
    return parse_json(str(path), data.removeprefix(b"\xef\xbb\xbf"))


def _told_as(error: LayeredPagingError, path: Path, name: str) -> LayeredPagingError:
    return type(error)(str(error).replace(str(path), name))


@contextlib.contextmanager
def plain(path: Path) -> Iterator[Path]:
    """Yield the path of the unpacked file: the file itself, or a temporary one that is removed afterwards."""
    with path.open("rb") as raw:
        kind = packing(raw.read(16))
    if kind is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="layered-paging-") as folder:
        whole = Path(folder) / path.name
        size = 0
        with text(path) as stream, whole.open("wb") as out:
            while new := stream.read(1 << 20):
                size += len(new)
                afford(path, "the unpacked file", size)
                try:
                    out.write(new)
                    out.flush()
                except OSError as error:
                    said = f"{error.strerror or error}{ELSEWHERE}"
                    raise FormatError(f"{path}: cannot be unpacked into {folder}; {said}") from None
        try:
            yield whole
        except LayeredPagingError as error:
            raise _told_as(error, whole, str(path)) from None


@contextlib.contextmanager
def spooled() -> Iterator[Path]:
    """Yield a temporary file with all of standard input; messages call it standard input."""
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or stream.closed or stream.isatty():
        found = "closed" if stream is None or stream.closed else "a terminal"
        raise FormatError(f"-: standard input must be a file or a pipe; it is {found}")
    with tempfile.TemporaryDirectory(prefix="layered-paging-") as folder:
        whole = Path(folder) / "input"
        try:
            with whole.open("wb") as out:
                shutil.copyfileobj(stream, out, 1 << 20)
        except OSError as error:
            raise FormatError(
                f"standard input: cannot be kept in {folder}; {error.strerror or error}{ELSEWHERE}"
            ) from None
        try:
            yield whole
        except LayeredPagingError as error:
            raise _told_as(error, whole, "standard input") from None
