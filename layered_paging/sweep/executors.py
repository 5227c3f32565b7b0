"""Where jobs run: processes of this machine, a cluster, or any executor that is given."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from ..core.words import install
from ..errors import LayeredPagingError, ParameterError
from .worker import Task, perform, watch

__all__ = ["Cluster", "Given", "Place", "Processes"]

START = 60  # seconds in which a cluster must show a worker


class Place(Protocol):
    """What ``running`` needs to know of the place where jobs run."""

    batch: float  # seconds that a batch of jobs should take

    @property
    def workers(self) -> int:
        """How many jobs run at the same time."""

    def submit(self, tasks: Sequence[Task], paths: Mapping[str, str]) -> Future[Any]:
        """Hand in a batch."""

    def renew(self) -> None:
        """Start anew after workers died; nothing is in flight."""

    def close(self) -> None:
        """End all workers, whatever they do."""


def _paths(tasks: Sequence[Task], paths: Mapping[str, str]) -> dict[str, str]:
    return {digest: paths[digest] for digest in dict.fromkeys(task[3] for task in tasks) if digest is not None}


class Given:
    """An executor that the caller owns: it has ``submit(function, *arguments)``, and is not shut down."""

    batch = 0.25

    def __init__(self, executor: Any, workers: int) -> None:
        self.workers = workers
        self._executor = executor

    def submit(self, tasks: Sequence[Task], paths: Mapping[str, str]) -> Future[Any]:
        """Hand in a batch."""
        future: Future[Any] = self._executor.submit(perform, list(tasks), _paths(tasks, paths))
        return future

    def renew(self) -> None:
        """Leave it to the owner."""

    def close(self) -> None:
        """Leave it to the owner."""


class Processes:
    """Processes of this machine, started afresh (not forked); they end with this one, however it ends."""

    batch = 0.25

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: Executor | None = None
        self._end: Callable[[], None] = lambda: None

    def submit(self, tasks: Sequence[Task], paths: Mapping[str, str]) -> Future[Any]:
        """Hand in a batch."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            theirs, ours = context.Pipe(duplex=False)
            self._end = ours.close
            self._pool = ProcessPoolExecutor(self.workers, context, watch, (theirs,))
        return self._pool.submit(perform, list(tasks), _paths(tasks, paths))

    def renew(self) -> None:
        """Drop the broken pool; the next batch starts another."""
        self.close()

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._end()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Let processes that are started meanwhile ignore Ctrl-C, which is the driver's affair."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Cluster:
    """A Dask scheduler, or one started here for this run (address ``local``).

    The files of traces are scattered to the workers once; a batch names them.
    """

    batch = 0.5

    def __init__(self, address: str, workers: int) -> None:
        try:
            import distributed
        except ImportError:
            raise ParameterError(f"a cluster needs dask.distributed; {install('cluster', 'distributed')}") from None
        self._local: Any = None
        try:
            if address == "local":
                with _unheard():
                    self._local = distributed.LocalCluster(
                        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
                    )
            self._client: Any = distributed.Client(self._local or address, timeout=START, set_as_default=False)
            self._client.wait_for_workers(1, timeout=START)
        except (OSError, ValueError, TimeoutError) as error:
            self.close()
            raise LayeredPagingError(f"cluster {address}: no scheduler with a worker answers; {error}") from None
        self._executor = self._client.get_executor(pure=False)
        self._sent: dict[str, Any] = {}

    @property
    def workers(self) -> int:
        """Threads of all workers that are there now, at least 1."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def submit(self, tasks: Sequence[Task], paths: Mapping[str, str]) -> Future[Any]:
        """Hand in a batch."""
        here = _paths(tasks, paths)
        for digest, path in here.items():
            if digest not in self._sent:
                self._sent[digest] = self._client.scatter(Path(path).read_bytes(), broadcast=True, hash=False)
        names = {digest: os.path.basename(path) for digest, path in here.items()}
        sent = [self._sent[digest] for digest in here]
        future: Future[Any] = self._executor.submit(perform, list(tasks), names, list(here), *sent)
        return future

    def renew(self) -> None:
        """Scatter the traces again: those who held them may be gone."""
        self._sent.clear()

    def close(self) -> None:
        """Leave the scheduler; end it if it was started here."""
        if hasattr(self, "_client"):
            self._client.close()
        if self._local is not None:
            self._local.close()
