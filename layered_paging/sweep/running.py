"""Run a spec: hand out batches, keep what comes back, write the results."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import queue
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.files import write_atomic
from ..core.instance import integer
from ..core.rules import choice
from ..core.trace import Trace
from ..core.words import install
from ..errors import LayeredPagingError, ParameterError
from ..formats import save_trace
from .executors import Cluster, Given, Place, Processes
from .journal import Journal, write_parquet, write_results, write_timings
from .spec import Job, Spec, read_spec
from .worker import Task

__all__ = ["FORMATS", "Report", "run"]

FORMATS = ("jsonl", "parquet")
LARGEST = 512  # jobs of a batch
HOPELESS = 8  # deaths one after another, with no job done at all, after which we give up


@dataclass(frozen=True)
class Report:
    """What a sweep did.

    Attributes
    ----------
    folder, results : Path
    jobs, played : int
        All of the spec, and those of this run.
    failures : list of (int, str)
        Job and one-line error, of the whole sweep.
    """

    folder: Path
    results: Path
    jobs: int
    played: int
    failures: list[tuple[int, str]]


def run(
    spec: Spec | Mapping[str, Any],
    output: str | Path,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    executor: Any = None,
    resume: bool = False,
    retry: bool = False,
    form: str = "jsonl",
    progress: Callable[[int, int, int], None] = lambda done, total, failures: None,
) -> Report:
    """Run all jobs of a spec and write their results.

    Parameters
    ----------
    spec : Spec or mapping
        From ``load_spec``, or the plain data that ``read_spec`` takes.
    output : path
        A folder that does not exist or is empty, unless ``resume``.  It gets ``sweep.json`` (spec, versions,
        hashes), ``journal.jsonl``, ``results.jsonl`` and ``timings.jsonl``.
    workers : int, optional
        Processes, at least 1; default: the cores.  With an address in ``cluster`` it must not be given.
    cluster : str, optional
        Address of a Dask scheduler, or ``local`` to start one.
    executor : object, optional
        Anything with ``submit(function, *arguments)`` that returns a ``concurrent.futures.Future``.
    resume : bool
        Go on in a folder, and skip what its journal holds.
    retry : bool
        With ``resume``: play again what failed.
    form : {"jsonl", "parquet"}
        Parquet: ``results.parquet`` besides ``results.jsonl``.
    progress : callable
        Called as ``progress(done, total, failures)``.

    Returns
    -------
    Report

    Raises
    ------
    ParameterError
        The spec, or another argument, is wrong; the folder is not empty.
    LayeredPagingError
        The folder cannot be written, belongs to another spec, or is in use; the cluster does not answer;
        workers cannot be started.

    Notes
    -----
    The results do not depend on workers, order or interruptions.  A job that raises is listed with its
    error.  When a worker process dies, the jobs in flight are played again one at a time. One whose worker
    dies then is listed as a failure.

    Examples
    --------
    >>> import tempfile
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> block = {"function": "coupon", "grid": {"experts": [2, 4]}, "set": {"samples": 10}}
    >>> with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
    ...     report = run({"runs": [block]}, f"{folder}/out", executor=pool)
    >>> report.jobs, report.played, report.failures
    (2, 2, [])
    """
    plan = spec if isinstance(spec, Spec) else read_spec(spec)
    choice("form", form, FORMATS)
    if form == "parquet":
        _needs_pyarrow()
    count = integer("workers", workers, 1) if workers is not None else os.cpu_count() or 1
    if cluster is not None and executor is not None:
        raise ParameterError("give one of cluster and executor, not both")
    if cluster not in (None, "local") and workers is not None:
        raise ParameterError("goes with processes or cluster 'local'; a scheduler knows its own", parameter="workers")
    if retry and not resume:
        raise ParameterError("goes with resume", parameter="retry")
    folder = Path(output)
    _folder(folder, resume)
    journal = Journal(folder / "journal.jsonl", plan.identity, len(plan.jobs))
    try:
        header = {
            "name": plan.data.get("name"),
            "identity": plan.identity,
            "jobs": len(plan.jobs),
            "traces": plan.digests,
            "versions": _versions(),
            "spec": plan.data,
        }
        write_atomic(folder / "sweep.json", (json.dumps(header, indent=1, sort_keys=True) + "\n").encode())
        left = [job for job in plan.jobs if _open(journal.rows.get(job.number), retry)]
        if left:
            paths = _paths(plan, folder)
            place: Place
            if executor is not None:
                place = Given(executor, count)
            else:
                place = Processes(min(count, len(left))) if cluster is None else Cluster(cluster, count)
            try:
                _Driver(plan, journal, place, paths, progress).play(left)
            finally:
                place.close()
        journal.sync()
        results = folder / "results.jsonl"
        write_timings(folder / "timings.jsonl", journal.rows)
        if form == "parquet":
            write_parquet(folder / "results.parquet", plan.jobs, journal.rows)
        write_results(results, plan.jobs, journal.rows)
    finally:
        journal.close()
    failures = [(n, str(row["error"])) for n, row in sorted(journal.rows.items()) if "error" in row]
    return Report(folder, results, len(plan.jobs), len(left), failures)


def _open(row: Mapping[str, Any] | None, retry: bool) -> bool:
    return row is None or (retry and "error" in row)


def _needs_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ParameterError(f"parquet needs pyarrow; {install('parquet', 'pyarrow')}") from None


def _folder(folder: Path, resume: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = sorted(entry.name for entry in folder.iterdir())
    except (OSError, ValueError) as error:
        raise LayeredPagingError(
            f"{folder}: cannot be made a folder; {getattr(error, 'strerror', None) or error}"
        ) from None
    if held and not resume:
        raise ParameterError(f"{folder}: must be a new or an empty folder, or go on with resume; it holds {held[0]}")
    if held and "journal.jsonl" not in held:
        raise ParameterError(f"{folder}: holds no journal of a sweep to resume; it holds {held[0]}")


def _versions() -> dict[str, str]:
    from ..core.version import __version__

    versions = {"layered-paging": __version__, "python": platform.python_version()}
    return versions | {name: importlib.metadata.version(name) for name in ("numpy", "numba", "scipy")}


def _paths(plan: Spec, folder: Path) -> dict[str, str]:
    paths = {}
    for name, source in plan.sources.items():
        if isinstance(source, Trace):
            file = folder / f"trace-{plan.digests[name].partition(':')[2][:16]}.npz"
            save_trace(source, file)
        else:
            file = source
        paths[plan.digests[name]] = str(file.resolve())
    return paths


class _Driver:
    """The loop that hands out batches and takes them back."""

    def __init__(
        self,
        plan: Spec,
        journal: Journal,
        place: Place,
        paths: Mapping[str, str],
        progress: Callable[[int, int, int], None],
    ) -> None:
        self.plan, self.journal, self.place, self.paths, self.progress = plan, journal, place, paths, progress
        self.back: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self.flying: dict[Future[Any], list[Job]] = {}
        self.suspects: deque[Job] = deque()
        self.mean: float | None = None  # seconds of a job, the latest counting most
        self.failures = sum("error" in row for row in journal.rows.values())
        self.deaths = 0
        self.broken = False

    def play(self, jobs: list[Job]) -> None:
        """Play jobs until every one has a line in the journal."""
        waiting = deque(jobs)
        while waiting or self.suspects or self.flying:
            if self.broken and not self.flying:
                self.place.renew()
                self.broken = False
            if self.suspects and not self.flying:
                self.hand_in([self.suspects.popleft()])
            elif not self.suspects and not self.broken:
                workers = self.place.workers
                while waiting and len(self.flying) < 2 * workers + 1 and not self.broken:
                    size = self.size(len(waiting), workers)
                    self.hand_in([waiting.popleft() for _ in range(size)])
            if self.flying:
                self.take()
            self.progress(len(self.journal.rows), len(self.plan.jobs), self.failures)

    def size(self, waiting: int, workers: int) -> int:
        """Return how many jobs to send together: enough to last ``place.batch`` seconds, fewer near the end."""
        wanted = 1 if self.mean is None else int(self.place.batch / max(self.mean, 1e-6))
        return max(1, min(wanted, LARGEST, -(-waiting // (3 * workers))))

    def hand_in(self, batch: list[Job]) -> None:
        """Submit a batch; if no worker takes it, its jobs are suspects."""
        digests = self.plan.digests
        tasks: list[Task] = [
            (job.number, job.function, job.arguments, None if job.trace is None else digests[job.trace], job.seed)
            for job in batch
        ]
        try:
            future = self.place.submit(tasks, self.paths)
        except BrokenExecutor as error:
            self.died(batch, error, alone=False)
            return
        self.flying[future] = batch
        future.add_done_callback(self.back.put)

    def take(self) -> None:
        """Wait for a batch, at most a second, and keep what it brings."""
        try:
            future = self.back.get(timeout=1)
        except queue.Empty:
            return
        alone = len(self.flying) == 1
        batch = self.flying.pop(future)
        try:
            rows = future.result()
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            self.died(batch, error, alone and len(batch) == 1 and not self.broken)
            return
        self.deaths = 0
        seconds = sum(row["seconds"] for row in rows) / len(rows)
        self.mean = seconds if self.mean is None else 0.7 * self.mean + 0.3 * seconds
        self.keep(rows)

    def died(self, batch: list[Job], error: BaseException, alone: bool) -> None:
        """Note that workers died under a batch: guilty if it was alone, else to be tried alone."""
        self.deaths += 1
        if self.deaths > HOPELESS and not self.journal.rows:
            raise LayeredPagingError(
                f"workers cannot be started, or all die; {type(error).__name__}: {' '.join(str(error).split())[:300]}"
            )
        self.broken = True
        if alone:
            text = f"its worker died ({type(error).__name__}) when the job ran alone"
            self.keep([{"job": batch[0].number, "error": text, "seconds": 0.0, "worker": None}])
        else:
            self.suspects.extend(batch)

    def keep(self, rows: list[dict[str, Any]]) -> None:
        """Put rows into the journal."""
        self.journal.append(rows)
        self.failures += sum("error" in row for row in rows)
