"""The journal of a long search for the best ratio: what it needs to go on after a stop, in one JSON file.

The file is replaced as a whole, so that a reader finds the last state or the one before it.  It names its question; a
journal of another one is refused.  What is read is a hint or a claim: a claim is proved again before it is used.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..core import strict_json
from ..core.files import read_whole, write_atomic
from ..core.version import __version__
from ..errors import FormatError, LayeredPagingError

__all__ = ["Journal", "fraction"]

FORMAT = "layered-paging ratio journal"
VERSION = 1
EVERY = 10.0  # seconds between two writes, and more where writing takes longer than a twentieth of them
SHARE = 20
LIMIT = 1 << 30  # bytes read at the most
_FRACTION = re.compile(r"-?[0-9]{1,1000}(/0*[1-9][0-9]{0,999})?")


class Journal:
    """What a search keeps in a file; without a path nothing is kept.

    Parameters
    ----------
    path : str, Path or None
        Is written at once if it is not there, so that a place that cannot be written is refused before the search.
    question : mapping
        What is asked; the release of the package is added.

    Attributes
    ----------
    kept : dict
        What an earlier run left; empty for a new file.

    Raises
    ------
    FormatError
        The file is damaged, or is no journal.
    LayeredPagingError
        It answers another question, or cannot be written.
    """

    def __init__(self, path: str | Path | None, question: Mapping[str, Any]) -> None:
        self.path = path
        self.question = {**question, "release": __version__}
        self.kept: dict[str, Any] = {}
        self._next = 0.0
        if path is None:
            return
        if Path(path).exists():
            self.kept = self._read(path)
        else:
            self.keep(dict, now=True)

    def keep(self, state: Callable[[], dict[str, Any]], *, now: bool = False) -> None:
        """Write what ``state()`` returns, if it is time to or ``now``."""
        begun = time.monotonic()
        if self.path is None or (begun < self._next and not now):
            return
        fields = {"format": FORMAT, "version": VERSION, "question": self.question, "kept": state()}
        text = json.dumps({**fields, "digest": _digest(fields)}, separators=(",", ":"), allow_nan=False)
        write_atomic(self.path, text.encode() + b"\n")
        self._next = time.monotonic() + max(EVERY, SHARE * (time.monotonic() - begun))

    def damaged(self, why: str) -> FormatError:
        """Return the error of a journal whose contents do not hold."""
        return FormatError(f"{self.path}: the journal is damaged; {why}")

    def _read(self, path: str | Path) -> dict[str, Any]:
        data = read_whole(path, LIMIT, "journal")
        try:
            fields = strict_json.parse(data)
        except ValueError as error:
            raise FormatError(f"{path}: a journal must be JSON; {ascii(str(error))[1:-1][:160]}") from None
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            found = fields.get("format") if isinstance(fields, dict) else type(fields).__name__
            raise FormatError(f"{path}: 'format' must be {FORMAT!r}; got {ascii(found)[:80]}")
        if fields.get("version") != VERSION:
            raise FormatError(f"{path}: 'version' must be {VERSION}; got {ascii(fields.get('version'))[:80]}")
        digest = fields.pop("digest", None)
        question, kept = fields.get("question"), fields.get("kept")
        try:
            whole = set(fields) == {"format", "version", "question", "kept"} and digest == _digest(fields)
        except (ValueError, RecursionError, MemoryError):  # numbers that overflow, nesting that just parses
            whole = False
        if not whole:
            raise self.damaged("the digest does not fit the contents")
        if not isinstance(question, dict) or not isinstance(kept, dict):
            raise self.damaged("'question' and 'kept' must be objects")
        for name in sorted(self.question.keys() | question.keys()):
            wanted, found = self.question.get(name), question.get(name)
            if found != wanted:
                raise LayeredPagingError(
                    f"{path}: the journal of another search; {ascii(name)[:80]} must be {wanted!r}; "
                    f"got {ascii(found)[:80]}; take another file"
                )
        return kept


def fraction(text: Any) -> Fraction:
    """Return the fraction that is written as ``text``, such as "7/4".

    Raises
    ------
    ValueError
        It is no such text.
    """
    if not isinstance(text, str) or not _FRACTION.fullmatch(text):
        raise ValueError(f"a fraction such as '7/4' is needed; got {ascii(text)[:60]}")
    return Fraction(text)


def _digest(fields: Mapping[str, Any]) -> str:
    text = json.dumps([fields["question"], fields["kept"]], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
