"""A spec, checked whole before anything runs, and the jobs that it stands for."""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ..core.files import read_whole
from ..core.instance import integer
from ..core.registry import nearest
from ..core.trace import Trace
from ..errors import FormatError, LayeredPagingError, ParameterError
from ..formats import load_trace
from .functions import FUNCTIONS, WORK, Function, asks_for, check_value

__all__ = ["JOBS", "Job", "Spec", "canonical", "load_spec", "read_spec"]

JOBS = 250_000  # jobs of a spec
LENGTH = 16 << 20  # bytes of a spec


@dataclass(frozen=True)
class Job:
    """One call, as plain data.

    Attributes
    ----------
    number : int
        Place in the spec; results are in this order.
    function : str
    arguments : dict
        Without trace and seed.
    trace : str or None
        Name of a trace of the spec.
    repeat : int
        0, 1, ...: which of several runs with equal arguments.
    seed : int or None
        Below 2^53; depends on the job's content and the spec's seed only.
    hash : str
        SHA-256 of function, arguments, digest of the trace, repeat, seed and version of this package.
    """

    number: int
    function: str
    arguments: dict[str, Any]
    trace: str | None
    repeat: int
    seed: int | None
    hash: str


@dataclass(frozen=True)
class Spec:
    """A checked spec.

    Attributes
    ----------
    data : dict
        What was given, traces as the text of their paths.
    jobs : tuple of Job
    digests : dict
        Digest of each trace.
    sources : dict
        Path of each trace, or the trace itself where one was given.
    """

    data: dict[str, Any]
    jobs: tuple[Job, ...]
    digests: dict[str, str]
    sources: dict[str, Path | Trace]

    @property
    def identity(self) -> str:
        """SHA-256 of all jobs, in order."""
        return _sha([job.hash for job in self.jobs])


def canonical(value: Any) -> str:
    """Return the one JSON text of a plain value: sorted keys, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _sha(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def load_spec(path: str | Path) -> Spec:
    """Read a spec in TOML; paths of traces are relative to its folder.

    Raises
    ------
    FormatError
        The file cannot be read, is larger than 16 MiB, or is not TOML.
    ParameterError, NotRegistered, TraceError
        As ``read_spec`` raises them; the message begins with the file.
    """
    file = Path(path)
    raw = read_whole(file, LENGTH, "spec")
    try:
        data = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: must be UTF-8 text; {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise FormatError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise FormatError(f"{path}: not TOML; {str(error).splitlines()[0]}") from None
    try:
        return read_spec(data, folder=file.parent)
    except LayeredPagingError as error:
        raise type(error)(f"{path}: {error}") from None


def read_spec(data: Mapping[str, Any], folder: str | Path = ".") -> Spec:
    """Check a spec, and make its jobs.

    Parameters
    ----------
    data : mapping
        ``runs``: a list of blocks.  Each has a ``function``, and a ``trace`` (a name or a list of names) if it needs one.
        Arguments come by ``set`` (argument to value), ``grid`` (argument to list of values, all combinations) and
        ``list`` (rows of arguments).  ``repeat`` is at least 1.  ``traces``: name to path, or to a
        ``Trace``.  ``name``: text.  ``seed``: int of at least 0.
    folder : path
        What the paths of traces are relative to.

    Raises
    ------
    ParameterError
        An unknown key, a value of the wrong kind or out of range, two equal jobs, or a job of more than 10^9 requests.
        More than 250,000 jobs (counted before they are made).
    NotRegistered
        No such policy or adversary.
    TraceError
        A trace cannot be read.

    Examples
    --------
    >>> block = {"function": "competitive_ratio", "set": {"layers": 2, "experts": 2}, "grid": {"policy": ["lru", "llru"], "slots": [2, 3]}}
    >>> [(job.arguments["policy"], job.arguments["slots"]) for job in read_spec({"runs": [block]}).jobs]
    [('lru', 2), ('lru', 3), ('llru', 2), ('llru', 3)]
    """
    _keys("spec", data, ("name", "seed", "traces", "runs"))
    root = integer("seed", data.get("seed", 0), 0)
    if root >= 1 << 64:
        raise ParameterError(f"must be below 2^64; got {root}", parameter="seed")
    if not isinstance(data.get("name", ""), str):
        raise ParameterError(f"must be text; got {data['name']!r}", parameter="name")
    blocks = data.get("runs")
    if not isinstance(blocks, list) or not blocks:
        raise ParameterError("a spec must have at least one block [[runs]]")
    traces = data.get("traces", {})
    if not isinstance(traces, Mapping):
        raise ParameterError(f"must be a table of names and paths; got {traces!r}", parameter="traces")
    checked = [_block(f"runs[{n}]", block, traces) for n, block in enumerate(blocks)]
    total = sum(block.count for block in checked)
    if total > JOBS:
        raise ParameterError(f"a spec stands for at most {JOBS} jobs; this one has {total}: split it")
    used = {name for block in checked for name in block.traces if name is not None}
    if unused := sorted(set(traces) - used):
        raise ParameterError(f"traces.{unused[0]} is used by no block")
    sources, digests = {}, {}
    for name, source in traces.items():
        sources[name] = source if isinstance(source, Trace) else Path(folder) / source
        digests[name] = (source if isinstance(source, Trace) else load_trace(sources[name])).digest()  # type: ignore[arg-type]
    plain = {**data, "traces": {k: "given" if isinstance(v, Trace) else str(v) for k, v in traces.items()}}
    return Spec(json.loads(canonical(plain)), _jobs(checked, digests, root), digests, sources)


@dataclass(frozen=True)
class _Block:
    where: str
    function: str
    traces: list[str | None]
    fixed: dict[str, Any]
    rows: list[dict[str, Any]]
    grid: dict[str, list[Any]]
    repeat: int

    @property
    def count(self) -> int:
        return len(self.traces) * len(self.rows) * prod(map(len, self.grid.values())) * self.repeat


def _keys(where: str, table: Any, known: tuple[str, ...]) -> None:
    if not isinstance(table, Mapping):
        raise ParameterError(f"{where} must be a table; got {str(table)[:80]!r}")
    for key in table:
        if key not in known:
            raise ParameterError(f"{where}: unknown key {key!r}; {nearest(str(key), list(known))}")


def _block(where: str, block: Any, traces: Mapping[str, Any]) -> _Block:
    _keys(where, block, ("function", "trace", "set", "grid", "list", "repeat"))
    name = block.get("function")
    if not isinstance(name, str) or name not in FUNCTIONS:
        raise ParameterError(f"{where}: unknown function {name!r}; {nearest(str(name), list(FUNCTIONS))}")
    function = FUNCTIONS[name]
    chosen: list[str | None] = [None]
    if function.trace != ("trace" in block):
        raise ParameterError(f"{where}: {name} {'needs a' if function.trace else 'takes no'} trace")
    if function.trace:
        given = block["trace"]
        chosen = list(given) if isinstance(given, list) else [given]
        for one in chosen:
            if not isinstance(one, str) or one not in traces:
                raise ParameterError(f"{where}: unknown trace {one!r}; {nearest(str(one), list(traces))}")
            if not isinstance(traces[one], (str, Path, Trace)):
                raise ParameterError(f"traces.{one} must be a path; got {traces[one]!r}")
    fixed, grid, rows = block.get("set", {}), block.get("grid", {}), block.get("list", [{}])
    known = (*function.arguments, *(["seed"] if function.seeded else []))
    if not isinstance(rows, list):
        raise ParameterError(f"{where}.list must be a list of tables; got {rows!r}")
    _keys(f"{where}.set", fixed, known)
    _keys(f"{where}.grid", grid, known)
    for n, row in enumerate(rows):
        _keys(f"{where}.list[{n}]", row, known)
        if set(row) != set(rows[0]):
            raise ParameterError(f"{where}.list[{n}] must give what the first row gives: {', '.join(rows[0])}")
    groups = [set(fixed), set(grid), set(rows[0]) if rows else set()]
    if twice := sorted((groups[0] & groups[1]) | (groups[0] & groups[2]) | (groups[1] & groups[2])):
        raise ParameterError(f"{where}: {twice[0]!r} is given twice, in two of set, grid and list")
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ParameterError(f"{where}.grid.{key} must be a list of at least one value; got {values!r}")
    pairs = [("set", key, value) for key, value in fixed.items()]
    pairs += [("grid", key, value) for key, values in grid.items() for value in values]
    pairs += [(f"list[{n}]", key, value) for n, row in enumerate(rows) for key, value in row.items()]
    for group, key, value in pairs:
        if key == "seed":
            integer(f"{where}.{group}.seed", value, 0)
            if value >= 1 << 53:
                raise ParameterError(f"{where}.{group}.seed must be below 2^53; got {value}")
        else:
            check_value(f"{where}.{group}.{key}", function.arguments[key], value)
    for key, argument in function.arguments.items():
        if argument.required and key not in set().union(*groups):
            raise ParameterError(f"{where}: {name} needs {key!r}, in set, grid or list")
    repeat = integer(f"{where}.repeat", block.get("repeat", 1), 1)
    if repeat > 1 and (not function.seeded or "seed" in set().union(*groups)):
        raise ParameterError(f"{where}: repeat goes with a function that takes a seed, and with none given")
    return _Block(where, name, chosen, dict(fixed), list(rows), dict(grid), repeat)


def _jobs(blocks: list[_Block], digests: Mapping[str, str], root: int) -> tuple[Job, ...]:
    jobs: list[Job] = []
    seen: dict[str, int] = {}
    for block in blocks:
        function = FUNCTIONS[block.function]
        for trace, row, values in itertools.product(block.traces, block.rows, itertools.product(*block.grid.values())):
            arguments = {**block.fixed, **row, **dict(zip(block.grid, values, strict=True))}
            if (work := asks_for(function, arguments)) > WORK:
                names = " x ".join(function.work)
                raise ParameterError(f"{block.where}: a job has at most {WORK} requests ({names}); got {work}")
            for repeat in range(block.repeat):
                job = _job(len(jobs), block.function, function, arguments, trace, digests, repeat, root)
                if seen.setdefault(job.hash, job.number) != job.number:
                    raise ParameterError(
                        f"{block.where}: job {job.number} repeats job {seen[job.hash]} ({canonical(arguments)}); for more seeds use repeat"
                    )
                jobs.append(job)
    return tuple(jobs)


def _job(
    number: int,
    name: str,
    function: Function,
    given: Mapping[str, Any],
    trace: str | None,
    digests: Mapping[str, str],
    repeat: int,
    root: int,
) -> Job:
    from ..core.version import __version__

    arguments = {key: value for key, value in given.items() if key != "seed"}
    content = [name, arguments, None if trace is None else digests[trace], repeat]
    seed = given.get("seed")
    if function.seeded and seed is None:
        seed = spawned(root, _sha(content))
    return Job(number, name, arguments, trace, repeat, seed, _sha([*content, seed, __version__]))


def spawned(root: int, content: str) -> int:
    """Return the seed below 2^53 of a job: the child of ``root`` whose spawn key is the content's hash."""
    import numpy as np

    key = tuple(int(content[at : at + 8], 16) for at in range(0, 64, 8))
    return int(np.random.SeedSequence(root, spawn_key=key).generate_state(1, np.uint64)[0]) >> 11
