"""Sweeps on a real Dask scheduler, with workers that are processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from layered_paging import sweep
from layered_paging.samples import SAMPLE

distributed = pytest.importorskip("distributed", reason="the extra cluster (dask.distributed) is absent")

SPEC = f"""
seed = 4
[traces]
sample = "{SAMPLE}"
[[runs]]
function = "replay"
trace = "sample"
set = {{policy = "marking", slots = 48, engine = "reference"}}
repeat = 24
[[runs]]
function = "replay"
trace = "sample"
set = {{policy = "lru", slots = 1}}
"""


@contextmanager
def scheduler(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start a scheduler and workers without nannies; yield its address and the workers."""
    told = folder / "scheduler.json"
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "DASK_DISTRIBUTED__WORKER__DAEMON": "false"}
        log = (folder / f"log{len(started)}").open("wb")
        process = subprocess.Popen([sys.executable, "-m", *words], stdout=log, stderr=log, cwd=folder, env=environment)
        log.close()
        started.append(process)
        return process

    try:
        start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told))  # fmt: skip
        end = time.monotonic() + 60
        while not told.exists() and time.monotonic() < end:
            time.sleep(0.05)
        address = json.loads(told.read_text())["address"]
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
        yield address, [start("distributed.cli.dask_worker", address, *options) for _ in range(workers)]
    finally:
        for process in started:
            process.kill()
            process.wait()


def journal(folder: Path) -> list[dict[str, object]]:
    try:
        return [json.loads(line) for line in (folder / "journal.jsonl").read_bytes().split(b"\n")[1:-1]]
    except FileNotFoundError:
        return []


def test_a_killed_worker_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(SPEC)
    spec = sweep.load_spec(tmp_path / "spec.toml")
    one = sweep.run(spec, tmp_path / "one", workers=1)
    assert [number for number, _ in one.failures] == [24]
    with scheduler(tmp_path, 3) as (address, workers):
        with distributed.Client(address) as client:
            client.wait_for_workers(3, timeout=60)
        words = ["sweep", "spec.toml", "-o", "two", "--cluster", address, "--json"]
        driver = subprocess.Popen(
            [sys.executable, "-m", "layered_paging", *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 60
        while len({row["worker"] for row in journal(tmp_path / "two")}) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        seen = {str(row["worker"]).rpartition(":")[2] for row in journal(tmp_path / "two")}
        victim = next(worker for worker in workers if str(worker.pid) in seen)
        assert len(journal(tmp_path / "two")) < 25
        victim.send_signal(signal.SIGKILL)
        _, err = driver.communicate(timeout=120)
    assert driver.returncode == 1, err
    assert len({row["worker"] for row in journal(tmp_path / "two")}) >= 2
    assert (tmp_path / "two" / "results.jsonl").read_bytes() == one.results.read_bytes()


def test_traces_are_sent_once_and_need_no_shared_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    scatter = distributed.Client.scatter
    monkeypatch.setattr(
        distributed.Client, "scatter", lambda self, data, **more: sent.append(data) or scatter(self, data, **more)
    )
    block = {"function": "replay", "trace": "sample", "grid": {"slots": list(range(10, 40))}, "set": {"policy": "lru"}}
    spec = sweep.read_spec({"traces": {"sample": str(SAMPLE)}, "runs": [block]})
    one = sweep.run(spec, tmp_path / "one", workers=1)
    two = sweep.run(spec, tmp_path / "two", cluster="local", workers=2)
    assert sent == [SAMPLE.read_bytes()]
    assert two.results.read_bytes() == one.results.read_bytes()
    assert two.failures == []
