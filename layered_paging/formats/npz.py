"""NumPy archives (``.npz``): our own arrays, and those of routing traces published by others.

Every array is looked at before anything is allocated: its header must fit the size of its
member, and the member must not be larger than deflate can make it.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..core.registry import register
from ..core.trace import Trace
from ..errors import FormatError, LayeredPagingError
from .base import Format, Reading
from .common import META, afford, brief, guarded, meta_refused, parse_json
from .layout import EXPERT_KEYS, LAYER_KEYS, TOP_KEYS, Facts, labels_fit, trace_of
from .names import ROLES
from .npy import array_of
from .opening import Start, plain
from .router_logits import trace_of_logits
from .torch_pickle import PICKLED

__all__ = ["Npz"]

# what is read -> the other name under which it is found; other arrays are left alone
_NAMES = {
    "experts": None,
    "n_experts": None,
    "sessions": "offsets",
    "stage": "phase",
    "expert_bytes": None,
    "weights": "weight",
    "meta": None,
}
_FIELDS = ("routed_experts", "prompt_routed_experts")  # of servers: tokens first
_OTHERS = ("expert_ids", "selected_experts", "topk_ids", "topk_indices", "expert_indices", "top_k_indices", "indices")
_REQUESTS = tuple(name for name in ROLES["request"] if len(name) > 1)
_ARRAYS = {*_OTHERS, *_NAMES, *(other for other in _NAMES.values() if other), *_FIELDS, *_REQUESTS, "router_logits"}
_READ = {*_ARRAYS, "format", "layout", *LAYER_KEYS, *EXPERT_KEYS, *TOP_KEYS}
_SMALL = 4096  # bytes of an entry that is one number or word
MARK = "layered-paging trace 1"
_DEFLATE = 1032  # no deflated stream expands by more


def read(path: Path, how: Reading) -> Trace:
    with guarded(path), plain(path) as whole:
        try:
            with zipfile.ZipFile(whole) as archive:
                if any(info.filename.endswith("data.pkl") for info in archive.infolist()):
                    raise FormatError(f"{path}: {PICKLED}")
                arrays = _arrays(whole, archive)
        except LayeredPagingError:
            raise
        except (ValueError, IndexError, OverflowError) as error:  # offsets that point nowhere
            raise FormatError(f"{path}: is cut short or damaged; {brief(error)}") from None
    entries = {name: array for name, array in arrays.items() if name not in _NAMES and name not in _NAMES.values()}
    meta = _meta(path, arrays.get("meta"))
    inner = [meta[key] for key in ("model", "config") if isinstance(meta.get(key), dict)]
    for said in (meta, *inner):
        entries |= {key: value for key, value in said.items() if key not in entries}
    if "router_logits" in arrays:
        return trace_of_logits(path, arrays["router_logits"], Facts(entries, meta=meta), how)
    field = next((name for name in _FIELDS if name in arrays), None)
    other = [name for name in _OTHERS if name in arrays]
    if "experts" not in arrays and field is None and len(other) == 1:
        field = other[0]
        how.assume("experts", field, "the only array with a name in use for ids")
    if "experts" not in arrays and field is None:
        raise FormatError(f"{path}: must hold an array 'experts' (rounds, layers, top_k); found {_listed(archive)}")
    if "experts" in arrays and field in _FIELDS:
        raise FormatError(f"{path}: holds both 'experts' and '{field}', which mean the same")
    ids = arrays[field or "experts"]
    starts = arrays.get("offsets", arrays.get("sessions"))
    labels = next(
        ((name, arrays[name]) for name in _REQUESTS if name in arrays and labels_fit(arrays[name], ids)), None
    )
    if labels is None and starts is not None and labels_fit(starts, ids) and len(np.unique(starts)) < len(starts):
        labels, starts = ("sessions", starts), None  # starts cannot repeat
    used = {*_NAMES, *(name for name in _NAMES.values() if name), field, labels and labels[0]}
    left = [  # `residency` is what another engine held: known, and never a request
        name
        for name in (info.filename.removesuffix(".npy") for info in archive.infolist())
        if name not in used and name != "residency" and (name not in arrays or arrays[name].ndim > 0)
    ]
    if left:
        how.assume("left out", ", ".join(left[:20]), "no name in use says what they are for")
    facts = Facts(
        entries,
        starts,
        arrays.get("stage", arrays.get("phase")),
        arrays.get("expert_bytes"),
        arrays.get("weights", arrays.get("weight")),
        "offsets" in arrays,
        arrays["n_experts"].tolist() if "n_experts" in arrays else None,
        ("tlk", field) if field in _FIELDS else None,
        meta,
        labels,
    )
    own = _ours(arrays.get("format"))
    if own:
        facts.entries = {}  # meta is the user's own
    return trace_of(path, ids, facts, how, "tlk" if own else None)


def _ours(mark: npt.NDArray[Any] | None) -> bool:
    """Say whether the file bears the mark of our own writer."""
    return mark is not None and mark.ndim == 0 and mark.dtype.kind == "U" and str(mark) == MARK


def write(trace: Trace, stream: IO[bytes]) -> None:
    arrays: dict[str, npt.NDArray[Any]] = {
        "format": np.array(MARK),
        "experts": trace.experts,
        "n_experts": np.array(trace.n_experts, np.int64),
        "sessions": trace.sessions,
        "stage": trace.stage,
        "meta": np.array(json.dumps(trace.meta, allow_nan=False)),
    }
    if trace.expert_bytes is not None:
        arrays["expert_bytes"] = trace.expert_bytes
    if trace.weights is not None:
        arrays["weights"] = trace.weights
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():  # a fixed date: equal traces give equal files
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _listed(archive: zipfile.ZipFile) -> str:
    return ", ".join(info.filename.removesuffix(".npy") for info in archive.infolist()[:20]) or "nothing"


def _arrays(path: Path, archive: zipfile.ZipFile) -> dict[str, npt.NDArray[Any]]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in _READ:
            if name in members:
                raise FormatError(f"{path}: array {name!r} stands twice in the archive")
            members[name] = info
    for name, other in _NAMES.items():
        if other in members and name in members:
            raise FormatError(f"{path}: holds both {name!r} and {other!r}, which mean the same")
    members = {name: info for name, info in members.items() if name in _ARRAYS or info.file_size <= _SMALL}
    # ids may be widened to two or four times their size, and are copied once
    afford(path, "the arrays", 2 * sum(info.file_size for info in members.values()))
    return {name: _array(path, name, archive, info) for name, info in members.items()}


def _array(path: Path, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    where = f"{path}: array {name!r}"
    if info.flag_bits & 1:
        raise FormatError(f"{where} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FormatError(f"{where} must be stored or deflated; got compression {info.compress_type}")
    packed = min(info.compress_size, path.stat().st_size)
    most = packed if info.compress_type == zipfile.ZIP_STORED else _DEFLATE * packed + 1024
    if info.file_size > most:
        raise FormatError(f"{where} claims {info.file_size} bytes, which {packed} bytes in the file cannot hold")
    if name == "meta" and info.file_size > 4 * META + 1024:
        raise FormatError(f"{where} must be at most {META} characters; it takes {info.file_size} bytes")
    with archive.open(info) as member:
        return array_of(where, member, info.file_size)


def _meta(path: Path, array: npt.NDArray[Any] | None) -> dict[str, Any]:
    if array is None:
        return {}
    if array.ndim != 0 or array.dtype.kind not in "US":
        raise FormatError(f"{path}: array 'meta' must be one JSON text; got shape {array.shape} of {array.dtype}")
    try:
        value = array.item()
    except (ValueError, UnicodeError):
        raise FormatError(f"{path}: array 'meta' must be valid text") from None
    meta = parse_json(f"{path}: array 'meta'", value)
    if not isinstance(meta, dict):
        raise FormatError(f"{path}: array 'meta' must be a JSON object; got {type(meta).__name__}")
    return meta


@register("format", "npz")
class Npz(Format):
    """NumPy archives: this project's own, and arrays of ids that others publish."""

    suffixes = (".npz",)
    takes = ("layout", "n_experts", "top_k")
    rank = 6

    def sniff(self, start: Start) -> bool:
        """Look for the magic number of a zip archive."""
        return start.data.startswith((b"PK\x03\x04", b"PK\x05\x06"))

    def read(self, path: Path, how: Reading) -> Trace:
        """Read the arrays that are known by name."""
        return read(path, how)

    def refuse(self, trace: Trace, path: Path) -> str | None:
        """Refuse weights of more than 64 bits."""
        if trace.weights is not None and trace.weights.dtype.itemsize > 8:
            return f"weights must be float16, float32 or float64; they are {trace.weights.dtype}"
        return meta_refused(trace)

    def write(self, trace: Trace, stream: IO[bytes]) -> None:
        """Write the arrays, deflated."""
        write(trace, stream)
