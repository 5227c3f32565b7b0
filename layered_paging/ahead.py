"""Compile ahead: ``python -m layered_paging.ahead [FOLDER] [--policy P ...]``.

Every kernel of policies, curves, optima, predictions and exact ratios is compiled for any processor of this platform, and kept in
FOLDER (default: ``machine_code`` beside this package, where it is found at once, and from where ``make wheel`` takes it).
There is no second source: the same functions are compiled as ever, only earlier.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .core.shipped import GENERIC, ahead_of

__all__ = ["compile_all", "main"]


def compile_all(policies: Sequence[str] = ()) -> None:
    """Compile in this process, by using everything on a small trace.

    Parameters
    ----------
    policies : sequence of str
        Only the replays of these; default: of all policies that have a kernel, and all other kernels.
    """
    from . import catalog
    from .analysis.gaps import gap_table
    from .core import registry
    from .core.renting import buying
    from .edge import generate, place
    from .engine.curves import has_one_pass, miss_curve
    from .engine.run import replay
    from .errors import LayeredPagingError
    from .formats import load_trace
    from .ratio import competitive_ratio, optimal_ratio
    from .report.facts import facts
    from .samples import SAMPLE

    catalog.collect()
    trace = load_trace(SAMPLE).select([0, 1])
    shipped = [e.name for e in registry.entries("policy") if e.obj.__module__.startswith(f"{__package__}.policies.")]
    with buying():
        for name in policies or shipped:
            try:
                replay(trace, name, 24)
            except LayeredPagingError as error:  # it needs more than a name
                print(f"{name}: {error}")
                continue
            if not policies and has_one_pass(name):
                miss_curve(trace, name)
        if not policies:
            facts(trace, 24)
            gap_table({"sample": trace})
            competitive_ratio("lru", layers=2, experts=2, slots=3)
            optimal_ratio(layers=2, experts=2, slots=3)
            network = generate(users=4, servers=2, layers=2, experts=6, top_k=2, seed=1, storage=4 << 20)
            for algorithm in ("best", "greedy", "enumeration", "alone"):
                place(network, algorithm, bound="prices")


def main(words: Sequence[str] | None = None) -> None:
    """Compile in a process of its own, whose numba knows nothing of this machine's processor."""
    parser = argparse.ArgumentParser(prog="python -m layered_paging.ahead", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent / "machine_code")
    parser.add_argument("--policy", nargs="+", default=[], metavar="P", help="only the replays of these policies")
    args = parser.parse_args(words)
    where = ahead_of(args.folder.resolve())
    processor = dict(zip(("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"), GENERIC, strict=True))
    environment = {**os.environ, **processor, "NUMBA_CACHE_DIR": str(where)}
    code = f"from {__package__}.ahead import compile_all; compile_all({args.policy!r})"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    files = list(where.rglob("*.code"))
    print(f"{len(files)} kernels, {sum(path.stat().st_size for path in files):,} bytes, in {where}")


if __name__ == "__main__":
    main()
