"""Answers of vLLM with ``routed_experts``: of v0.21 (nested lists) and later ones (base64 of an .npy file)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .opening import Start
from .responses import Answer, array_in, entries_of, layout_of, prompt_rows, trace_of_answers

__all__ = ["Vllm"]

ROUTED, PROMPT = "routed_experts", "prompt_routed_experts"


def _choices(value: Any) -> list[Any]:
    """Return the completions of an answer: of the server, or of a request that Python dumped."""
    if not isinstance(value, dict):
        return []
    inner = value.get("choices", value.get("outputs"))
    return inner if isinstance(inner, list) else [value] if ROUTED in value and "meta_info" not in value else []


def _has(value: Any) -> bool:
    one = value[0] if isinstance(value, list) and value else value
    if isinstance(one, dict) and isinstance(one.get(PROMPT), (list, str)):
        return True
    return any(isinstance(c, dict) and isinstance(c.get(ROUTED, c.get(PROMPT)), (list, str)) for c in _choices(one))


@register("format", "vllm")
class Vllm(Format):
    """Answers of vLLM with routed experts: one, a list of them, or one per line; tokens come first."""

    takes = ("layout", "n_experts")
    rank = 20

    def sniff(self, start: Start) -> bool:
        """Look for routed experts in the first answer."""
        return b"routed_experts" in start.data and _has(start.value)

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all answers; each completion is a session, and prompt tokens are prefill."""

        def parse(where: str, value: Any) -> Iterator[Answer]:
            choices = _choices(value)
            if not choices:
                raise FormatError(f"{where}: must be an answer with 'choices' that hold '{ROUTED}'")
            shared = value.get(PROMPT)
            for n, choice in enumerate(choices):
                if not isinstance(choice, dict):
                    raise FormatError(f"{where}: 'choices' must hold objects; got {str(choice)[:40]!r}")
                own = choice.get(PROMPT, shared if n == 0 else None)
                if n == 1 and shared is not None:
                    how.assume("sessions", "prompt with the first completion", "an answer has several for one prompt")
                parts, prefill, why = [], 0, None
                for name, part in ((PROMPT, own), (ROUTED, choice.get(ROUTED))):
                    if part is None or part == []:
                        continue
                    made = array_in(where, part, {**value, **choice}, name)
                    why = layout_of(path, made, entries_of(value, "usage"), name, how)
                    made = np.swapaxes(made, 0, 1) if why.layout == "ltk" else made
                    prefill += len(made) if name == PROMPT else 0
                    parts.append(made)
                if why is None:
                    raise FormatError(f"{where}: must hold '{ROUTED}' or '{PROMPT}' with at least one token")
                if len({part.shape[1:] for part in parts}) > 1:
                    raise FormatError(f"{where}: '{PROMPT}' and '{ROUTED}' must have equal layers and top_k")
                ids = np.concatenate([part.astype(np.int32) if part.dtype.kind == "i" else part for part in parts])
                usage = value.get("usage") if isinstance(value.get("usage"), dict) else {}
                known = prefill if own is not None else None
                if len(choices) == 1:
                    known = prompt_rows(where, len(ids), known, usage)
                name = value.get("id", value.get("request_id"))
                yield Answer(ids, known, None if name is None else str(name)[:200], why, entries_of(value, "usage"))

        return trace_of_answers(path, how, parse)
