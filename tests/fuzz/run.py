"""Coverage-guided fuzzing of everything that reads a file: ``python tests/fuzz/run.py [TARGET ...] --seconds N``.

Each target runs in a process of its own under atheris, from seeds that this script writes.  A finding is an
exception other than ``LayeredPagingError``, a message of more than one line, 10 CPU seconds or 512 MiB for one
input, or a crash; its input is kept in ``--keep`` (default: a temporary folder, printed).  ``--again FILE`` plays one
input.  Exit code 1 if there are findings.  ``--json`` prints one JSON object instead of the table.

Text in JSON is mutated both as bytes and as values, so that inputs get past the parser.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from values import mutator

SECONDS, MEMORY = 10, 512  # CPU seconds and MiB that one input may take


# seeds and harnesses: each target writes its seeds into a folder, and calls what reads a file


def sample(folder: Path, suffix: str) -> None:
    import numpy as np

    import layered_paging as lp

    one = lp.workloads.zipf(2, 6, 12, top_k=2, sessions=3)
    weights = np.random.default_rng(0).random(one.experts.shape).astype(np.float32)
    sized = lp.Trace(one.experts, 6, one.sessions, expert_bytes=7, weights=weights)
    for n, trace in enumerate((lp.Trace(one.experts, 6), one, sized)):
        with contextlib.suppress(lp.LayeredPagingError):
            lp.save_trace(trace, folder / f"{n}{suffix}")


def reader(suffix: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        import layered_paging as lp

        lp.load_trace(path)
        if suffix in (".jsonl", ".parquet"):
            for _ in lp.open_trace(path).parts():
                pass

    return read


LOGS = Path(__file__).resolve().parent.parent / "data" / "logs"


def log_seeds(folder: Path) -> None:
    for path in LOGS.iterdir():
        shutil.copy(path, folder / path.name)


def read_log(path: Path) -> None:
    import layered_paging as lp
    from layered_paging.formats.counts import read_counts

    ways: list[dict[str, Any]] = [{}, {"layout": "tlk"}, {"tokens": "guess"}, {"top_k": 2}, {"n_experts": 6}]
    for way in ways:
        with contextlib.suppress(lp.LayeredPagingError):
            lp.load_trace(path, **way)
    with contextlib.suppress(lp.LayeredPagingError):
        for _ in lp.open_trace(path).parts():
            pass
    read_counts(path)


SPEC = """name = "s"
seed = 7
[traces]
t = "sample.npz"
[[runs]]
function = "competitive_ratio"
set = {layers = 2, experts = 2}
grid = {policy = ["lru", "llru"], slots = [2, 3]}
[[runs]]
function = "coupon"
set = {samples = 5}
list = [{experts = 4, collectors = 2}, {experts = 8, collectors = 1}]
repeat = 3
"""


def spec_seeds(folder: Path) -> None:
    (folder / "a").write_text(SPEC.replace('[traces]\nt = "sample.npz"\n', ""))
    (folder / "b").write_text(SPEC)


def read_spec(path: Path) -> None:
    from layered_paging.sweep import load_spec

    load_spec(path)


def certificates() -> list[Any]:
    import layered_paging as lp

    trace = lp.Trace([[0], [1], [2], [0], [1], [0]], 3)
    made = [lp.optimum(trace, 2, admission=rule).certificate for rule in ("forced", "bypass")]
    made.append(lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate)
    made.append(lp.optimal_ratio(layers=1, experts=3, slots=2).certificate)
    made.append(lp.optimal_ratio(layers=1, experts=3, slots=2, randomized=True).certificate)
    return made


def certificate_seeds(folder: Path) -> None:
    for n, made in enumerate(certificates()):
        fields = {"kind": made.kind, "statement": made.statement, "evidence": made.evidence}
        (folder / f"{n}").write_text(json.dumps(fields))
        (folder / f"{n}-whole").write_text(made.to_json())


def check_certificate(path: Path) -> None:
    import layered_paging as lp

    with contextlib.suppress(lp.LayeredPagingError):
        lp.Certificate.load(path)
    try:  # with a digest that fits, whatever the contents
        fields = json.loads(path.read_bytes())
        made = lp.Certificate(fields["kind"], fields["statement"], fields["evidence"])
        if not (isinstance(made.kind, str) and isinstance(made.statement, dict) and isinstance(made.evidence, dict)):
            return
        path.write_text(made.to_json())
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    lp.certify.check(lp.Certificate.load(path), lp.Trace([[0], [1], [2], [0], [1], [0]], 3))


def strategy_seeds(folder: Path) -> None:
    certificate_seeds(folder)


def read_strategy(path: Path) -> None:
    import layered_paging as lp

    try:
        fields = json.loads(path.read_bytes())
        path.write_text(lp.Certificate(fields["kind"], fields["statement"], fields["evidence"]).to_json())
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    lp.replay(lp.Trace([[0], [1], [2], [0], [1], [0]], 3), f"strategy:{path}", 2)


def journal_seeds(folder: Path) -> None:
    rows: list[dict[str, Any]] = [{"journal": "x"}]
    rows += [{"job": n, "result": {"misses": n}, "seconds": 0.5, "worker": "h:1"} for n in range(3)]
    rows.append({"job": 3, "error": "e", "seconds": 0, "worker": "h:1"})
    from layered_paging.sweep.journal import _line

    (folder / "a").write_text("".join(_line(row) for row in rows))


def read_journal(path: Path) -> None:
    from layered_paging.sweep.journal import Journal

    journal = Journal(path, "x", 4)
    journal.close()


def search_seeds(folder: Path) -> None:
    import layered_paging as lp

    for name, drawn in (("a", True), ("b", False)):
        lp.optimal_ratio(layers=1, experts=3, slots=2, randomized=drawn, resume=folder / name)


def read_search(path: Path) -> None:
    """Go on from the journal of a search; its digest is made to fit, so that what it claims is what is tried."""
    import layered_paging as lp
    from layered_paging.ratio.journal import _digest

    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        fields = json.loads(path.read_bytes())
        path.write_text(json.dumps({**fields, "digest": _digest(fields)}))
    drawn = b"randomized" in path.read_bytes()
    found = lp.optimal_ratio(layers=1, experts=3, slots=2, randomized=drawn, resume=path)
    assert found.upper is not None and found.lower <= (Fraction(3, 2) if drawn else 2) <= found.upper


def prompt_seeds(folder: Path) -> None:
    (folder / "a").write_text('{"prompt": "hello", "id": "a"}\n{"prompt": "good day"}\n')
    (folder / "b").write_text("one\ntwo\n")


def read_prompts(path: Path) -> None:
    from layered_paging.recording.prompts import read_prompts

    read_prompts(path)


def read_recording(path: Path) -> None:
    from layered_paging.recording.spool import recover

    recover(path, path.with_name("out.jsonl"))


def profile_seeds(folder: Path) -> None:
    import layered_paging as lp
    from layered_paging.profiles.profile import Profile

    made = json.loads(Profile.of(lp.workloads.zipf(2, 4, 30)).to_json())
    made.pop("digest", None)
    (folder / "a").write_text(json.dumps(made))


def read_profile(path: Path) -> None:
    from layered_paging.profiles.profile import Profile

    Profile.load(path)


def network_seeds(folder: Path) -> None:
    from layered_paging.edge.documents import save_network
    from layered_paging.edge.generate import generate

    save_network(generate(seed=0, users=2, servers=2, layers=2, experts=3), folder / "a")


def read_network(path: Path) -> None:
    from layered_paging.edge.documents import load_network

    load_network(path)


def snapshot_seeds(folder: Path) -> None:
    import layered_paging as lp

    for policy in ("lru", "slru(protected=0.5)", "random"):
        cache = lp.live.Cache(layers=2, experts=4, slots=3, policy=policy, journal=True)
        for n in range(9):
            cache.serve(n % 2, [n % 4, n * n % 3 + 1][: 1 + (n % 4 != n * n % 3 + 1)])
        (folder / policy[:4]).write_text(json.dumps(cache.snapshot()))


def read_snapshot(path: Path) -> None:
    import layered_paging as lp

    try:
        fields = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    if isinstance(fields, dict):
        lp.live.Cache.restore(fields)


TARGETS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None], str]] = {
    **{
        name: (lambda folder, s=suffix: sample(folder, s), reader(suffix), suffix)
        for name, suffix in (
            ("npz", ".npz"),
            ("jsonl", ".jsonl"),
            ("jsonl.gz", ".jsonl.gz"),
            ("events", ".events.csv"),
            ("route", ".route.csv"),
            ("parquet", ".parquet"),
        )
    },
    "log": (log_seeds, read_log, ".log"),
    "spec": (spec_seeds, read_spec, ".toml"),
    "certificate": (certificate_seeds, check_certificate, ".json"),
    "strategy": (strategy_seeds, read_strategy, ".json"),
    "journal": (journal_seeds, read_journal, ".jsonl"),
    "search": (search_seeds, read_search, ".json"),
    "prompts": (prompt_seeds, read_prompts, ".jsonl"),
    "recording": (lambda folder: sample(folder, ".jsonl"), read_recording, ".jsonl"),
    "profile": (profile_seeds, read_profile, ".json"),
    "network": (network_seeds, read_network, ".json"),
    "snapshot": (snapshot_seeds, read_snapshot, ".json"),
}
# what is no Python: a source for clang's libFuzzer, with the sanitizers of addresses and of undefined behaviour
NATIVE = {"header": Path(__file__).resolve().parent.parent / "header" / "fuzz.c"}


def peak() -> int:
    """Return the most memory held so far, in KiB: of this program alone, where the system tells."""
    with contextlib.suppress(OSError):
        told = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        if told is not None:
            return int(told[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # holds what the parent held, too


def attempt(read: Callable[[Path], None], path: Path) -> None:
    """Read one file; anything but success or an error of ours on one line is raised."""
    from layered_paging.errors import LayeredPagingError

    cpu, size = time.process_time(), peak()
    try:
        read(path)
    except LayeredPagingError as error:
        if "\n" in str(error):
            raise AssertionError(f"a message of more than one line: {str(error)!r}") from None
    spent, grown = time.process_time() - cpu, peak() - size
    assert spent < SECONDS, f"{spent:.1f} s"
    assert grown < MEMORY << 10, f"{grown >> 10} MiB"


def flags(seconds: int, folder: Path) -> list[str]:
    """Return what libFuzzer is told."""
    told = [f"-max_total_time={seconds}", "-print_final_stats=1", "-rss_limit_mb=4096", "-max_len=4096"]
    return [*told, f"-timeout={6 * SECONDS}", f"-artifact_prefix={folder}/finding-", "-verbosity=0", "-seed=1"]


def built(name: str, folder: Path) -> str:
    """Compile a target that is no Python; return the program."""
    include = Path(__file__).resolve().parents[2] / "layered_paging" / "live"
    words = ["clang", "-std=c99", "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run([*words, f"-I{include}", str(NATIVE[name]), "-o", str(folder / name)], check=True)
    return str(folder / name)


def instrumented() -> None:
    """Import the package with instrumentation, once."""
    import atheris

    quiet = contextlib.redirect_stderr(io.StringIO())  # a line per module
    with quiet, atheris.instrument_imports(include=["layered_paging"], enable_loader_override=False):
        from layered_paging import catalog, certify, formats, recording, sweep  # noqa: F401
        from layered_paging.recording import spool  # noqa: F401
    catalog.collect()


def fuzz(name: str, seconds: int, folder: Path) -> None:
    """Fuzz one target in this process; does not return."""
    import atheris

    import layered_paging

    seeds, read, suffix = TARGETS[name]
    corpus = folder / "corpus"
    corpus.mkdir()
    seeds(corpus)
    for seed in sorted(corpus.iterdir()):  # compile, and see that the seeds themselves are fine
        shutil.copy(seed, folder / f"seed{suffix}")
        with contextlib.suppress(layered_paging.LayeredPagingError):
            read(folder / f"seed{suffix}")
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))

    def one(data: bytes) -> None:
        path = folder / f"input{suffix}"
        path.write_bytes(data)
        attempt(read, path)

    packed = suffix in (".npz", ".jsonl.gz", ".parquet", ".events.csv", ".route.csv", ".toml")
    atheris.Setup([name, *flags(seconds, folder), str(corpus)], one, custom_mutator=None if packed else mutator)
    atheris.Fuzz()


def forked(name: str, seconds: int, folder: Path) -> tuple[int, str]:
    """Fuzz one target in a process that has what this one has imported; return its exit code and what it said."""
    instrumented()
    log = folder / "log"
    child = os.fork()
    if child == 0:
        with log.open("w") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        try:
            fuzz(name, seconds, folder)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(70)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, log.read_text(errors="replace")


def run(name: str, seconds: int, keep: Path) -> dict[str, Any]:
    """Fuzz one target in a process of its own; return executions and findings."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as made:
        if name in NATIVE:
            words = [built(name, Path(made)), *flags(seconds, Path(made))]
            done = subprocess.run(words, capture_output=True, text=True, errors="replace")
            code, told = done.returncode, done.stdout + done.stderr
        else:
            code, told = forked(name, seconds, Path(made))
        count = re.search(r"number_of_executed_units: (\d+)", told)
        found = sorted(Path(made).glob("finding-*"))
        for path in found:
            shutil.copy(path, keep / f"{name}-{path.name}")
        row = {"target": name, "executions": int(count[1]) if count else 0, "findings": len(found)}
        if found or code or not count:
            row["findings"] = max(1, len(found))
            said = [line for line in told.splitlines() if line.strip() and not line.startswith(("INFO", "#", "stat::"))]
            row["said"] = "\n".join(said[-25:])
        return row


def main() -> int:
    """Run the targets, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"some of {', '.join([*TARGETS, *NATIVE])} (default: all)"
    )
    parser.add_argument("--seconds", type=int, default=60, help="of each target (default: 60)")
    parser.add_argument("--keep", help="folder for inputs that are findings")
    parser.add_argument("--again", metavar="FILE", help="play one input of the one target named")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    for name in args.targets:
        if name not in TARGETS and name not in NATIVE:
            parser.error(f"no target {name!r}; there are {', '.join([*TARGETS, *NATIVE])}")
    if args.again:
        with tempfile.TemporaryDirectory() as folder:
            if args.targets[0] in NATIVE:
                return subprocess.run([built(args.targets[0], Path(folder)), args.again], check=False).returncode
            copy = Path(folder) / f"input{TARGETS[args.targets[0]][2]}"
            shutil.copy(args.again, copy)
            attempt(TARGETS[args.targets[0]][1], copy)
        return 0
    keep = Path(args.keep or tempfile.mkdtemp(prefix="fuzz-findings-"))
    keep.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in args.targets or [*TARGETS, *(name for name in NATIVE if shutil.which("clang"))]:
        rows.append(run(name, args.seconds, keep))
        if not args.json:
            row = rows[-1]
            print(f"{name:<12} {row['executions']:>10,} executions, {row['findings']} finding(s)", flush=True)
            if "said" in row:
                print(row["said"], flush=True)
    found = sum(row["findings"] for row in rows)
    if args.json:
        print(json.dumps({"targets": rows, "findings": found}))
    elif found:
        print(f"inputs are in {keep}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
