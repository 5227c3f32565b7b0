"""Answers of SGLang with ``routed_experts``: base64 of int32 ids (tokens, layers, top_k), whose shape is not stated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .layout import LAYER_KEYS, TOP_KEYS
from .opening import Start
from .responses import Answer, array_in, entries_of, layout_of, trace_of_answers

__all__ = ["Sglang"]

ENOUGH = 100  # events that must bear out a top_k that nothing states


def _holders(value: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the objects that hold routed experts, each with the one that has the numbers of tokens."""
    if not isinstance(value, dict):
        return []
    info = value.get("meta_info")
    found = [(info, info)] if isinstance(info, dict) and "routed_experts" in info else []
    usage: Any = value.get("usage") if isinstance(value.get("usage"), dict) else {}
    for choice in value.get("choices", []) if isinstance(value.get("choices"), list) else []:
        inner = choice.get("sgl_ext") if isinstance(choice, dict) else None
        if isinstance(inner, dict) and "routed_experts" in inner:
            found.append((inner, usage))
    return found


def _distinct(flat: npt.NDArray[Any], top: int) -> bool:
    groups = np.sort(flat.reshape(-1, top), axis=1)
    return not ((groups[:, 1:] == groups[:, :-1]) & (groups[:, 1:] >= 0)).any()


def _shaped(
    path: Path, where: str, flat: npt.NDArray[Any], rows: int, entries: dict[str, Any], how: Reading
) -> npt.NDArray[Any]:
    """Return the ids with their three axes, by what is stated or by what the ids bear out."""
    width = len(flat) // rows
    tops = {v for k, v in entries.items() if k in TOP_KEYS and type(v) is int}
    layers = {v for k, v in entries.items() if k in LAYER_KEYS and type(v) is int}
    if how.top_k is not None:
        tops.add(how.top_k)
    fits = [k for k in range(1, width + 1) if width % k == 0 and _distinct(flat, k)]
    stated = [k for k in fits if (not tops or k in tops) and (not layers or width // k in layers)]
    if tops or layers:
        if len(stated) != 1:
            said = f"top_k {sorted(tops) or 'unknown'}, layers {sorted(layers) or 'unknown'}"
            raise FormatError(
                f"{where}: rows of {width} ids must be layers x top_k, with no expert twice in a layer; {said} does not fit"
            )
        return flat.reshape(rows, width // stated[0], stated[0])
    best = max(fits)
    if best == 1 or rows * (width // best) < ENOUGH or best * 2 > width:
        ways = " or ".join(f"{width // k} layers x top {k}" for k in sorted(fits, reverse=True)[:4])
        raise FormatError(
            f"{where}: rows of {width} ids can be {ways}; nothing in the answer says which (give --top-k)"
        )
    how.assume("top_k", best, f"the largest that divides rows of {width} ids such that no layer has an expert twice")
    return flat.reshape(rows, width // best, best)


@register("format", "sglang")
class Sglang(Format):
    """Answers of SGLang with routed experts: one, a list of them, or one per line; ``--top-k`` where it is not clear."""

    takes = ("layout", "top_k", "n_experts")
    rank = 20

    def sniff(self, start: Start) -> bool:
        """Look for routed experts in meta_info or sgl_ext."""
        one = start.value[0] if isinstance(start.value, list) and start.value else start.value
        return b"routed_experts" in start.data and bool(_holders(one))

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all answers; each is a session.  The last token has no routing, since nothing follows it."""

        def parse(where: str, value: Any) -> Iterator[Answer]:
            holders = _holders(value)
            if not holders:
                raise FormatError(f"{where}: must be an answer whose 'meta_info' holds 'routed_experts'")
            for holder, counts in holders:
                entries = entries_of(value, "meta_info")
                ids = array_in(where, holder["routed_experts"], holder, "routed_experts")
                prompt: Any = counts.get("prompt_tokens")
                made: Any = counts.get("completion_tokens")
                start: Any = holder.get("routed_experts_start_len", value.get("routed_experts_start_len", 0))
                known = all(type(n) is int for n in (prompt, made, start))
                if ids.ndim == 1:
                    if not known:
                        raise FormatError(
                            f"{where}: must state 'prompt_tokens' and 'completion_tokens', which give the rows"
                        )
                    rows = prompt + made - 1 - start
                    if rows < 1 or len(ids) % rows:
                        raise FormatError(
                            f"{where}: {len(ids)} ids must divide into {rows} rows, one for each token but the last; "
                            f"'prompt_tokens' is {prompt}, 'completion_tokens' {made}"
                        )
                    ids = _shaped(path, where, ids, rows, entries, how)
                why = layout_of(path, ids, entries, "routed_experts", how)
                ids = np.swapaxes(ids, 0, 1) if why.layout == "ltk" else ids
                name = counts.get("id", value.get("id"))
                prefill = min(len(ids), max(0, prompt - start)) if known else None
                yield Answer(ids, prefill, None if name is None else str(name)[:200], why, entries)

        return trace_of_answers(path, how, parse)
