"""Mutants: cosmic-ray changes one thing in the sources; do the tests notice?

    python tests/mutants/run.py                               # every mutant of every group
    python tests/mutants/run.py certify coupon --sample 150   # a random sample of two groups
    python tests/mutants/run.py --only survivors.log          # again the mutants that a log names as alive

cosmic-ray finds the places and writes the mutants.  They are not written to disk, as its own runner would do: a mutant
lives in a forked process that compiles the changed text in place of the file, so the libraries are imported once and
two runs do not disturb each other.  A mutant is killed when a test fails, or takes more than the limit of time or
memory.  Survivors are printed with the reason that ``survivors.txt`` gives (an equivalent mutant, or a weaker statement that
is true); the exit code is 1 if some group is below 95 %.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib.machinery
import inspect
import marshal
import math
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from changes import ROOT, Mutant, mutants

REASONS = Path(__file__).parent / "survivors.txt"
MEMORY = 4 << 30  # bytes of data that the tests of one mutant may allocate
SLEEP = 1200  # seconds on the clock after which a mutant that uses no CPU is ended

CLASSICAL = (
    "arc belady clock fifo fwf least_stale lfru lfu lfu_decay lfu_window lifo llru lru lru_2 mark_far mark_lru marking "
    "online_min random s3_fifo sieve slru static"
)
CHECKERS = ("__init__", "optimum", "ratio", "ratio_events", "ratio_game", "ratio_random", "reading")
# group -> (files, tests, those of the tests that are left out because they are slow and others do their work).
# The compiled kernels are in no group: other tests hold them equal to their references.
GROUPS: dict[str, tuple[str, str, str]] = {
    "certify": (
        " ".join(f"layered_paging/certify/{name}.py" for name in CHECKERS),
        "tests/test_certify_by_definition.py tests/test_certify_[eprs]*.py tests/test_ratio_events.py",
        "pass larger_or_smaller beats values_of replays no_policy_is_better single_requests",
    ),
    "coupon": ("layered_paging/coupon/*.py", "tests/test_coupon*.py", "ten_thousand real_shapes test_command workers"),
    "ratio": (
        "layered_paging/ratio/work.py layered_paging/ratio/automaton.py layered_paging/ratio/given.py",
        "tests/test_ratio_steps.py tests/test_certify_positions.py tests/test_certify_randomized.py tests/test_certify_st*.py "
        "tests/test_ratio.py",
        "game source distributions classical roads replayed forget constant_of_a strategy layered_theory memory_limits",
    ),
    "policies": (
        " ".join(f"layered_paging/policies/{name}.py" for name in CLASSICAL.split()),
        "tests/test_policies.py tests/test_policy_steps.py",
        "libcachesim kernel anomaly denied",
    ),
    "adversaries": (
        "adversaries/*.py layered_paging/adversary/*.py",
        "tests/test_adversaries.py tests/test_adversary_steps.py",
        "test_command",
    ),
    "claims": ("proofs/*.py", "tests/test_claims.py", ""),
    "certify-edge": (
        "layered_paging/certify/placement.py layered_paging/certify/stall.py",
        "tests/test_edge.py tests/test_edge_bounds.py tests/test_stall.py",
        "",
    ),
}
PATIENCE = 8.0  # seconds of tests that a mutant has to survive, the quickest of those that call its function


class Tests:
    """The tests of a group, collected and run once in this process: what forked children run again, with a mutant.

    A plugin of pytest.  The first run notes for each test how long it takes and which functions of the
    group's files it calls; a mutant then meets only the tests that call its function, quickest first.
    """

    def __init__(self, found: list[Mutant], jobs: int, report: Callable[[Mutant, str], None]) -> None:
        self.files = {str(ROOT / m.path) for m in found}
        self.found, self.jobs, self.report = found, jobs, report
        self.calls: set[tuple[str, int]] = set()
        self.covers: dict[str, set[tuple[str, int]]] = {}
        self.seconds: dict[str, float] = {}
        self.spent = 0.0
        sys.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename in self.files:
            self.calls.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run the tests once, then the mutants."""
        if session.testsfailed:
            raise session.Failed("the tests cannot be collected")
        early, items = self.calls, list(session.items)
        for item in items:
            self.calls, began = set(), time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            self.covers[item.nodeid], self.seconds[item.nodeid] = self.calls, time.process_time() - began
            if session.testsfailed:
                raise session.Failed(f"{item.nodeid} fails without a mutant")
        sys.setprofile(None)
        self.spent = time.process_time()
        for thing in gc.get_objects():
            if isinstance(thing, functools._lru_cache_wrapper):
                thing.cache_clear()
        items.sort(key=lambda item: self.seconds[item.nodeid])
        running: dict[int, tuple[Mutant | None, float]] = {}
        queue: list[Mutant | None] = [None, *self.found]
        while queue or running:
            while queue and len(running) < self.jobs:
                mutant = queue.pop(0)
                new = changes(mutant) if mutant else {}
                if mutant and (new is None or any(place in early for place in new)):
                    self.report(mutant, "import")
                    continue
                chosen = items if mutant is None else self._chosen(items, new)
                running[self._fork(session, chosen, new)] = (mutant, time.monotonic())
            child, status, used = wait(running) if running else (0, 0, 0.0)
            done, _ = running.pop(child, (None, 0.0))
            self.spent += used
            if done is None and child and status:
                raise session.Failed("the tests fail when they are run again without a mutant")
            if done is not None:
                self.report(done, "killed" if status else "alive")
        return True

    def _chosen(self, items: list[Any], new: dict[tuple[str, int], CodeType]) -> list[Any]:
        """Return the tests that call what is changed, the quickest first, as many as ``PATIENCE`` allows."""
        near = [item for item in items if self.covers[item.nodeid] & new.keys()]
        clock = list(accumulate(self.seconds[item.nodeid] for item in near))
        return [item for item, at in zip(near, clock, strict=True) if at <= PATIENCE] or near[:1]

    def _fork(self, session: Any, items: list[Any], new: dict[tuple[str, int], CodeType]) -> int:
        child = os.fork()
        if child:
            return child
        quiet()
        try:
            for thing in gc.get_objects():
                if isinstance(thing, FunctionType):
                    code = new.get((thing.__code__.co_filename, thing.__code__.co_firstlineno))
                    if code is not None and code.co_qualname == thing.__code__.co_qualname:
                        thing.__code__ = code
            for item in items:
                signal.setitimer(signal.ITIMER_PROF, 2 + 8 * self.seconds[item.nodeid])  # the signal ends the process
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                if session.testsfailed:
                    os._exit(1)
            os._exit(0)
        except BaseException:
            os._exit(3)


def codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the bodies of functions and methods that a module's code defines when it is executed."""
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from [part] if part.co_flags & inspect.CO_NEWLOCALS else codes(part)


def shallow(code: CodeType) -> list[Any]:
    """Return what a module or class does when it is executed, without what its functions do when they are called."""
    bodies = [c for c in code.co_consts if isinstance(c, CodeType)]
    inner = [shallow(c) for c in bodies if not c.co_flags & inspect.CO_NEWLOCALS]
    return [code.co_code, code.co_names, [repr(c) for c in code.co_consts if not isinstance(c, CodeType)], inner]


def changes(mutant: Mutant) -> dict[tuple[str, int], CodeType] | None:
    """Return the new code of the functions that a mutant changes, by file and line; None if it changes more than those."""
    target = str(ROOT / mutant.path)
    before, after = compile((ROOT / mutant.path).read_text(), target, "exec"), compile(mutant.text(), target, "exec")
    if shallow(before) != shallow(after):
        return None
    pairs = list(zip(codes(before), codes(after), strict=True))
    return {(target, old.co_firstlineno): new for old, new in pairs if marshal.dumps(old) != marshal.dumps(new)}


def quiet() -> None:
    """Make a child a process group of its own, silent, and short of memory."""
    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def imported(mutant: Mutant, tests: list[str], limit: float) -> int:
    """Run all the tests in a child that has imported nothing of ours yet: for a change of what an import does."""
    child = os.fork()
    if child:
        return child
    quiet()
    try:
        signal.setitimer(signal.ITIMER_PROF, limit)
        target, original = str(ROOT / mutant.path), importlib.machinery.SourceFileLoader.get_code
        code = compile(mutant.text(), target, "exec")

        def get_code(self: importlib.machinery.SourceFileLoader, name: str) -> Any:
            return code if self.get_filename(name) == target else original(self, name)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        os._exit(run_pytest(named(mutant, tests)))
    except BaseException:
        os._exit(3)


def named(mutant: Mutant, tests: list[str]) -> list[str]:
    """Return the tests of a mutant: of a registered thing those that name it."""
    names = re.findall(r'"(claim|policy|adversary)",\s*"([a-z0-9-]+)"', (ROOT / mutant.path).read_text())
    if mutant.path.startswith("proofs/"):
        return [f"tests/test_claims.py::test_claim[{name}]" for _, name in names]
    if names:
        slow = f" and {tests[-1]}" if tests[-1] else ""
        return [*tests[:-1], f"({' or '.join(name for _, name in names)}){slow}"]
    return tests


def run_pytest(arguments: list[str], *plugins: Any) -> int:
    """Run pytest in this process."""
    import pytest

    options = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]
    return int(pytest.main([*options, *arguments], plugins=list(plugins)))


def wait(running: dict[int, tuple[Mutant | None, float]]) -> tuple[int, int, float]:
    """Wait for a child; end one that sleeps for too long.  Return its number, status, and seconds of CPU."""
    while True:
        for child, (_, began) in running.items():
            if time.monotonic() - began > SLEEP:
                os.killpg(child, signal.SIGKILL)
            done, status, used = os.wait4(child, os.WNOHANG)
            if done:
                return child, status, used.ru_utime + used.ru_stime
        time.sleep(0.005)


def wilson(killed: int, tried: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate that was estimated from a sample."""
    z = 1.96
    middle, half = killed + z * z / 2, z * math.sqrt(killed * (tried - killed) / tried + z * z / 4)
    return (middle - half) / (tried + z * z), (middle + half) / (tried + z * z)


@cache
def reasons() -> dict[str, str]:
    """Return the reason of each survivor that is explained, by its key."""
    rows = (line.partition("  # ") for line in REASONS.read_text().splitlines())
    return {key.strip(): reason.strip() for key, _, reason in rows if reason}


def first(group: str, found: list[Mutant], tests: list[str], jobs: int) -> tuple[list[tuple[Mutant, str]], float]:
    """Run the mutants of functions in a child that has collected the tests; return the fate of each, and the seconds."""
    with tempfile.NamedTemporaryFile(suffix=".log") as out:
        return _first(group, found, tests, jobs, out.name)


def _first(
    group: str, found: list[Mutant], tests: list[str], jobs: int, said: str
) -> tuple[list[tuple[Mutant, str]], float]:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        log = os.open(said, os.O_WRONLY)
        os.dup2(log, 1)
        with os.fdopen(write, "w", buffering=1) as pipe:
            number = {mutant: i for i, mutant in enumerate(found)}
            game = Tests(found, jobs, lambda mutant, fate: print(number[mutant], fate, file=pipe))
            status = run_pytest(["--no-header", "--no-summary", *tests], game)
            print("end", game.spent, file=pipe)
        os._exit(status)
    os.close(write)
    fates, spent = [], -1.0
    with os.fdopen(read) as pipe:
        for line in pipe:
            what, value = line.split()
            if what == "end":
                spent = float(value)
            else:
                fates.append((found[int(what)], value))
                if value == "alive":
                    show(group, found[int(what)])
    if os.waitpid(child, 0)[1] or spent < 0:
        raise SystemExit(f"{Path(said).read_text()}\n{group}: the tests fail without a mutant")
    return fates, spent


def show(group: str, mutant: Mutant) -> str:
    """Print a survivor and return the reason, if there is one."""
    key = mutant.key()
    reason = reasons().get(key, "")
    print(f"  {group} line {mutant.line}: {key}{'  # ' + reason if reason else ''}", flush=True)
    return reason


def run_group(group: str, found: list[Mutant], total: int, jobs: int) -> bool:
    """Run the mutants of a group, print its line and its survivors; return whether it reaches 95 %."""
    _, words, slow = GROUPS[group]
    tests = [str(path) for word in words.split() for path in sorted(ROOT.glob(word))]
    tests += ["-k", " and ".join(f"not {word}" for word in slow.split())]
    if group == "claims":
        fates, spent = [(mutant, "import") for mutant in found], 0.0
    else:
        fates, spent = first(group, found, tests, jobs)
    alive = [mutant for mutant, fate in fates if fate == "alive"]
    running: dict[int, tuple[Mutant | None, float]] = {}
    queue = [mutant for mutant, fate in fates if fate == "import"]
    while queue or running:
        while queue and len(running) < jobs:
            mutant = queue.pop(0)
            running[imported(mutant, tests, 60 + 4 * spent / (1 + len(fates)))] = (mutant, time.monotonic())
        child, status, used = wait(running)
        done, _ = running.pop(child)
        spent += used
        if not status and done is not None:
            show(group, done)
            alive.append(done)
    excused = sum(mutant.key() in reasons() for mutant in alive)
    killed, tried = len(fates) - len(alive), len(fates) - excused
    if len(found) == total:
        here, seen = {mutant.path for mutant in found}, {mutant.key() for mutant in alive}
        for key in reasons().keys() - seen:
            if key.partition(": ")[0] in here:
                print(f"  {group}: explained, but killed or gone: {key}", flush=True)
    rate = killed / tried if tried else 1.0
    low, high = wilson(killed, tried) if tried else (0.0, 1.0)
    sample = f", interval {100 * low:.1f}..{100 * high:.1f} %" if len(found) < total else ""
    print(
        f"{group}: {killed} of {len(found)} mutants killed ({total} in all), {excused} survivors explained: "
        f"{100 * rate:.1f} %{sample}; {spent:.0f} s of CPU",
        flush=True,
    )
    return rate >= 0.95


def main() -> int:
    """Run the mutants and print the rate of each group; 1 if some group is below 95 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", default=list(GROUPS), metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--sample", type=int, default=0, help="mutants of a group (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--only", type=Path, metavar="LOG", help="only mutants that this output of an earlier run names"
    )
    parser.add_argument("--count", action="store_true", help="count the mutants and run none")
    args = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("HYPOTHESIS_PROFILE", "mutants")
    import cosmic_ray.mutating
    import cosmic_ray.plugins  # noqa: F401  imported here, as all of these are, so that the children need not
    import hypothesis
    import matplotlib
    import numba
    import numpy
    import pytest  # noqa: F401
    import scipy.optimize
    import scipy.sparse.csgraph
    import sympy

    del hypothesis, matplotlib, numba, numpy, scipy, sympy
    log = args.only.read_text() if args.only else ""
    good = True
    for group in args.groups:
        found = [
            m for word in GROUPS[group][0].split() for path in sorted(ROOT.glob(word)) for m in mutants(path, group)
        ]
        total = len(found)
        if args.count:
            print(f"{group}: {total}")
            continue
        if log:
            lines = set(re.findall(r"line (\d+): (\S+):", log))
            near = [m for m in found if (str(m.line), m.path) in lines]
            alive = {line.partition("  # ")[0].partition(": ")[2] for line in log.splitlines()}
            found = [m for m in near if m.key() in alive]
        elif args.sample and total > args.sample:
            found = sorted(random.Random(args.seed).sample(found, args.sample))
        good &= run_group(group, found, total, args.jobs)
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
