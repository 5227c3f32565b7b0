"""NumPy archives (``.npz``): our own arrays, and those of routing traces published by others.

Every array is looked at before anything is allocated: its header must fit the size of its
member, and the member must not be larger than deflate can make it.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..core.trace import Trace
from ..errors import FormatError, LayeredPagingError
from .common import META, WIDEST, Format, afford, brief, build, guarded, meta_refused, parse_json

__all__ = ["FORMAT"]

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
_DEFLATE = 1032  # no deflated stream expands by more


def read(path: Path) -> Trace:
    with guarded(path):
        try:
            with zipfile.ZipFile(path) as archive:
                arrays = _arrays(path, archive)
        except LayeredPagingError:
            raise
        except (ValueError, IndexError, OverflowError) as error:  # offsets that point nowhere
            raise FormatError(f"{path}: is cut short or damaged; {brief(error)}") from None
    if "experts" not in arrays:
        raise FormatError(f"{path}: must hold an array 'experts' (rounds, layers, top_k); found {_listed(archive)}")
    meta = _meta(path, arrays.get("meta"))
    ids = arrays["experts"]
    widths: Any = None
    if "n_experts" in arrays:
        widths = arrays["n_experts"].tolist()
    elif "n_expert" in meta:
        widths = meta["n_expert"]
    ids = _signed(path, ids, widths)
    sessions = arrays.get("offsets", arrays.get("sessions"))
    if "offsets" in arrays and sessions is not None:
        if sessions.ndim != 1 or len(sessions) < 2 or sessions[-1] != len(ids):
            raise FormatError(
                f"{path}: 'offsets' must end with the number of rounds, {len(ids)}; got {_tail(sessions)}"
            )
        sessions = sessions[:-1]
    stage = arrays.get("stage", arrays.get("phase"))
    weights = arrays.get("weights", arrays.get("weight"))
    return build(path, ids, widths, sessions, stage, arrays.get("expert_bytes"), meta, weights)


def write(trace: Trace, stream: IO[bytes]) -> None:
    arrays: dict[str, npt.NDArray[Any]] = {
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
        if name in _NAMES or name in _NAMES.values():
            if name in members:
                raise FormatError(f"{path}: array {name!r} stands twice in the archive")
            members[name] = info
    for name, other in _NAMES.items():
        if other in members and name in members:
            raise FormatError(f"{path}: holds both {name!r} and {other!r}, which mean the same")
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
        shape, fortran, dtype = _npy_header(where, member)
        begin = member.tell()
        if dtype.hasobject:
            raise FormatError(f"{where} holds Python objects (a pickle), which are never read; save plain numbers")
        if dtype.kind not in "iufbUS":
            raise FormatError(f"{where} must hold numbers, or text for 'meta'; got dtype {dtype}")
        count = 1
        for length in shape:
            count *= length
        size = count * dtype.itemsize
        if size != info.file_size - begin or min(shape, default=0) < 0:
            raise FormatError(
                f"{where} claims shape {shape} of {dtype}, {size} bytes; the file holds {info.file_size - begin}"
            )
        flat = np.empty(count, dtype)
        view = memoryview(flat.view(np.uint8).data) if size else memoryview(b"")
        at = 0
        while at < size:
            got = member.readinto(view[at : at + (1 << 22)])  # type: ignore[attr-defined]
            if not got:
                raise FormatError(f"{where} ends after {at} of {size} bytes")
            at += got
    array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _npy_header(where: str, member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(member)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"version {version} is not a plain array's")
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = reader(member)
    except Exception as error:  # NumPy parses the header with Python's own tokenizer, which raises many kinds
        raise FormatError(f"{where} has no valid npy header; {brief(error)}") from None
    return shape, fortran, dtype


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


def _signed(path: Path, ids: npt.NDArray[Any], widths: Any) -> npt.NDArray[Any]:
    """Return ids with -1 for missing; in unsigned arrays of fewer than 256 experts 255 is missing."""
    values = widths if isinstance(widths, list) else [widths]
    if any(isinstance(n, int) and n > WIDEST for n in values):
        raise FormatError(f"{path}: n_experts must be at most {WIDEST}; got {max(values)}")
    if ids.dtype.kind != "u":
        return ids
    narrow = ids.dtype == np.uint8 if widths is None else all(isinstance(n, int) and n < 256 for n in values)
    if ids.dtype == np.uint8:
        signed = ids.astype(np.int16)
    elif ids.size and int(ids.max()) > WIDEST:
        raise FormatError(f"{path}: experts must be below {WIDEST}; got {ids.max()}")
    else:
        signed = ids.astype(np.int32)
    if narrow:
        signed[signed == 255] = -1
    return signed


def _tail(array: npt.NDArray[Any]) -> str:
    return f"...{array[-3:].tolist()}" if array.ndim == 1 else f"shape {array.shape}"


def _refuse(trace: Trace, path: Path) -> str | None:
    if trace.weights is not None and trace.weights.dtype.itemsize > 8:
        return f"weights must be float16, float32 or float64; they are {trace.weights.dtype}"
    return meta_refused(trace)


def _sniff(start: bytes) -> bool:
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


FORMAT = Format("npz", (".npz",), _sniff, read, write, _refuse)
