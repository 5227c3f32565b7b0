"""Routing traces of moe-cache-lab, versions 1 and 2: a metadata line, then one event a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .common import build, guarded
from .layout import Facts, widths_of
from .lines import parsed_blocks
from .megatron import is_grid
from .opening import Start, text
from .records import objects_of, read_lines
from .rows import phase_of

__all__ = ["CacheLab"]

MAGIC = "moe-cache-lab.routing-jsonl"
STAGES = ("encoder", "decoder")


@register("format", "moe-cache-lab")
class CacheLab(Format):
    """Routing traces of moe-cache-lab: JSON Lines with a metadata line; version 2 tells encoder from decoder."""

    takes = ("n_experts",)
    rank = 20

    def sniff(self, start: Start) -> bool:
        """Look for the format's name in the metadata line."""
        return MAGIC.encode() in start.data[: 1 << 12] and start.first("format") == MAGIC

    def read(self, path: Path, how: Reading) -> Trace:
        """Read all events; encoder tokens are rounds of their own, before the decoder's."""
        version = Start(path).first("format_version")
        if version not in (1, 2):
            raise FormatError(f"{path} line 1: 'format_version' must be 1 or 2; got {str(version)[:40]}")
        return read_lines(path, how) if version == 1 else _second(path, how)


def _second(path: Path, how: Reading) -> Trace:
    meta: dict[str, Any] = {}
    events: dict[tuple[int, int, int], tuple[list[int], int]] = {}
    with guarded(path), text(path) as stream:
        for made, lines in parsed_blocks(stream, path, 1, how, lambda n, data: objects_of(path, n, data)):
            for at, row in zip(lines, made, strict=True):
                if not meta:
                    meta = row
                    continue
                stage, token, layer = row.get("routing_stage"), row.get("token_position"), row.get("layer")
                ids, phase = row.get("selected_experts"), phase_of(row.get("phase"))
                whole = type(token) is int and type(layer) is int
                if stage not in STAGES or not whole or not is_grid([ids]) or phase is None:
                    raise FormatError(
                        f"{path} line {at}: must hold routing_stage, token_position, layer, phase and selected_experts"
                    )
                key = (STAGES.index(stage), int(token or 0), int(layer or 0))
                if key in events:
                    raise FormatError(f"{path} line {at}: {stage} layer {layer} of token {token} must stand once")
                events[key] = (list(ids or ()), phase)
    if not events:
        raise FormatError(f"{path}: must hold at least one event")
    rounds = {key: n for n, key in enumerate(sorted({key[:2] for key in events}))}
    layers = {key: n for n, key in enumerate(sorted({(key[0], key[2]) for key in events}))}
    top = max(1, *(len(ids) for ids, _ in events.values()))
    experts = np.full((len(rounds), len(layers), top), -1, np.int32)
    stages = np.zeros(len(rounds), np.int8)
    for (stage, token, layer), (ids, phase) in events.items():
        experts[rounds[stage, token], layers[stage, layer], : len(ids)] = ids
        stages[rounds[stage, token]] = phase
    stated = {
        p.get("routing_stage"): p.get("num_experts") for p in meta.get("routing_stages", []) if isinstance(p, dict)
    }
    each = [stated.get(STAGES[stage]) for stage, _ in layers]
    widths: Any = each if all(type(n) is int for n in each) else None
    if widths is None:
        widths = widths_of(path, Facts(), how) or int(experts.max()) + 1
        how.assume("n_experts", widths, "the largest id + 1")
    meta = {key: value for key, value in meta.items() if key != "record_type"}
    meta["layer_names"] = [f"{STAGES[stage]}.{layer}" for stage, layer in layers]
    how.assume("tokens", "encoder first", "tokens of the encoder are rounds of their own, before the decoder's")
    return build(path, experts, widths, None, stages, None, meta)
