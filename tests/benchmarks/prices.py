"""What a kernel costs to compile, and the reference loop per request: ``python tests/benchmarks/prices.py [--write]``.

Each policy is measured in a process of its own with an empty cache of compiled code, in seconds of the processor.  The
reference loop plays the shipped sample at two sizes, with and without a reset at each session; the slowest counts.
``--write`` puts the figures into ``layered_paging/engine/prices.json``, from which the engine chooses between both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[2] / "layered_paging" / "engine" / "prices.json"
SLOTS = (12, 60)


def measured(policy: str) -> dict[str, float]:
    """Return the seconds of loading the compiler, of compiling, and per request, in this process."""
    import layered_paging as lp
    from layered_paging.samples import SAMPLE

    trace = lp.load_trace(SAMPLE)

    def seconds(slots: int, engine: str, reset: str = "session") -> float:
        began = time.process_time()
        lp.replay(trace, policy, slots, engine=engine, reset=reset)
        return time.process_time() - began

    ways = [(slots, "reference", reset) for slots in SLOTS for reset in ("never", "session")]
    request = max(min(seconds(*way) for _ in range(2)) for way in ways) / trace.requests
    began = time.process_time()
    import layered_paging.core.compiled

    load = time.process_time() - began
    compiling = seconds(SLOTS[0], "kernel") - min(seconds(SLOTS[0], "kernel") for _ in range(2))
    return {"load": load, "compile": compiling, "request": request}


def apart(policy: str) -> dict[str, float] | None:
    """Measure in a process of its own, with an empty cache; None where the policy has no kernel, or needs more than a name."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--one", policy],
            env={**os.environ, "NUMBA_CACHE_DIR": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        return None
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", metavar="POLICY", help="measure this policy in this process, and print JSON")
    parser.add_argument("--policy", nargs="+", metavar="P", help="default: all shipped ones")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measured(args.one)))
        return
    from layered_paging import catalog
    from layered_paging.core import registry

    catalog.collect()

    names = args.policy or [
        e.name for e in registry.entries("policy") if e.obj.__module__.startswith("layered_paging.policies.")
    ]
    rows: dict[str, Any] = {}
    loads = []
    for name in names:
        found = apart(name)
        if found is None:
            print(f"{name:<20} not measured: it has no kernel, or needs more than its name", flush=True)
            continue
        loads.append(found.pop("load"))
        rows[name] = {key: float(f"{value:.2g}") for key, value in found.items()}
        print(
            f"{name:<20} compiling {found['compile']:5.2f} s; reference {1e6 * found['request']:5.1f} us per request",
            flush=True,
        )
    usual = {key: statistics.median(row[key] for row in rows.values()) for key in ("compile", "request")}
    document = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "load": float(f"{statistics.median(loads):.2g}"),
        "usual": usual,
    }
    if args.write:
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
        head = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
        TARGET.write_text(f'{{\n{head},\n "policies": {{\n{lines}\n }}\n}}\n')


if __name__ == "__main__":
    main()
