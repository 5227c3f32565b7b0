"""Prompts from a file: text, one per line, or JSON Lines with categories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.wide_text import wide_text
from ..errors import FormatError
from ..formats.common import guarded, parse_json

__all__ = ["Prompt", "read_prompts"]

LONGEST = 1 << 24  # bytes of a line
_KEYS = ("prompt", "category", "id")


@dataclass(frozen=True)
class Prompt:
    """One prompt, with what the file says of it."""

    text: str
    category: str | None = None
    id: str | None = None

    @property
    def item(self) -> dict[str, str]:
        """Return what the trace's meta keeps of it; the text itself is not kept."""
        return {name: value for name, value in (("category", self.category), ("id", self.id)) if value is not None}


def read_prompts(path: str | Path) -> list[Prompt]:
    """Read a file of prompts.

    Parameters
    ----------
    path : path
        A name ending in ``.jsonl``: each line an object with "prompt", and "category" and "id" where known,
        all strings.  Any other name: each line is a prompt; empty lines are skipped.  UTF-8.

    Raises
    ------
    FormatError
        The file is missing, unreadable or without prompts, or a line is not as above; the message says which.
    """
    file = Path(path)
    prompts: list[Prompt] = []
    with guarded(file):
        if not file.is_file():
            raise FormatError(f"{file}: no such file")
        with file.open("rb") as stream:
            number = 0
            while line := stream.readline(LONGEST):
                number += 1
                where = f"{file} line {number}"
                if number == 1 and (wide := wide_text(line)) is not None:
                    raise FormatError(f"{file}: {wide}")
                if len(line) >= LONGEST:
                    raise FormatError(f"{where}: longer than {LONGEST} bytes")
                if line.strip():
                    jsonl = file.name.lower().endswith(".jsonl")
                    prompts.append(_entry(where, line) if jsonl else Prompt(line.decode("utf-8").rstrip("\r\n")))
    if not prompts:
        raise FormatError(f"{file}: holds no prompt")
    return prompts


def _entry(where: str, line: bytes) -> Prompt:
    made = parse_json(where, line)
    if not isinstance(made, dict):
        raise FormatError(f'{where}: must be an object with "prompt"; got {type(made).__name__}')
    for key, value in made.items():
        if key not in _KEYS:
            raise FormatError(f"{where}: unknown entry {key[:40]!r}; known are {', '.join(_KEYS)}")
        if not isinstance(value, str):
            raise FormatError(f"{where}: {key!r} must be a string; got {type(value).__name__}")
    if not made.get("prompt"):
        raise FormatError(f"{where}: must have a 'prompt' of at least one character")
    return Prompt(made["prompt"], made.get("category"), made.get("id"))
