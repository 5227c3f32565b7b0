"""A clock fitted to the steps of an engine's own runs, and tested on runs that it was not fitted to.

A file holds one run, a row per decoding step: its wall time, the part of it that was spent loading, and the bytes loaded.
Loading takes a time per byte, which may fall with the number of reading lanes.  The rest of a step is computing. Where there
is a cache, what is loaded also has to be put there, a time per byte once more.  Where loading runs beside computing, only
the part of it that a step waits for counts, and such runs are fitted apart from the others.  All of it is an estimate, and
its error is what is printed.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.wide_text import wide_text
from ..errors import FormatError, ParameterError

__all__ = ["MeasuredRun", "Prediction", "StepClock", "fit_steps", "predict_steps", "read_steps"]

COLUMNS = ("wall_ms", "io_ms", "compute_ms", "read_bytes", "cache_hit_pct")
LARGEST = 1 << 24  # rows of a file
TOO_MUCH = 1e18  # of a value: milliseconds, or bytes
HIDDEN = 0.02  # of loading and computing together: a shorter wall time means that they overlap
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MeasuredRun:
    """A run, one entry per step.

    Attributes
    ----------
    name : str
    lanes : int or None
        Reads at once; None where it was not told.
    wall, waited, computed : float array, shape (steps,)
        Seconds of the step, of loading and of computing as the engine counts them.
    loaded : float array, shape (steps,)
        Bytes.
    cached : bool
        Whether there was a cache: hit rates of -1 say that there was none.
    """

    name: str
    lanes: int | None
    wall: Floats
    waited: Floats
    computed: Floats
    loaded: Floats
    cached: bool

    @property
    def overlapped(self) -> bool:
        """Whether the wall time is shorter than loading and computing one after the other."""
        return bool(self.wall.sum() < (1 - HIDDEN) * (self.waited + self.computed).sum())

    def seen(self, overlapped: bool) -> Floats:
        """Return the seconds of loading that each step waits for."""
        return np.maximum(self.wall - self.computed, 0.0) if overlapped else self.waited


@dataclass(frozen=True)
class StepClock:
    """What a step takes: seconds, and seconds per byte.

    Attributes
    ----------
    compute, wait : float
        Per step: computing, and loading beside its bytes, which is at least 0 unless ``overlapped``.
    per_byte, by_lanes : float
        Loading takes ``per_byte + by_lanes / lanes`` per byte.
    keep : float or None
        Per byte that is put into a cache, beside computing; None: no fitted run had a cache.
    lanes : tuple of int
        Of the fitted runs; empty where they were not told.
    overlapped : bool
        Whether the fitted runs overlap loading with computing: then loading is what a step waits for.
    """

    compute: float
    wait: float
    per_byte: float
    by_lanes: float
    keep: float | None
    lanes: tuple[int, ...]
    overlapped: bool

    def unknown(self, run: MeasuredRun) -> str:
        """Return why a run cannot be predicted; empty where it can."""
        if self.lanes and run.lanes not in self.lanes and len(self.lanes) < 2:
            return f"it has {run.lanes} lanes, and every fitted run has {self.lanes[0]}"
        if run.cached and self.keep is None:
            return "it has a cache, and no fitted run has one"
        if self.overlapped and not run.overlapped:
            return "its loading does not overlap computing, and that of every fitted run does"
        return ""

    def loading(self, lanes: int | None) -> float:
        """Return the seconds of loading per byte."""
        return self.per_byte + self.by_lanes / (lanes or 1)

    def parts(self, run: MeasuredRun) -> tuple[Floats, Floats]:
        """Return seconds of computing and of loading of each step."""
        keep = (self.keep or 0.0) if run.cached else 0.0
        loading = np.maximum(self.wait + self.loading(run.lanes) * run.loaded, 0.0)
        return self.compute + keep * run.loaded, loading


@dataclass(frozen=True)
class Prediction:
    """A run that the clock was not fitted to; times are seconds per step, means over its steps.

    Attributes
    ----------
    run : MeasuredRun
    fitted : tuple of str
        The runs that the clock was fitted to.
    measured : float
    predicted : float or None
        Computing, and then loading that a step waits for; None: not known, see ``reason``.
    at_once : float or None
        The longer of computing and loading; None also where the fitted runs overlap.
    steps : float or None
        Mean of |predicted - measured| / measured over the steps.
    null : float
        Mean time of the fitted runs, the null model.
    reason : str
    """

    run: MeasuredRun
    fitted: tuple[str, ...]
    measured: float
    predicted: float | None
    at_once: float | None
    steps: float | None
    null: float
    reason: str = ""

    def error(self, predicted: float | None) -> float | None:
        """Return (predicted - measured) / measured."""
        return None if predicted is None else predicted / self.measured - 1

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        return {
            "run": self.run.name,
            "lanes": self.run.lanes,
            "cached": self.run.cached,
            "overlapped": self.run.overlapped,
            "fitted": list(self.fitted),
            "loaded": float(self.run.loaded.mean()),
            "measured": self.measured,
            "predicted": self.predicted,
            "error": self.error(self.predicted),
            "at_once": self.at_once,
            "at_once_error": self.error(self.at_once),
            "step_error": self.steps,
            "null_error": self.error(self.null),
            "reason": self.reason,
        }


def read_steps(path: str | os.PathLike[str], lanes: int | None = None) -> MeasuredRun:
    """Read a run: CSV with a header, a row per step, lines that begin with ``#`` passed over.

    Parameters
    ----------
    path : path
        Columns ``wall_ms``, ``io_ms``, ``compute_ms``, ``read_bytes`` and ``cache_hit_pct`` (-1: no cache); others are ignored.
    lanes : int, optional
        Reads at once, at least 1.

    Raises
    ------
    FormatError
        The file cannot be read, lacks a column, or a value is no number in its range; file and line are named.
    """
    file = Path(path)
    if lanes is not None and lanes < 1:
        raise ParameterError(f"{file}: lanes must be at least 1; got {lanes}")
    found: list[list[float]] = []
    try:
        with file.open("rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
            if (wide := wide_text(raw.peek(64))) is not None:
                raise FormatError(f"{file}: {wide}")
            numbered = ((n, line) for n, line in enumerate(text, start=1) if line.strip() and not line.startswith("#"))
            header = next(csv.reader([next(numbered, (0, ""))[1]]), [])
            missing = [name for name in COLUMNS if header.count(name) != 1]
            if missing:
                raise FormatError(f"{file}: a run needs one column {missing[0]!r}; its first line has {len(header)}")
            places = [header.index(name) for name in COLUMNS]
            for n, line in numbered:
                if len(found) == LARGEST:
                    raise FormatError(f"{file}, line {n}: a run has at most {LARGEST:,} steps")
                found.append(_row(f"{file}, line {n}", line, len(header), places))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{file}: cannot be read; {getattr(error, 'strerror', None) or error}") from None
    if not found:
        raise FormatError(f"{file}: a run needs at least one step; it has none")
    wall, waited, computed, loaded, hits = np.array(found).T
    if not (hits < 0).all() and not (hits >= 0).all():
        raise FormatError(f"{file}: cache_hit_pct must be -1 at every step (no cache), or at none; it is at some")
    return MeasuredRun(file.stem, lanes, wall / 1e3, waited / 1e3, computed / 1e3, loaded, bool(hits[0] >= 0))


def _row(where: str, line: str, width: int, places: Sequence[int]) -> list[float]:
    cells = next(csv.reader([line]))
    if len(cells) != width:
        raise FormatError(f"{where}: a row must have {width} values, as the first line has; it has {len(cells)}")
    row = []
    for name, at in zip(COLUMNS, places, strict=True):
        try:
            value = float(cells[at])
        except ValueError:
            value = math.nan
        if name == "cache_hit_pct":
            if value != -1 and not 0 <= value <= 100:
                raise FormatError(f"{where}: {name} must be -1 or a number from 0 to 100; got {cells[at]!r}")
        elif name == "wall_ms" and not 0 < value < TOO_MUCH:
            raise FormatError(f"{where}: {name} must be a number above 0 and below {TOO_MUCH:g}; got {cells[at]!r}")
        elif not 0 <= value < TOO_MUCH:
            raise FormatError(
                f"{where}: {name} must be a number of at least 0 and below {TOO_MUCH:g}; got {cells[at]!r}"
            )
        row.append(value)
    return row


def fit_steps(runs: Sequence[MeasuredRun], *, overlapped: bool | None = None) -> StepClock:
    """Fit a clock to the steps of runs.

    Parameters
    ----------
    runs : sequence of MeasuredRun
        At least one; lanes are told of all or of none, and all of them overlap loading with computing, or none does.
    overlapped : bool, optional
        Whether they overlap; default: as their times say.

    Raises
    ------
    ParameterError
        No runs, lanes of some only, runs that overlap and others, or steps that all load the same.

    Notes
    -----
    Least squares over all steps, in floats.  Loading that a step waits for is fitted to the bytes and the bytes by lanes.  The
    rest of the wall time is fitted to the bytes of runs with a cache.  Coefficients are not negative, but for those of loading where it
    overlaps computing.  O(steps).

    Examples
    --------
    >>> loaded = np.array([1e8, 2e8, 4e8])
    >>> run = MeasuredRun("a", None, 0.1 + loaded / 1e9, loaded / 1e9, np.full(3, 0.1), loaded, cached=False)
    >>> clock = fit_steps([run])
    >>> round(clock.compute, 6), round(1 / clock.loading(None) / 1e9, 6)
    (0.1, 1.0)
    """
    from scipy.optimize import nnls

    if not runs:
        raise ParameterError("a clock needs at least one run to fit; got none")
    hidden = [run.name for run in runs if run.overlapped]
    if overlapped is None and hidden and len(hidden) < len(runs):
        raise ParameterError(f"{hidden[0]}: loading overlaps computing there, and not in other runs; fit them apart")
    overlapped = bool(hidden) if overlapped is None else overlapped
    lanes = _lanes(runs)
    loaded = np.concatenate([run.loaded for run in runs])
    if np.ptp(loaded) == 0:
        raise ParameterError(f"the fitted steps must load different amounts; all load {loaded[0]:,.0f} bytes")
    waited = np.concatenate([run.seen(overlapped) for run in runs])
    rest = np.concatenate([run.wall for run in runs]) - waited
    kept = np.concatenate([run.loaded * run.cached for run in runs])
    unit = float(loaded.max())  # columns of like size
    ones = np.ones(len(loaded))
    columns = [ones, loaded / unit]
    if len(lanes) > 1:
        columns.append(np.concatenate([run.loaded / (run.lanes or 1) for run in runs]) / unit)
    if overlapped:  # what a step waits for begins where loading is longer than computing: the line may start below zero
        wait, per_byte, *more = np.linalg.lstsq(np.array(columns).T, waited)[0].tolist()
    else:
        wait, per_byte, *more = nnls(np.array(columns).T, waited)[0].tolist()
    by_lanes = more[0] if more else 0.0
    compute, keep = nnls(np.array([ones, kept / unit]).T, rest)[0].tolist()
    keep = keep / unit if kept.any() else None
    return StepClock(compute, wait, per_byte / unit, by_lanes / unit, keep, lanes, overlapped)


def _lanes(runs: Sequence[MeasuredRun]) -> tuple[int, ...]:
    told = [run.lanes for run in runs if run.lanes is not None]
    if told and len(told) < len(runs):
        silent = next(run.name for run in runs if run.lanes is None)
        raise ParameterError(f"{silent}: its lanes are not told, and those of other runs are; tell all or none")
    return tuple(sorted(set(told)))


def predict_steps(fitted: Sequence[MeasuredRun], others: Sequence[MeasuredRun] = ()) -> list[Prediction]:
    """Predict runs from a clock that was not fitted to them.

    Parameters
    ----------
    fitted : sequence of MeasuredRun
    others : sequence of MeasuredRun
        What is predicted; without them each of the fitted runs is, from the rest.

    Raises
    ------
    ParameterError
        As for ``fit_steps``; fewer than two runs, or one of them twice.

    Notes
    -----
    A run is predicted from those that overlap loading with computing as it does.  Where only it overlaps, it is predicted from
    the others, as if it did not and as if it did so fully.
    """
    _lanes([*fitted, *others])
    _apart([*fitted, *others])
    if len(fitted) + len(others) < 2:
        raise ParameterError("a clock is tested on a run that it was not fitted to: two runs or more are needed")
    if others:
        return [_predicted(fitted, run) for run in others]
    return [_predicted([other for other in fitted if other is not run], run) for run in fitted]


def _apart(runs: Sequence[MeasuredRun]) -> None:
    """Refuse a run that is there twice: it would be predicted from itself."""
    for n, one in enumerate(runs):
        for other in runs[:n]:
            if np.array_equal(one.wall, other.wall) and np.array_equal(one.loaded, other.loaded):
                raise ParameterError(f"{one.name}: its steps are those of {other.name}; give each run once")


def _predicted(given: Sequence[MeasuredRun], run: MeasuredRun) -> Prediction:
    alike = [each for each in given if each.overlapped == run.overlapped]
    fitted = alike or list(given)
    clock = fit_steps(fitted)
    names = tuple(each.name for each in fitted)
    null = float(np.concatenate([each.wall for each in fitted]).mean())
    reason = clock.unknown(run)
    measured = float(run.wall.mean())
    if reason:
        return Prediction(run, names, measured, None, None, None, null, reason)
    computing, loading = clock.parts(run)
    predicted = computing + loading
    off = float(np.abs(predicted / run.wall - 1).mean())
    at_once = None if clock.overlapped else float(np.maximum(computing, loading).mean())
    return Prediction(run, names, measured, float(predicted.mean()), at_once, off, null)
