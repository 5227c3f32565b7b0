"""From what the user names to a trace: one file, standard input, a folder or several files."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.parts import LongTrace
from ..core.trace import Trace
from ..errors import FormatError, ParameterError
from .base import OPTIONS, Format, Reading, flag_of
from .common import build, guarded
from .known import detect
from .opening import spooled
from .parquet_table import is_layer, read_layers

__all__ = ["load", "open_long"]

STDIN = "-"
_WORDS = re.compile(r"(?i)(?:readme|license|licence|notice|copying)(?:$|\.(?:md|rst|txt)$)|.*\.(?:md|rst)$")
AnyPath = str | os.PathLike[str]


def load(path: AnyPath | Sequence[AnyPath], how: Reading) -> Trace:
    """Read what ``load_trace`` is given; what is assumed is added to ``how`` and to the trace's meta."""
    if isinstance(path, (str, os.PathLike)):
        trace = _one(path, how)
    elif not isinstance(path, Sequence) or not all(isinstance(one, (str, os.PathLike)) for one in path):
        raise ParameterError(f"must be a path of a file, or a list of paths; got {path!r}", parameter="path")
    elif not path:
        raise ParameterError("must name at least one file; got none", parameter="path")
    else:
        trace = _joined([Path(p) for p in path], how)
    if how.assumed:
        trace.meta["assumed"] = list(how.assumed)  # of this reading; what an earlier one assumed is in that file
    return trace


def _one(path: AnyPath, how: Reading) -> Trace:
    if str(path) == STDIN:
        with spooled() as whole:
            return _file(whole, how)
    file = Path(path)
    with guarded(file):
        folder = "\0" not in str(file) and file.is_dir()
    return _folder(file, how) if folder else _file(file, how)


def _file(file: Path, how: Reading) -> Trace:
    known = detect(file)
    how.formats.append(known.name)
    _check_options(file, known, how)
    with guarded(file):
        return known.read(file, how)


def _check_options(file: Path, known: Format, how: Reading) -> None:
    """Refuse an option that means nothing for the format of the file."""
    for name in how.given():
        if name not in known.takes and how.lenient:
            setattr(how, name, {} if name == "columns" else None)
        elif name not in known.takes:
            typed = flag_of(name)
            use = ", ".join(flag_of(o) for o in OPTIONS if o in known.takes) or "none of these options"
            raise ParameterError(f"{typed} does not apply to {file}: it is {known.name}, which takes {use}")


def open_long(path: AnyPath, how: Reading) -> LongTrace:
    """Open a file to be read in parts."""
    file = Path(path)
    if str(path) == STDIN or file.is_dir():
        raise FormatError(f"{path}: must be a file to be read in parts, since it is read more than once")
    known = detect(file)
    how.formats.append(known.name)
    _check_options(file, known, how)
    if not known.in_parts and not known.writes:
        trace = load(file, how)
        how.assume("memory", "whole", f"{known.name} is not read in parts")
        return LongTrace.of(trace)
    if not known.in_parts:
        raise FormatError(
            f"{file}: {known.name} is not read in parts; 'layered-paging convert' writes .parquet or .jsonl"
        )
    with guarded(file):
        return known.open(file, how)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Return a key that sorts names by their numbers: a2 before a10."""
    return [(0, int(x), "") if x.isdigit() else (1, 0, x) for x in re.findall(r"\d{1,18}|\D+", path.name)]


def _folder(folder: Path, how: Reading) -> Trace:
    """Read a folder: one file a layer, or one trace of all its files."""
    with guarded(folder):
        inside = sorted((p for p in folder.iterdir() if not p.name.startswith(".") and p.is_file()), key=natural)
    if not inside:
        raise FormatError(f"{folder}: this is a directory without files; a folder of logs must hold at least one")
    words = [file.name for file in inside if _WORDS.match(file.name)]
    inside = [file for file in inside if file.name not in words]
    if words and inside:
        how.assume("files", f"all but {', '.join(words)[:120]}", "these are written for people")
    if not inside:
        raise FormatError(f"{folder}: a folder of logs must hold at least one; it holds only {', '.join(words)[:200]}")
    if all(is_layer(file) for file in inside):
        return read_layers(folder, inside, how)
    return _joined(inside, how)


def _sizes(trace: Trace) -> list[int] | None:
    return None if trace.expert_bytes is None else [int(n) for n in trace.expert_bytes]


def _joined(files: Sequence[Path], how: Reading) -> Trace:
    """Read several files of one model as one trace, one session each, in the order given."""
    traces = []
    for file in files:
        inner = Reading(how.layout, how.columns, how.tokens, how.top_k, how.n_experts, how.lenient)
        traces.append(_one(file, inner))
        how.formats += inner.formats
        for note in inner.assumed:
            if note["about"] != "n_experts":
                how.assume(note["about"], note["taken"], note["why"])
        inferred = any(note["about"] == "n_experts" for note in inner.assumed)
        traces[-1].meta["inferred"] = inferred
    if len(traces) == 1:
        traces[0].meta.pop("inferred")
        return traces[0]
    first = traces[0]
    for file, trace in zip(files[1:], traces[1:], strict=True):
        if trace.layers != first.layers:
            raise FormatError(
                f"{file}: must have the {first.layers} layers of {files[0].name}, to be one trace; it has {trace.layers}"
            )
        if trace.meta.get("layer_names") != first.meta.get("layer_names"):
            raise FormatError(f"{file}: must name its layers as {files[0].name} does, to be one trace")
        if _sizes(first) != _sizes(trace):
            raise FormatError(f"{file}: must have the expert_bytes of {files[0].name}, to be one trace")
    stated = {t.n_experts for t in traces if not t.meta["inferred"]}
    if len(stated) > 1:
        raise FormatError(
            f"{files[0].parent}: files of one trace must state one number of experts; got {sorted(stated)[:4]}"
        )
    widths = tuple(max(t.n_experts[j] for t in traces) for j in range(first.layers))
    if stated and widths != next(iter(stated)):
        raise FormatError(
            f"{files[0].parent}: files of one trace must have ids below {next(iter(stated))}; found {widths}"
        )
    if not stated:
        how.assume("n_experts", widths[0] if len(set(widths)) == 1 else list(widths), "the largest id + 1 in all files")
    top = max(t.top_k for t in traces)
    experts = np.concatenate(
        [np.pad(t.experts, ((0, 0), (0, 0), (0, top - t.top_k)), constant_values=-1) for t in traces]
    )
    weights = None
    if all(t.weights is not None for t in traces):
        weights = np.concatenate(
            [np.pad(t.weights, ((0, 0), (0, 0), (0, top - t.top_k))) for t in traces if t.weights is not None]
        )
    starts = np.cumsum([0, *(t.rounds for t in traces[:-1])])
    meta = {key: value for key, value in first.meta.items() if key not in ("assumed", "inferred", "items", "requests")}
    meta["files"] = [file.name for file in files]
    how.assume("sessions", f"{len(files)} files", "one after the other, in the order of their names or as given")
    return build(
        files[0].parent,
        experts,
        widths,
        np.concatenate([t.sessions + s for t, s in zip(traces, starts, strict=True)]),
        np.concatenate([t.stage for t in traces]),
        first.expert_bytes,
        meta,
        weights,
    )
