"""Writing files so that no reader ever sees half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .errors import LayeredPagingError

__all__ = ["replacing", "write_atomic"]


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a binary file beside ``path`` that takes its place when the block ends without an error.

    Raises
    ------
    LayeredPagingError
        The file cannot be written; what was at ``path`` is untouched.
    """
    target = Path(path)
    if str(path).endswith(os.sep):
        raise LayeredPagingError(f"{path}: the name of a file cannot end in {os.sep}")
    try:
        handle, name = tempfile.mkstemp(prefix=".layered-paging-", dir=target.parent)
    except (OSError, ValueError) as error:
        raise LayeredPagingError(f"{target}: cannot be written; {getattr(error, 'strerror', None) or error}") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, target)
    except OSError as error:
        raise LayeredPagingError(f"{target}: cannot be written; {error.strerror or error}") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path``, all of it or nothing."""
    with replacing(path) as stream:
        stream.write(data)
