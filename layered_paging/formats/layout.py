"""Which axis of an array is what: decided by evidence, in a fixed order, and never guessed.

The order:

1. What the reader is told (``--layout``).
2. An entry that names the layout or the number of layers.
3. A length that fits one axis only.
4. The field name of a known producer.
5. Our own key ``n_experts``.

Two that disagree are an
error.  An array with none of these is refused with both readings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.trace import Trace
from ..errors import FormatError, ParameterError, TraceError
from .base import Reading
from .common import WIDEST, build

__all__ = ["LAYOUTS", "Facts", "ids_of", "labels_fit", "trace_of", "widths_of"]

LAYOUTS = ("tlk", "ltk", "btlk")
LAYER_KEYS = ("n_layer", "n_layers", "num_layers", "n_moe_layers", "num_moe_layers", "num_hidden_layers")
EXPERT_KEYS = ("n_expert", "n_experts", "num_experts", "num_local_experts", "n_routed_experts", "num_experts_per_layer")
TOP_KEYS = ("top_k", "topk", "num_experts_per_tok", "experts_per_token", "n_expert_used", "moe_top_k")
_EXACT = ("n_moe_layers", "num_moe_layers")  # others may count dense layers, too
_WORDS = {
    "b": "b batch batches request requests session sessions sequence sequences",
    "t": "t s n tok tokens token time times round rounds step steps position positions pos seq",
    "l": "l layer layers moe_layers n_layers num_layers",
    "k": "k topk top_k top_ks rank ranks expert experts slot slots",
}
_AXIS = {word: axis for axis, words in _WORDS.items() for word in words.split()}


class Evidence(NamedTuple):
    """One reason for a layout."""

    layout: str
    why: str
    own: bool = False  # a name that this project documents


@dataclass
class Facts:
    """What stands beside an array of ids.

    Attributes
    ----------
    entries : mapping
        Plain entries by name, of the file's metadata.
    sessions, stage, expert_bytes, weights : array or None
    offsets : bool
        Whether ``sessions`` ends with the number of rounds.
    n_experts : int, list or None
        Our own key.
    producer : tuple or None
        Layout that a known producer's field name has, and the name.
    labels : tuple or None
        Name of an array with the request of each token, and the array.
    """

    entries: Mapping[str, Any] = field(default_factory=dict)
    sessions: npt.NDArray[Any] | None = None
    stage: npt.NDArray[Any] | None = None
    expert_bytes: npt.NDArray[Any] | None = None
    weights: npt.NDArray[Any] | None = None
    offsets: bool = False
    n_experts: Any = None
    producer: tuple[str, str] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, npt.NDArray[Any]] | None = None


def _axes(layout: str, dims: int) -> tuple[int, int]:
    """Return which axes are tokens and layers."""
    return layout.index("t"), layout.index("l")


def _whole(value: Any) -> int | None:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def named_layout(path: Path, text: str) -> str:
    """Read a layout such as ``ltk``, ``[layers, tokens, top_k]`` or ``layer-major``.

    Raises
    ------
    FormatError
        The words are not understood, or name a layout that is not read.
    """
    low = text.lower().strip()
    plain = re.sub(r"[^a-z]", "", low)
    if plain in ("layermajor", "layerfirst", "layersfirst"):
        return "ltk"
    if plain in ("tokenmajor", "tokenfirst", "tokensfirst", "roundmajor", "roundsfirst"):
        return "tlk"
    words = [w for w in re.split(r"[^a-z_]+", low) if w and w != "x"]
    if len(words) == 1 and words[0] not in _AXIS:
        words = list(words[0])
    axes = "".join(_AXIS.get(word, "?") for word in words)
    found = axes if "k" in axes else f"{axes}k"
    if found not in LAYOUTS:
        raise FormatError(f"{path}: 'layout' must name one of {', '.join(LAYOUTS)}; got {text[:60]!r}")
    return found


def _options(shape: Sequence[int]) -> tuple[str, ...]:
    return ("btlk",) if len(shape) == 4 else ("tlk", "ltk")


def reading(shape: Sequence[int], layout: str) -> str:
    """Say what an array would be in a layout."""
    last = f", top {shape[-1]}" if len(shape) == len(layout) else ", top 1"
    t, j = _axes(layout, len(shape))
    batch = f"{shape[0]} sequences of " if layout[0] == "b" else ""
    return f"{batch}{shape[t]} tokens x {shape[j]} layers{last}"


def _gather(path: Path, shape: tuple[int, ...], facts: Facts, how: Reading) -> list[Evidence]:
    """Collect the evidence, the strongest first."""
    found: list[Evidence] = []
    known = _options(shape)
    if how.layout is not None:
        if how.layout not in known:
            raise ParameterError(
                f"must be {' or '.join(known)} for shape {shape} of {path}; got {how.layout!r}", parameter="layout"
            )
        found.append(Evidence(how.layout, f"--layout {how.layout}"))
    said = facts.entries.get("layout")
    if isinstance(said, np.ndarray) and said.ndim == 0 and said.dtype.kind in "US":
        said = said.item()
    if isinstance(said, str):
        layout = named_layout(path, said)
        if layout not in known:
            raise FormatError(f"{path}: 'layout' says {said[:60]!r}, but the array has shape {shape}")
        found.append(Evidence(layout, f"'layout' is {said[:40]!r}"))
    for name in LAYER_KEYS:
        number = _whole(facts.entries.get(name))
        if number is None:
            continue
        fits = [o for o in known if shape[_axes(o, len(shape))[1]] == number]
        if len(fits) == 1:
            found.append(Evidence(fits[0], f"'{name}' is {number}"))
        elif not fits and (name in _EXACT or not (found or _lengths(shape, facts))):
            raise FormatError(
                f"{path}: '{name}' is {number}, but no axis of layers in shape {shape} has that length "
                f"({' or '.join(reading(shape, o) for o in known)})"
            )
        elif not fits:
            how.assume("layers", "as in the array", f"'{name}' is {number} and fits no axis of {shape}")
    found += _lengths(shape, facts)
    if facts.producer is not None and facts.producer[0] in known:
        found.append(Evidence(facts.producer[0], f"the field is {facts.producer[1]!r}"))
    if facts.n_experts is not None and "tlk" in known:
        found.append(Evidence("tlk", "'n_experts' is this project's own key, rounds first", True))
    return found


def _lengths(shape: tuple[int, ...], facts: Facts) -> list[Evidence]:
    """Return what lengths say that fit one axis only."""
    known = _options(shape)
    found = []

    def axis(which: int, length: int, name: str) -> None:
        fits = [o for o in known if _size(shape, o, which) == length]
        if len(fits) == 1 and len(known) > 1:
            found.append(Evidence(fits[0], f"{name} {length} of {('tokens', 'layers')[which]}", True))

    if facts.stage is not None and facts.stage.ndim == 1:
        axis(0, len(facts.stage), "'stage' has one entry for each")
    if facts.labels is not None:
        axis(0, len(facts.labels[1]), f"'{facts.labels[0]}' has one entry for each")
    if facts.sessions is not None and facts.sessions.ndim == 1 and len(facts.sessions):
        last = facts.sessions[-1]
        if facts.offsets and facts.sessions.dtype.kind in "iu":
            axis(0, int(last), "'offsets' ends with")
        elif facts.sessions.dtype.kind in "iu":
            fits = [o for o in known if _size(shape, o, 0) > int(facts.sessions.max())]
            if len(fits) == 1 and len(known) > 1:
                found.append(Evidence(fits[0], f"'sessions' starts one at round {int(facts.sessions.max())}", True))
    count = len(facts.n_experts) if isinstance(facts.n_experts, list) else 0
    if count > 1 or (count and 1 in shape[:2]):
        axis(1, count, "'n_experts' has one entry for each")
    if facts.expert_bytes is not None and facts.expert_bytes.ndim == 1 and len(facts.expert_bytes) > 1:
        axis(1, len(facts.expert_bytes), "'expert_bytes' has one entry for each")
    return found


def _size(shape: tuple[int, ...], layout: str, which: int) -> int:
    size = shape[_axes(layout, len(shape))[which]]
    return size * shape[0] if which == 0 and layout[0] == "b" else size


def decide(path: Path, shape: tuple[int, ...], facts: Facts, how: Reading) -> Evidence:
    """Return the layout of an array and why.

    Raises
    ------
    FormatError
        No evidence, or evidence that disagrees; the message has both readings.
    """
    found = _gather(path, shape, facts, how)
    if not found:
        both = " or ".join(f"{reading(shape, o)} (--layout {o})" for o in _options(shape))
        raise FormatError(f"{path}: an array of shape {shape} must say which axis is what; it can be {both}")
    first = found[0]
    for other in found[1:]:
        if other.layout != first.layout:
            raise FormatError(
                f"{path}: {first.why}, so shape {shape} is {reading(shape, first.layout)}; "
                f"but {other.why}, so it is {reading(shape, other.layout)}: these must agree"
            )
    return first


def widths_of(path: Path, facts: Facts, how: Reading) -> Any:
    """Return the number of experts as stated: one int, a list, or None where nothing says it."""
    stated: list[tuple[str, Any]] = []
    if how.n_experts is not None:
        stated.append(("--n-experts", how.n_experts))
    if facts.n_experts is not None:
        stated.append(("'n_experts'", facts.n_experts))
    for name in EXPERT_KEYS:
        value = facts.entries.get(name)
        if name != "n_experts" or facts.n_experts is None:
            number = _whole(value)
            if number is not None:
                stated.append((f"'{name}'", number))
            elif name == "n_expert" and value is not None:
                stated.append((f"'{name}'", value))
    for name, value in stated[1:]:
        one, other = (
            {v} if isinstance(v, int) else set(v) if isinstance(v, list) else None for v in (stated[0][1], value)
        )
        if one is not None and other is not None and one != other:
            raise FormatError(f"{path}: {stated[0][0]} is {stated[0][1]}, but {name} is {value}: these must agree")
    return stated[0][1] if stated else None


def ids_of(path: Path, ids: npt.NDArray[Any], widths: Any, how: Reading) -> npt.NDArray[Any]:
    """Return signed ids with -1 for missing, counted from 0.

    In unsigned arrays the largest value of the type means missing, unless there are experts enough for it. 255 does
    wherever there are fewer than 256 experts.
    """
    values = widths if isinstance(widths, list) else [widths]
    if any(isinstance(n, int) and n > WIDEST for n in values):
        raise FormatError(f"{path}: n_experts must be at most {WIDEST}; got {max(values)}")
    if ids.dtype.kind == "u" and ids.size:
        most = int(np.iinfo(ids.dtype).max)
        widest = max((n for n in values if isinstance(n, int)), default=None)
        absent = {255} if widest is not None and widest < 256 else set()
        if widest is None or widest <= most:
            absent |= {most}
        gone = np.isin(ids, list(absent))
        if ids[~gone].size and int(ids[~gone].max()) > WIDEST:
            raise FormatError(f"{path}: experts must be below {WIDEST}; got {ids[~gone].max()}")
        if widest is None and gone.any():
            how.assume("missing", most, f"the largest {ids.dtype} stands for no expert")
        ids = ids.astype(np.int16 if ids.dtype == np.uint8 else np.int32)
        ids[gone] = -1
    return ids


def from_one(path: Path, ids: npt.NDArray[Any], widths: Any, how: Reading) -> npt.NDArray[Any]:
    """Return ids counted from 0: a largest id equal to the number of experts, and no 0, says that they count from 1."""
    if isinstance(widths, int) and ids.dtype.kind == "i" and ids.size and int(ids.max()) == widths:
        present = ids[ids != -1]
        if present.size and int(present.min()) >= 1:
            how.assume("ids", "from 1", f"the largest is {widths}, the number of experts, and none is 0")
            ids = np.where(ids > 0, ids - 1, -1).astype(ids.dtype)
    return ids


def labels_fit(array: npt.NDArray[Any], ids: npt.NDArray[Any]) -> bool:
    """Say whether an array can hold the request of each token."""
    tokens = {*ids.shape[:2], ids.shape[0] * ids.shape[1]} if ids.ndim > 1 else set()
    return array.ndim == 1 and array.dtype.kind in "iuU" and len(array) > 1 and len(array) in tokens


def _starts(path: Path, name: str, labels: npt.NDArray[Any], rounds: int, how: Reading) -> npt.NDArray[np.int64]:
    """Return where sessions begin, from the request of each token."""
    if len(labels) != rounds:
        raise FormatError(f"{path}: '{name}' must have one entry for each of {rounds} tokens; it has {len(labels)}")
    if labels[0] == 1 and set(np.unique(labels).tolist()) == {0, 1}:
        raise FormatError(
            f"{path}: '{name}' begins with 1 and holds 0 and 1 alone: a mark at each first token of a request, or request 1 "
            "before request 0; write the first round of each request, or numbers that rise"
        )
    starts = np.append(0, np.flatnonzero(labels[1:] != labels[:-1]) + 1)
    begun = labels[starts]
    if len(np.unique(begun)) < len(begun):
        again = next(label for at, label in enumerate(begun.tolist()) if label in begun[:at].tolist())
        raise FormatError(
            f"{path}: '{name}' must give the tokens of a request one after another; {again!r} comes again"
        )
    how.assume("sessions", name, f"a session begins where it changes: {len(starts)} in all")
    return starts


def _check_top(path: Path, shape: tuple[int, ...], facts: Facts) -> None:
    for name in TOP_KEYS:
        top = _whole(facts.entries.get(name))
        if top is not None and top != shape[-1] and top in shape[:-1] and len(shape) > 2:
            raise FormatError(f"{path}: '{name}' is {top}, so the last axis of shape {shape} must be {top}")


def trace_of(path: Path, ids: npt.NDArray[Any], facts: Facts, how: Reading, known: str | None = None) -> Trace:
    """Make a trace of an array of ids and what stands beside it.

    Parameters
    ----------
    path : Path
        What messages name.
    ids : array
        Two to four axes.
    facts, how
        What the file and the user say.
    known : str, optional
        The layout where it is certain.

    Raises
    ------
    FormatError
        The layout is unknown or contradicted, or an id is out of range.
    """
    if ids.dtype.kind not in "iu" or ids.ndim not in (2, 3, 4) or 0 in ids.shape:
        build(path, ids)  # says what is wrong
        raise TraceError(f"{path}: experts must have shape (rounds, layers, top_k); got {ids.shape}")
    shape = tuple(int(n) for n in ids.shape)
    _check_top(path, shape, facts)
    chosen = Evidence(known, "it is our own file", True) if known else decide(path, shape, facts, how)
    widths = widths_of(path, facts, how)
    ids = from_one(path, ids_of(path, ids, widths, how), widths, how)
    weights, sessions, stage = facts.weights, facts.sessions, facts.stage
    if chosen.layout == "ltk":
        ids = np.swapaxes(ids, 0, 1)
        if weights is not None and weights.shape == shape:
            weights = np.swapaxes(weights, 0, 1)
    elif chosen.layout == "btlk":
        if weights is not None and weights.shape == shape:
            weights = weights.reshape(-1, *shape[2:])
        ids = ids.reshape(-1, *shape[2:])
        if sessions is None:
            sessions = np.arange(0, len(ids), shape[1])
    if facts.offsets and sessions is not None:
        if sessions.ndim != 1 or len(sessions) < 2 or sessions[-1] != len(ids):
            tail = f"...{sessions[-3:].tolist()}" if sessions.ndim == 1 else f"shape {sessions.shape}"
            raise FormatError(f"{path}: 'offsets' must end with the number of rounds, {len(ids)}; got {tail}")
        sessions = sessions[:-1]
    if facts.labels is not None:
        starts = _starts(path, *facts.labels, len(ids), how)
        if sessions is not None and facts.sessions is not None and not np.array_equal(starts, sessions):
            raise FormatError(
                f"{path}: '{facts.labels[0]}' begins {len(starts)} sessions, and another array others: they must agree"
            )
        sessions = starts
    meta = dict(facts.meta)
    documented = known is not None or (chosen.own and chosen.layout == "tlk")
    if not documented:
        meta["read_as"] = {"layout": chosen.layout, "why": chosen.why}
    if widths is None and not documented:
        how.assume("n_experts", max(1, int(ids.max()) + 1), "the largest id + 1")
    return build(path, ids, widths, sessions, stage, facts.expert_bytes, meta, weights)
