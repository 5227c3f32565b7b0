"""Running the results of a paper, and keeping what they find."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..catalog import collect
from ..claims import Unavailable
from ..core.files import write_atomic
from ..core.instance import integer
from ..core.registry import Entry, entries, nearest
from ..core.version import __version__
from ..errors import LayeredPagingError, NotRegistered
from .study import Finding, Study, problems, traces_from

__all__ = ["Outcome", "of_paper", "papers", "reproduce"]

Tick = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one result.

    Attributes
    ----------
    name : str
        Without its paper.
    state : {"run", "kept", "skipped", "failed"}
        ``kept``: the files of an earlier run are still right.
    reported, status, ours, agrees, notes : str
        ``ours`` and ``agrees`` are empty unless run or kept.
    files : list of str
        Written or kept, in the output folder.
    reason : str
        Why it was skipped, or how it failed.
    seconds : float
    """

    name: str
    state: str
    reported: str = ""
    status: str = ""
    ours: str = ""
    agrees: str = ""
    notes: str = ""
    files: list[str] = field(default_factory=list)
    reason: str = ""
    seconds: float = 0.0


def papers() -> list[str]:
    """Return the keys of the papers that have results."""
    return sorted({entry.name.split("/")[0] for entry in all_results()})


def all_results() -> list[Entry]:
    """Return the registered results by name."""
    collect()
    return entries("result")


def of_paper(paper: str, figures: Iterable[str] = ()) -> list[Entry]:
    """Return the results of a paper, or those whose names match.

    Parameters
    ----------
    paper : str
        Its citation key; underscores count as hyphens.
    figures : iterable of str
        Names without the paper, or patterns with ``*`` and ``?``; none for all.

    Raises
    ------
    NotRegistered
        No such paper, or some name matches nothing; the message gives the nearest one.
    """
    key = paper.strip("/").replace("_", "-")
    found = [entry for entry in all_results() if entry.name.split("/")[0] == key]
    if not found:
        raise NotRegistered(f"unknown paper {paper!r}; {nearest(key, papers())}")
    names = [entry.name.split("/")[1] for entry in found]
    chosen: set[str] = set()
    for wanted in figures:
        matching = {name for name in names if fnmatchcase(name, wanted)}
        if not matching:
            raise NotRegistered(f"{key}: no figure or table {wanted!r}; {nearest(wanted, names)}")
        chosen |= matching
    return [entry for entry, name in zip(found, names, strict=True) if not chosen or name in chosen]


def reproduce(
    paper: str,
    figures: Iterable[str] = (),
    *,
    scope: str = "small",
    seed: int = 0,
    traces: Sequence[str | os.PathLike[str]] = (),
    output: str | os.PathLike[str] | None = None,
    again: bool = False,
    tick: Tick = lambda name, done, total: None,
) -> list[Outcome]:
    """Run the results of a paper and write what they find.

    Parameters
    ----------
    paper, figures
        As for `of_paper`.
    scope : {"small", "full"}
        Small takes seconds.
    seed : int
        At least 0.
    traces : sequence of paths
        Trace files; by default those of the folder that LAYERED_PAGING_TRACES names, if any.
    output : path, optional
        Folder for NAME.json, NAME.csv and NAME.svg, made if need be; None writes nothing.
    again : bool
        Run also what an earlier run left there.
    tick : callable
        ``tick(name, done, total)`` as each result advances.

    Returns
    -------
    list of Outcome
        One a result, by name.  A result whose files in ``output`` were made by the same package version,
        result file, scope, seed and traces is kept. So an interrupted run resumes.

    Raises
    ------
    NotRegistered
        Unknown paper or figure.
    ParameterError
        Scope or seed is out of range.
    FormatError, TraceError
        A trace cannot be read.
    LayeredPagingError
        The folder cannot be written.
    """
    chosen = of_paper(paper, figures)
    seed = integer("seed", seed, 0)
    given = traces_from(traces)
    target = None if output is None else Path(output)
    if target is not None:
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LayeredPagingError(f"{target}: cannot be made a folder; {error.strerror}") from None
    outcomes = []
    for entry in chosen:
        name = entry.name.split("/")[1]
        tick(name, 0, 1)
        study = Study(scope, seed, given, lambda done, total, name=name: tick(name, done, total))  # type: ignore[misc]
        outcomes.append(_one(entry, study, target, again))
    return outcomes


def _one(entry: Entry, study: Study, target: Path | None, again: bool) -> Outcome:
    name = entry.name.split("/")[1]
    facts = entry.properties
    head: dict[str, Any] = {"reported": str(facts.get("reported", "")), "status": str(facts.get("status", ""))}
    wrong = problems(entry)
    if wrong:
        return Outcome(name, "failed", **head, reason="; ".join(wrong))
    if facts.get("needs_traces") and not study.given:
        reason = "needs traces: give --trace FILE, or the folder of some by LAYERED_PAGING_TRACES"
        return Outcome(name, "skipped", **head, reason=reason)
    if target is not None and not again:
        kept = _kept(target / f"{name}.json", entry, study)
        if kept is not None:
            return Outcome(name, "kept", **head, **{key: kept[key] for key in ("ours", "agrees", "notes", "files")})
    start = time.perf_counter()
    try:
        finding = entry.obj(study)
        if not isinstance(finding, Finding):
            raise LayeredPagingError(f"{entry.name} must return a Finding; got {type(finding).__name__}")
        files = [] if target is None else _write(target, name, entry, study, finding)
    except Unavailable as missing:
        return Outcome(name, "skipped", **head, reason=str(missing), seconds=time.perf_counter() - start)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return Outcome(name, "failed", **head, reason=reason, seconds=time.perf_counter() - start)
    seconds = time.perf_counter() - start
    return Outcome(
        name, "run", **head, ours=finding.ours, agrees=finding.agrees, notes=finding.notes, files=files, seconds=seconds
    )


_IMPORTS = re.compile(r"^ *(?:from [\w.]+ import (?:\([^)]*\)|[^\n]*)|import [^\n]*)\n", re.MULTILINE)


def fingerprint(entry: Entry, scope: str, seed: int, traces: Mapping[str, str] | None) -> str:
    """Return what a result's files stand for: version, its source file, scope, seed and the digests of the traces used.

    Import statements do not count, so that a module may move.
    """
    source = Path(entry.source)
    sha = hashlib.sha256(_IMPORTS.sub("", source.read_text() if source.is_file() else "").encode())
    given = None if traces is None else sorted(traces.items())
    sha.update(json.dumps([__version__, scope, seed, given]).encode())
    return "sha256:" + sha.hexdigest()


def read_result(path: Path) -> dict[str, Any] | None:
    """Return what a result file holds, or None where there is none that can be read."""
    try:
        found = json.loads(path.read_bytes())
        texts = ("paper", "name", "reported", "status", "agrees_when", "ours", "agrees", "notes")
        good = all(isinstance(found[key], str) for key in texts)
        good = good and isinstance(found["rows"], list) and isinstance(found["provenance"], dict)
        good = good and all(isinstance(file, str) for file in found["files"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if good else None


def _kept(path: Path, entry: Entry, study: Study) -> dict[str, Any] | None:
    found = read_result(path)
    if found is None or any(found[key] != entry.properties[key] for key in ("reported", "status", "agrees_when")):
        return None
    if not all((path.parent / Path(file).name).is_file() for file in found["files"]):
        return None
    used = found["provenance"].get("traces") is not None
    key = fingerprint(entry, study.scope, study.seed, study.digests if used else None)
    return found if found["provenance"].get("key") == key else None


def _write(target: Path, name: str, entry: Entry, study: Study, finding: Finding) -> list[str]:
    """Write picture and data; the JSON file comes last and vouches for the others."""
    import numba
    import numpy

    files = [f"{name}.json", f"{name}.csv"]
    write_atomic(target / f"{name}.csv", _table_text(finding).encode())
    if finding.draw is not None:
        from ..plot import new_figure, save_figure

        figure = new_figure()
        finding.draw(figure)
        files.append(f"{name}.svg")
        save_figure(figure, target / files[-1])
    traces = {n: {"digest": t.digest(), "trace": repr(t)[8:-1]} for n, t in study.given} if study.used_traces else None
    answer = {
        "paper": entry.name.split("/")[0],
        "name": name,
        **{key: entry.properties[key] for key in ("reported", "status", "agrees_when")},
        **{key: getattr(finding, key) for key in ("ours", "agrees", "notes")},
        "files": files,
        "provenance": {
            "key": fingerprint(entry, study.scope, study.seed, study.digests if study.used_traces else None),
            "scope": study.scope,
            "seed": study.seed,
            "version": __version__,
            "python": platform.python_version(),
            "numpy": numpy.__version__,
            "numba": numba.__version__,
            "traces": traces,
        },
    }
    lines = ",\n".join("  " + json.dumps(row, allow_nan=False) for row in finding.rows)
    text = (
        json.dumps(answer, indent=1, allow_nan=False, ensure_ascii=False)[:-2] + ',\n "rows": [\n' + lines + "\n ]\n}\n"
    )
    write_atomic(target / files[0], text.encode())
    return files


def _table_text(finding: Finding) -> str:
    columns = list(dict.fromkeys(name for row in finding.rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(finding.rows)
    return text.getvalue()
