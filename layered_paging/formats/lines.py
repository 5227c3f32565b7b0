"""Lines of a log in blocks, with what a log that was cut off leaves at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TypeVar

from ..errors import FormatError
from .base import Reading
from .common import blocks

__all__ = ["Tail", "parsed_blocks"]

T = TypeVar("T")


class Tail:
    """A stream that remembers the last byte read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.last = b""

    def read(self, size: int) -> bytes:
        """Read at most ``size`` bytes."""
        data = self.stream.read(size)
        if data:
            self.last = data[-1:]
        return data


def parsed_blocks(
    stream: IO[bytes], path: Path, line: int, how: Reading, parse: Callable[[int, bytes], T]
) -> Iterator[T]:
    """Yield what ``parse(number of the first line, whole lines)`` makes of each block.

    A last line without an end that cannot be parsed was cut off: it is left out, and noted.
    """
    tail = Tail(stream)
    waiting: tuple[int, bytes] | None = None
    for block in blocks(tail, path, line):  # type: ignore[arg-type]
        if waiting is not None:
            yield parse(*waiting)
        waiting = block
    if waiting is None:
        return
    number, data = waiting
    if tail.last in (b"\n", b""):
        yield parse(number, data)
        return
    cut = data.rfind(b"\n", 0, -1) + 1
    if cut:
        yield parse(number, data[:cut])
    at = number + data.count(b"\n", 0, cut)
    try:
        last = parse(at, data[cut:])
    except FormatError:
        if not cut and number == line:
            raise  # there is nothing else
        how.assume(
            "end", f"line {at - 1}", f"line {at} is the last one, has no line end and is cut off: it is left out"
        )
        return
    if not data[cut:].rstrip().endswith((b"}", b"]", b'"')):
        how.assume("end", f"line {at}", "the last line has no line end; it is read as it stands")
    yield last
