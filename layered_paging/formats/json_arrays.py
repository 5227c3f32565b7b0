"""Arrays of ids in JSON: an object with ``experts`` and what stands beside it, or bare nested lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError
from .base import Format, Reading
from .layout import Facts, labels_fit, trace_of
from .names import ROLES
from .opening import Start, document
from .records import depth_of
from .responses import array_in

__all__ = ["JsonArrays"]

_FIELDS = ("experts", "expert_ids", "selected_experts", "topk_ids", "routing")
_REQUESTS = tuple(name for name in ROLES["request"] if len(name) > 1)
_SERVER = ("routed_experts", "prompt_routed_experts")


def _field(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    deep = [name for name in (*_FIELDS, *_SERVER) if depth_of(value.get(name)) >= 2]
    packed = [name for name in (*_FIELDS, *_SERVER) if isinstance(value.get(name), str) and len(value[name]) > 8]
    return next(iter([*deep, *packed]), None)


@register("format", "json-arrays")
class JsonArrays(Format):
    """Arrays of ids in JSON: nested lists or base64 with a shape, alone or with sizes beside them."""

    takes = ("layout", "n_experts")
    rank = 60

    def sniff(self, start: Start) -> bool:
        """Look for a document of nested lists, or an object that holds them."""
        if not start.data.lstrip().startswith((b"{", b"[")) or (start.is_lines and start.first("layer") is not None):
            return False
        return depth_of(start.value) >= 2 or _field(start.value) is not None

    def read(self, path: Path, how: Reading) -> Trace:
        """Read the array; its layout is decided as for NumPy's."""
        start = Start(path)
        if start.is_lines and not start.is_single:
            raise FormatError(
                f"{path}: one line for each token must number the tokens, such as "
                '{"token": 0, "experts": [[4, 1], [2, 0]]}, or follow a header (layered-paging trace)'
            )
        value = document(path)
        if isinstance(value, list):
            return trace_of(path, array_in(str(path), value, {}, "the document"), Facts(), how)
        field = _field(value)
        if field is None:
            raise FormatError(f"{path}: must hold nested lists of ids, such as 'experts'")
        ids = array_in(str(path), value[field], value, field)
        beside = {key: part for key, part in value.items() if key != field}
        inner = value.get("meta") if isinstance(value.get("meta"), dict) else {}
        entries = {**{k: v for k, v in beside.items() if isinstance(v, (int, str))}, **inner}

        def column(*names: str) -> npt.NDArray[Any] | None:
            name = next((n for n in names if beside.get(n) is not None), None)
            return (
                None
                if name is None
                else np.asarray(array_in(str(path), beside[name], beside, name))
                if isinstance(beside[name], list)
                else np.asarray(beside[name])
            )

        listed = ((name, beside[name]) for name in _REQUESTS if isinstance(beside.get(name), list))
        flat = ((name, np.array(part)) for name, part in listed if not any(isinstance(x, (list, dict)) for x in part))
        labels = next(((name, array) for name, array in flat if labels_fit(array, ids)), None)
        facts = Facts(
            entries,
            column("offsets", "sessions"),
            column("stage", "phase") if isinstance(beside.get("stage", beside.get("phase")), list) else None,
            column("expert_bytes"),
            None,
            beside.get("offsets") is not None,
            beside.get("n_experts"),
            ("tlk", field) if field in _SERVER else None,
            {
                key: part
                for key, part in beside.items()
                if isinstance(part, (int, str, float)) and not (isinstance(part, str) and len(part) > 1000)
            },
            labels,
        )
        return trace_of(path, ids, facts, how)
