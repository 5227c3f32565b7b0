"""The first answer on a machine and the next ones: CPU seconds of whole commands on the shipped sample.

``python tests/benchmarks/first_answer.py [--against FOLDER] [--only NAME ...] [--calls N]``.  The first call finds no compiled code;
the others find what those before them left.  Python's own bytecode is there from the start, as an installer leaves it.
FOLDER holds the sources of another version: both take turns.  Seconds are user and system time of the process and of all
that it starts.  Without this file's machine they mean little: compare columns.
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = "layered_paging/samples/sample.npz"
PROGRAM = "from layered_paging.cli import main; raise SystemExit(main())"
ONE = f"import layered_paging as lp; lp.replay(lp.load_trace({SAMPLE!r}), 'lru', 48)"
COMMANDS: dict[str, tuple[str, str]] = {
    "import, one replay": (ONE, ""),
    "demo": (
        PROGRAM,
        f"replay {SAMPLE} --slots 12 24 48 --policy lru llru lfu similar-rounds --reset session --optimum forced",
    ),
    "gap": (PROGRAM, f"gap {SAMPLE}"),
    "diagnose": (PROGRAM, f"diagnose {SAMPLE} --slots 48"),
    "report": (PROGRAM, f"report {SAMPLE} --slots 48 -o {os.path.join(tempfile.gettempdir(), 'first-answer.html')}"),
    "verify": (PROGRAM, "verify [!t]*"),
}
USUAL = tuple(name for name in COMMANDS if name != "verify")


def spent(name: str, sources: Path, cache: str) -> float:
    """Return the CPU seconds of one command with the sources of a folder and a folder for compiled code."""
    code, words = COMMANDS[name]
    environment = {**os.environ, "XDG_CACHE_HOME": cache, "PYTHONPATH": str(sources)}
    environment.pop("NUMBA_CACHE_DIR", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", code, *words.split()],
        cwd=sources,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", metavar="FOLDER", type=Path, help="sources of another version")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=USUAL, metavar="NAME")
    parser.add_argument("--calls", type=int, default=3, metavar="N", help="calls of each (default: 3)")
    args = parser.parse_args()
    versions = [ROOT] if args.against is None else [args.against.resolve(), ROOT]
    for sources in versions:
        compileall.compile_dir(sources / "layered_paging", quiet=1)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"CPU seconds{load}; call 1 is cold")
    print(f"{'command':<20}{'sources':<28}" + "".join(f"{f'call {n}':>9}" for n in range(1, args.calls + 1)))
    for name in args.only:
        with tempfile.TemporaryDirectory() as folder:
            found: dict[Path, list[float]] = {sources: [] for sources in versions}
            for _ in range(args.calls):
                for number, sources in enumerate(versions):
                    found[sources].append(spent(name, sources, os.path.join(folder, str(number))))
        for sources, seconds in found.items():
            print(f"{name:<20}{str(sources)[-26:]:<28}" + "".join(f"{s:>9.2f}" for s in seconds), flush=True)


if __name__ == "__main__":
    main()
