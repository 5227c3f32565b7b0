"""Arrays in JSON, and the answers of servers that hold them: as nested lists, as base64 of an .npy or of raw numbers."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.trace import DECODE, PREFILL, Trace
from ..errors import FormatError
from .base import Reading
from .common import afford, build, guarded
from .layout import EXPERT_KEYS, Evidence, Facts, decide, from_one, ids_of, widths_of
from .lines import parsed_blocks
from .npy import MAGIC, array_of
from .opening import Start, document, text
from .records import objects_of

__all__ = ["Answer", "array_in", "entries_of", "prompt_rows", "trace_of_answers", "values_of"]

_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")


@dataclass
class Answer:
    """The routing of one completion: ids (tokens, layers, top_k), prompt tokens first.

    ``prefill`` is the number of prompt tokens, or None where the answer does not say.
    """

    ids: npt.NDArray[Any]
    prefill: int | None
    name: str | None
    why: Evidence
    entries: dict[str, Any]


def array_in(where: str, value: Any, beside: dict[str, Any], name: str) -> npt.NDArray[Any]:
    """Return an array of ids from a nested list, or from base64 of an .npy file or of raw numbers with a shape beside.

    Without a shape, raw numbers come back with one axis, as int32 unless a dtype stands beside them.

    Raises
    ------
    FormatError
        Not rectangular, not integers, not base64, or of another length than the shape says.
    """
    if isinstance(value, list):
        try:
            made = np.array(value)
        except (ValueError, OverflowError):
            made = np.empty(0, object)
        if made.dtype.kind not in "iu":
            raise FormatError(f"{where}: '{name}' must be nested lists of integers, all of one length at each depth")
        return made
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise FormatError(f"{where}: '{name}' must be nested lists or base64; got {str(value)[:40]!r}") from None
    if data.startswith(MAGIC):
        return array_of(f"{where}: '{name}'", io.BytesIO(data), len(data))
    kind = beside.get(f"{name}_dtype", beside.get("dtype", "int32"))
    kind = str(kind).removeprefix("torch.").removeprefix("np.").removeprefix("numpy.")
    if kind not in _DTYPES:
        raise FormatError(f"{where}: 'dtype' must be one of {', '.join(_DTYPES)}; got {kind[:40]!r}")
    dtype = np.dtype(kind).newbyteorder("<")
    if not data or len(data) % dtype.itemsize:
        raise FormatError(f"{where}: '{name}' must hold whole {kind} numbers; it has {len(data)} bytes")
    flat = np.frombuffer(data, dtype).astype(kind)
    shape = beside.get(f"{name}_shape", beside.get("shape"))
    if shape is None:
        return flat
    size = 1
    for n in shape if isinstance(shape, list) else [0]:
        size *= n if type(n) is int and n > 0 else 0
    if size != len(flat):
        raise FormatError(f"{where}: '{name}' holds {len(flat)} numbers, but its shape is {str(shape)[:60]}")
    return flat.reshape(shape)


def entries_of(value: dict[str, Any], *inner: str) -> dict[str, Any]:
    """Return the plain entries of an object and of some objects inside it."""
    found: dict[str, Any] = {}
    for part in (value, *(value.get(key) for key in inner)):
        if isinstance(part, dict):
            found |= {k: v for k, v in part.items() if isinstance(v, (int, str, float)) and k not in found}
    return found


def values_of(path: Path, how: Reading) -> Iterator[tuple[str, Any]]:
    """Yield the JSON values of a file with where they are: of a document, of each item of a list, of each line."""
    if not Start(path).is_lines:
        value = document(path)
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            yield from ((f"{path} item {n}", one) for n, one in enumerate(value))
        else:
            yield str(path), value
        return
    with guarded(path), text(path) as stream:
        for made, lines in parsed_blocks(stream, path, 1, how, lambda n, data: objects_of(path, n, data)):
            yield from ((f"{path} line {at}", value) for at, value in zip(lines, made, strict=True))


def layout_of(path: Path, ids: npt.NDArray[Any], entries: dict[str, Any], name: str, how: Reading) -> Evidence:
    """Return the layout of a server's array of three axes, and why."""
    if ids.ndim != 3 or 0 in ids.shape:
        raise FormatError(f"{path}: '{name}' must have the axes tokens, layers, top_k; got shape {ids.shape}")
    shape = tuple(int(n) for n in ids.shape)
    return decide(path, shape, Facts(entries, producer=("tlk", name)), how)


def trace_of_answers(path: Path, how: Reading, parse: Callable[[str, Any], Iterator[Answer]]) -> Trace:
    """Make one trace of all answers of a file, one session each."""
    answers: list[Answer] = []
    held = 0
    for where, value in values_of(path, how):
        for answer in parse(where, value):
            if answers and answer.ids.shape[1:] != answers[0].ids.shape[1:]:
                raise FormatError(
                    f"{where}: must have {answers[0].ids.shape[1]} layers x top {answers[0].ids.shape[2]} like the first "
                    f"answer; got {answer.ids.shape[1]} x {answer.ids.shape[2]}"
                )
            held += answer.ids.nbytes
            afford(path, "the answers", 3 * held)
            answers.append(answer)
    if not answers:
        raise FormatError(f"{path}: must hold at least one answer with routed experts")
    entries = {key: value for key, value in answers[0].entries.items() if key in EXPERT_KEYS or key == "model"}
    widths = widths_of(path, Facts(entries), how)
    ids = np.concatenate([answer.ids.astype(np.int32) if answer.ids.dtype.kind == "i" else ids_of(path, answer.ids, widths, how) for answer in answers])  # fmt: skip
    ids = from_one(path, ids, widths, how)
    if widths is None:
        widths = max(1, int(ids.max()) + 1)
        how.assume("n_experts", widths, "the largest id + 1")
    lengths = [len(answer.ids) for answer in answers]
    stage = np.full(sum(lengths), DECODE, np.int8)
    starts = np.cumsum([0, *lengths[:-1]])
    unknown = sum(answer.prefill is None for answer in answers)
    for answer, at in zip(answers, starts.tolist(), strict=True):
        stage[at : at + (answer.prefill or 0)] = PREFILL
    if unknown:
        how.assume("stage", "decode", f"{unknown} of {len(answers)} answers do not say which tokens are the prompt's")
    meta: dict[str, Any] = {"read_as": {"layout": answers[0].why.layout, "why": answers[0].why.why}}
    if isinstance(entries.get("model"), str):
        meta["model"] = entries["model"]
    if any(answer.name for answer in answers):
        meta["items"] = [{"name": answer.name} for answer in answers]
    return build(path, ids, widths, starts, stage, None, meta)


def prompt_rows(where: str, rows: int, first: int | None, usage: dict[str, Any]) -> int | None:
    """Return how many rows of a completion are the prompt's, by the numbers of tokens that the answer states.

    Parameters
    ----------
    where : str
        What messages name.
    rows : int
        Rows in all.
    first : int or None
        Rows that stand apart as the prompt's; None where nothing stands apart.
    usage : dict
        ``prompt_tokens`` and ``completion_tokens``; tokens of the prompt that ``cached_tokens`` counts may have no row.

    Returns
    -------
    int or None
        None where the answer states no numbers.

    Raises
    ------
    FormatError
        The rows contradict the numbers.  The last token of a completion may have no row, since nothing follows it.
    """
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int:
        return first
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    later = (completion, completion - 1)
    for there in {prompt, prompt - (cached if type(cached) is int else 0)}:
        if rows - there in later and first in (None, there) and rows > completion:
            return there
    if rows in later and not first:
        return 0
    said = f"{rows} rows" if first is None else f"{first} rows of the prompt and {rows - first} more"
    raise FormatError(
        f"{where}: must have a row for each of {prompt} prompt_tokens and {completion} completion_tokens, or for the latter "
        f"alone, the last token apart; got {said}"
    )
