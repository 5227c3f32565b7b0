"""Exact ratios up to twelve pages with both checkers: states, nodes, CPU seconds, memory, the certificate.

    python tests/benchmarks/twelve.py                        # policies, one process a row
    python tests/benchmarks/twelve.py --games                # best deterministic policies
    python tests/benchmarks/twelve.py fifo,4,3,7 llru,2,6,8  # rows of your choice; "best" is the game

A row ends after ``--cpu`` seconds of CPU in one step; a dash is a step that did not end in them, or was refused.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

POLICIES = [
    ("lru", 2, 6, 9), ("lru", 3, 4, 8), ("lru", 4, 3, 9), ("lru", 6, 2, 10), ("fifo", 2, 5, 8), ("fifo", 3, 4, 7),
    ("fifo", 5, 2, 8), ("fifo", 6, 2, 7), ("fifo", 6, 2, 8), ("fifo", 4, 3, 7), ("llru", 2, 5, 8), ("llru", 3, 4, 7),
    ("llru", 4, 3, 8), ("llru", 6, 2, 9), ("llru", 2, 6, 7), ("llru", 2, 6, 8), ("mark-far", 2, 6, 9),
    ("mark-far", 4, 3, 8), ("mark-far", 6, 2, 9),
]  # fmt: skip
GAMES = [
    ("best", 3, 3, 6), ("best", 2, 5, 8), ("best", 5, 2, 7), ("best", 11, 1, 10), ("best", 6, 2, 11), ("best", 4, 3, 11),
    ("best", 6, 2, 6), ("best", 6, 2, 8), ("best", 3, 4, 5), ("best", 4, 3, 5), ("best", 2, 6, 4), ("best", 2, 6, 10),
]  # fmt: skip
COLUMNS = (
    "subject",
    "size",
    "ratio",
    "states",
    "nodes",
    "CPU s",
    "MB",
    "certificate MB",
    "check CPU s",
    "proved CPU s",
)


def find(subject: str, layers: int, experts: int, slots: int, file: str) -> dict[str, Any]:
    """Find a ratio and write its certificate; seconds and memory are those of this process."""
    import layered_paging as lp

    lp.competitive_ratio("lru", layers=2, experts=2, slots=2)
    begun = time.process_time()
    size = {"layers": layers, "experts": experts, "slots": slots}
    found: Any = lp.optimal_ratio(**size) if subject == "best" else lp.competitive_ratio(subject, **size)  # type: ignore[arg-type]
    seconds = time.process_time() - begun
    value = found.value if subject != "best" else (found.lower if found.solved else f"{found.lower}..{found.upper}")
    states = None if subject == "best" else found.states
    said = {"ratio": str(value), "states": states, "nodes": found.nodes, "seconds": seconds, "memory": _memory()}
    print(json.dumps(said), flush=True)
    found.certificate.save(file)
    return said


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def check(file: str, proved: bool) -> None:
    """Check a certificate by the checker in Python, or by the proved one."""
    from layered_paging import certify
    from layered_paging.certificate import Certificate

    certificate = Certificate.load(file)
    if not proved:
        certify.check(certificate, limit=1 << 40)
        return
    from layered_paging.proved import obtain

    obtain(certificate)


def step(words: list[str], cpu: int) -> tuple[str, float | None]:
    """Run one step in a process of its own; what it prints, and its seconds of CPU, children included."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, __file__, *words], capture_output=True, text=True, check=False, preexec_fn=limited
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        print(f"{' '.join(words[1:])}: {done.stderr.strip()[-160:] or done.returncode}", file=sys.stderr)
        return done.stdout, None
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(job: tuple[str, int, int, int], cpu: int) -> list[Any]:
    """Return a line of the table."""
    subject, layers, experts, slots = job
    name = [subject, f"{layers} x {experts}, k = {slots}"]
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/made.json.gz"
        text, _ = step(["--find", *map(str, job), file], cpu)
        if not text:
            return [*name, *[None] * 8]
        said = json.loads(text.splitlines()[0])
        line = [*name, said["ratio"], said["states"], said["nodes"], round(said["seconds"], 1), said["memory"]]
        if not Path(file).exists():
            return [*line, None, None, None]
        used = [step([word, file], cpu)[1] for word in ("--check", "--proved")]
        megabytes = round(Path(file).stat().st_size / 1e6, 2)
        return [*line, megabytes, *(None if x is None else round(x, 1) for x in used)]


def main() -> None:
    """Print the table, a row as soon as it is known."""
    from layered_paging.core.tables import as_markdown

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="POLICY,LAYERS,EXPERTS,SLOTS")
    parser.add_argument("--games", action="store_true", help="best deterministic policies instead")
    parser.add_argument("--cpu", type=int, default=300, metavar="SECONDS", help="CPU seconds of a step (default: 300)")
    parser.add_argument("--find", nargs=5, metavar="PART", help=argparse.SUPPRESS)
    parser.add_argument("--check", help=argparse.SUPPRESS)
    parser.add_argument("--proved", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.find:
        subject, layers, experts, slots, file = args.find
        find(subject, int(layers), int(experts), int(slots), file)
    elif args.check or args.proved:
        check(args.check or args.proved, bool(args.proved))
    else:
        own = [(name, int(a), int(b), int(c)) for name, a, b, c in (text.split(",") for text in args.rows)]
        for number, job in enumerate(own or (GAMES if args.games else POLICIES)):
            lines = as_markdown(COLUMNS, [row(job, args.cpu)]).splitlines()
            print("\n".join(lines if number == 0 else lines[2:]), flush=True)


if __name__ == "__main__":
    main()
