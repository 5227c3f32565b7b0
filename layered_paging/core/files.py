"""Writing files so that no reader ever sees half of one, and so that nothing is left of a write that ended early."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import FormatError, LayeredPagingError
from .wide_text import wide_text

__all__ = ["check_replaceable", "read_limited", "read_whole", "replacing", "write_atomic"]


def read_limited(path: str | Path, most: int) -> bytes:
    """Return the contents of a file, but of a larger one only ``most + 1`` bytes.

    Raises
    ------
    OSError
        It cannot be read, or is a device, a directory, or a pipe that is not open already (``/dev/fd/N`` is).
    """
    mode = os.stat(path).st_mode
    open_already = stat.S_ISFIFO(mode) and str(path).startswith(("/dev/fd/", "/dev/stdin", "/proc/self/fd/"))
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode) and not open_already:
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with open(path, "rb") as stream:
        return stream.read(most + 1)


def read_whole(path: str | Path, most: int, what: str, kind: type[LayeredPagingError] = FormatError) -> bytes:
    """Return the contents of a text file of at most ``most`` bytes; ``what`` it is, and the ``kind`` of error, are for messages.

    Raises
    ------
    FormatError, or ``kind``
        It cannot be read, is larger, or is text of wide characters.
    """
    try:
        data = read_limited(path, most)
    except (OSError, ValueError) as error:
        raise kind(f"{path}: cannot be read; {getattr(error, 'strerror', None) or error}") from None
    if len(data) > most:
        raise kind(f"{path}: a {what} has at most {most >> 20} MiB")
    if (wide := wide_text(data)) is not None:
        raise kind(f"{path}: {wide}")
    return data


def check_replaceable(path: str | Path, what: str) -> None:
    """Raise ``FormatError`` if another file than a ``what`` is at ``path``: a trace must not be lost by a slip in a name.

    A file of this package names its format in its first line; it may be compressed by gzip.
    """
    try:
        head = read_limited(path, 1 << 12)
    except (OSError, ValueError):  # nothing is there, or nothing that writing would replace
        return
    if head.startswith(b"\x1f\x8b"):
        with contextlib.suppress(zlib.error):
            head = zlib.decompressobj(31).decompress(head, 256)
    if head and what.encode() not in head[:256]:
        raise FormatError(f"{path}: is there already and is no {what}; it is left as it is (give another name)")


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a binary file beside ``path`` that takes its place when the block ends without an error.

    Raises
    ------
    LayeredPagingError
        The file cannot be written, or what is there is no regular file (a pipe, a device, a directory). What was
        at ``path`` is untouched.

    Notes
    -----
    Where the system has files without a name (Linux), the file gets one only when it is whole: a process that is
    killed in mid-write, however that is done, leaves nothing.  Elsewhere SIGKILL and SIGTERM can leave
    a file ``.layered-paging-*`` beside the target.
    """
    target = Path(path)
    if str(path).endswith(os.sep):
        raise LayeredPagingError(f"{path}: the name of a file cannot end in {os.sep}")
    name = None
    try:
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            raise LayeredPagingError(f"{target}: cannot be written; what is there is not a regular file")
        handle, name = _open(target.parent)
    except (OSError, ValueError) as error:
        if isinstance(error, LayeredPagingError):
            raise
        raise LayeredPagingError(f"{target}: cannot be written; {getattr(error, 'strerror', None) or error}") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            if name is None:
                name = _name(handle, target.parent)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, target)
    except OSError as error:
        raise LayeredPagingError(f"{target}: cannot be written; {error.strerror or error}") from None
    finally:
        if name is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def _open(folder: Path) -> tuple[int, str | None]:
    """Open a new file, without a name where that can be had."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600), None
    return tempfile.mkstemp(prefix=".layered-paging-", dir=folder)


def _name(handle: int, folder: Path) -> str:
    """Give a file without a name one that nobody has; where the system refuses, copy it to a file with a name."""
    there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while True:
            name = tempfile.mktemp(prefix=".layered-paging-", dir=folder)
            try:  # with a dir_fd Python follows the link to the file
                os.link(f"/proc/self/fd/{handle}", name, src_dir_fd=there, follow_symlinks=True)
                return name
            except FileExistsError:
                continue
            except OSError:
                break
    finally:
        os.close(there)
    other, name = tempfile.mkstemp(prefix=".layered-paging-", dir=folder)
    try:
        with os.fdopen(other, "wb") as out, os.fdopen(os.dup(handle), "rb") as whole:
            whole.seek(0)
            shutil.copyfileobj(whole, out)
    except BaseException:
        os.unlink(name)
        raise
    return name


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path``, all of it or nothing."""
    with replacing(path) as stream:
        stream.write(data)
