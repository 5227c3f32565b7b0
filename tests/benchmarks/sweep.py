"""Sweeps: efficiency, overhead, growth with workers, what kills cost, and what that means for very long traces.

``python tests/benchmarks/sweep.py [--jobs N] [--milliseconds T] [--short T] [--skip-long]``

The study is N replays by the reference loop of a synthetic trace whose length is chosen so that one takes
about T milliseconds alone.  Every figure is of the whole command, start and writing included.

efficiency: N x (seconds of a job alone) / (cores x seconds of the command).
CPU time: N x (seconds of a job alone) / (CPU seconds of all processes), which other programs disturb little,
and which does not see cores that stand idle.
control: how many cores busy loops, one a core, really got just before and just after; where that is less than
the cores, something else was running, and the efficiency is not one of this package alone.
overhead: cores x seconds of the command / N for jobs that do next to nothing.
Then shorter jobs: 1, 2 and 4 workers; the command killed by SIGKILL in the middle and resumed; a Dask cluster
of four workers started here, one of which is killed by SIGKILL.  Result files are compared byte by byte.
The last lines divide 10^12 requests by the rates measured here.  ``--json`` prints one JSON object instead.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import layered_paging as lp

POLICY = {"policy": "marking", "slots": 48, "engine": "reference"}
REQUESTS, MACHINES, CORES = 10**12, 100, 64


def alone(trace: lp.Trace, times: int = 15) -> float:
    """Return the median CPU seconds of one job in this process; it uses one core and waits for nothing."""
    found = []
    for seed in range(times):
        began = time.process_time()
        lp.replay(trace, **POLICY, seed=seed)
        found.append(time.process_time() - began)
    return statistics.median(found)


LOOP = "import time; b = time.perf_counter(); sum(range(60_000_000)); print(time.process_time() / (time.perf_counter() - b))"


def control(cores: int) -> float:
    """Return how many cores that many busy loops get together."""
    loops = [subprocess.Popen([sys.executable, "-c", LOOP], stdout=subprocess.PIPE) for _ in range(cores)]
    return sum(min(1.0, float(loop.communicate()[0])) for loop in loops)


def study(folder: Path, name: str, milliseconds: float, jobs: int) -> tuple[Path, float]:
    """Write a trace and a spec; return the spec, and the seconds of a job alone."""
    rounds = 400
    for _ in range(3):  # the length that takes so long, from the length before it
        rounds = max(2, round(rounds * milliseconds / 1000 / alone(lp.workloads.zipf(8, 16, rounds))))
    trace = lp.workloads.zipf(8, 16, rounds)
    lp.save_trace(trace, folder / f"{name}.npz")
    spec = folder / f"{name}.toml"
    fixed = ", ".join(f"{key} = {json.dumps(value)}" for key, value in POLICY.items())
    spec.write_text(
        f'[traces]\nt = "{name}.npz"\n[[runs]]\nfunction = "replay"\ntrace = "t"\nset = {{{fixed}}}\nrepeat = {jobs}\n'
    )
    return spec, alone(trace)


def start(spec: Path, out: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start the command."""
    command = [sys.executable, "-m", "layered_paging", "sweep", str(spec), "-o", str(out), "--json", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def timed(spec: Path, out: Path, *words: str) -> tuple[float, float, float]:
    """Run the command; return its seconds, the MiB of its largest process, and CPU seconds of all its processes."""
    began = time.perf_counter()
    process = start(spec, out, *words)
    assert process.stderr is not None
    err = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, err.decode()
    return time.perf_counter() - began, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def killed(process: subprocess.Popen[bytes], out: Path, lines: int, worker: bool) -> int:
    """Kill the command, or one of its workers, when its journal has so many lines; return how many it had."""
    journal = out / "journal.jsonl"
    while not journal.exists() or journal.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, "ended too early"
        time.sleep(0.02)
    held = journal.read_bytes().split(b"\n")[:-1]
    victim = int(json.loads(held[-1])["worker"].rpartition(":")[2]) if worker else process.pid
    os.kill(victim, signal.SIGKILL)
    process.communicate()
    return len(held) - 1


def same(a: Path, b: Path) -> bool:
    """Compare two result files."""
    return (a / "results.jsonl").read_bytes() == (b / "results.jsonl").read_bytes()


def rates(folder: Path) -> dict[str, float]:
    """Return requests per second of the compiled replay, of reading a trace, and of hashing it."""
    trace = lp.workloads.zipf(25, 80, 200_000, exponent=1.1)
    lp.save_trace(trace, folder / "rate.npz")
    lp.replay(trace, "llru", 500)
    found = {}
    for name, call in {
        "replay": lambda: lp.replay(trace, "llru", 500),
        "read": lambda: lp.load_trace(folder / "rate.npz"),
        "hash": trace.digest,
    }.items():
        began = time.perf_counter()
        call()
        found[name] = trace.requests / (time.perf_counter() - began)
    return found | {"bytes_a_request": (folder / "rate.npz").stat().st_size / trace.requests}


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run everything."""
    cores = os.cpu_count() or 1
    both = str(cores)
    found: dict[str, Any] = {"cores": cores, "jobs": args.jobs}

    def say(text: str) -> None:
        if not args.json:
            print(text, flush=True)

    empty = folder / "empty.toml"
    empty.write_text(f'[[runs]]\nfunction = "coupon"\nset = {{experts = 1, samples = 2}}\nrepeat = {args.jobs}\n')
    for name, words, aim in (
        ("processes", ("--workers", both), 2),
        ("dask", ("--cluster", "local", "--workers", "4"), 20),
    ):
        seconds, size, _ = timed(empty, folder / f"empty-{name}", *words)
        found[f"overhead_ms_{name}"] = cores * seconds * 1000 / args.jobs
        say(
            f"overhead, {name}: {found[f'overhead_ms_{name}']:.2f} ms a job (aim: at most {aim}); {args.jobs} jobs in {seconds:.1f} s, largest process {size:.0f} MiB"
        )
    found["same_empty"] = same(folder / "empty-processes", folder / "empty-dask")
    say(f"  result files equal: {found['same_empty']}")

    if not args.skip_long:
        spec, each = study(folder, "long", args.milliseconds, args.jobs)
        before = control(cores)
        seconds, size, spent = timed(spec, folder / "long", "--workers", both)
        found["control"] = [before, control(cores)]
        each = (each + alone(lp.load_trace(folder / "long.npz"))) / 2  # before and after: machines change their speed
        found |= {
            "job_ms": each * 1000,
            "seconds": seconds,
            "efficiency": args.jobs * each / (cores * seconds),
            "cpu_share": args.jobs * each / spent,
        }
        say(
            f"efficiency: {found['efficiency']:.3f} on {cores} cores (aim: at least 0.85); {args.jobs} jobs of {1000 * each:.1f} ms in {seconds:.1f} s, largest process {size:.0f} MiB"
        )
        say(f"  CPU time: {found['cpu_share']:.3f} of what all processes used went into the jobs as they are alone")
        say(f"  control: busy loops got {found['control'][0]:.2f} cores before and {found['control'][1]:.2f} after")

    spec, each = study(folder, "short", args.short, args.jobs)
    found["growth"] = []
    for workers in (1, 2, 4):
        seconds, size, _ = timed(spec, folder / f"short{workers}", "--workers", str(workers))
        row = {"workers": workers, "seconds": seconds, "jobs_per_second": args.jobs / seconds, "largest_mib": size}
        found["growth"].append(row)
        equal = same(folder / "short1", folder / f"short{workers}")
        say(
            f"growth: {workers} worker(s): {args.jobs} jobs of {1000 * each:.1f} ms in {seconds:.1f} s, {row['jobs_per_second']:.0f} jobs/s, largest process {size:.0f} MiB, equal to 1 worker: {equal}"
        )
    out = folder / "killed"
    kept = killed(start(spec, out, "--workers", both), out, args.jobs // 2, worker=False)
    seconds, _, _ = timed(spec, out, "--workers", both, "--resume")
    found["resumed_equal"] = same(folder / "short1", out)
    say(
        f"command killed with {kept} of {args.jobs} jobs kept, resumed in {seconds:.1f} s: equal to 1 worker: {found['resumed_equal']}"
    )
    out = folder / "dask"
    began = time.perf_counter()
    kept = killed(start(spec, out, "--cluster", "local", "--workers", "4"), out, args.jobs // 2, worker=True)
    found["dask_equal"] = same(folder / "short1", out)
    say(
        f"Dask, 4 workers, one killed with {kept} of {args.jobs} jobs done: {time.perf_counter() - began:.1f} s, equal to 1 worker: {found['dask_equal']}"
    )
    found["rates"] = rates(folder)
    say(paper(found["rates"]))
    return found


def paper(rate: dict[str, float]) -> str:
    """Divide 10^12 requests by the rates."""
    hours = 3600
    return "\n".join(
        [
            f"one core here: replay (llru) {rate['replay'] / 1e6:.1f}, read {rate['read'] / 1e6:.1f}, hash {rate['hash'] / 1e6:.1f} million requests/s; {rate['bytes_a_request']:.2f} bytes a request on disk",
            f"10^12 requests by division: one core {REQUESTS / rate['replay'] / hours:.1f} h; {MACHINES} machines of {CORES} such cores {REQUESTS / rate['replay'] / MACHINES / CORES:.0f} s of replay",
            f"  before it, one driver reads and hashes everything: {REQUESTS * (1 / rate['read'] + 1 / rate['hash']) / hours:.1f} h",
            f"  files: {REQUESTS * rate['bytes_a_request'] / 1e12:.2f} TB; broadcast to {MACHINES} machines with one worker each: {MACHINES * REQUESTS * rate['bytes_a_request'] / 1e12:.0f} TB",
        ]
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--milliseconds", type=float, default=50)
    parser.add_argument("--short", type=float, default=5)
    parser.add_argument("--skip-long", action="store_true", help="leave out the study of long jobs")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args, Path(folder))
    if args.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
