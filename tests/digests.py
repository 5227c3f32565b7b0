"""Digests of results: ``python tests/digests.py [--write]``.

Prints the digest of each group of results and compares it with ``digests.json`` beside this file; exit code 1 where
one differs.  Run it with any Python and any versions of the libraries; everything here must be the same to the last bit.
``--write`` replaces the file, after a change that is meant to change results.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import tempfile
from pathlib import Path
from typing import Any

import layered_paging as lp
from layered_paging import catalog
from layered_paging.core import registry
from layered_paging.core.parts import LongTrace
from layered_paging.coupon import simulate
from layered_paging.policies.names import resolve

STORED = Path(__file__).with_suffix(".json")


def traces() -> dict[str, lp.Trace]:
    """Return small synthetic traces."""
    return {
        "zipf": lp.workloads.zipf(3, 8, 400, top_k=2, sessions=5, seed=1),
        "uniform": lp.workloads.uniform(layers=2, experts=6, rounds=300, seed=2),
    }


def policies() -> list[str]:
    """Return the shipped policies that need neither predictions nor a profile."""
    catalog.collect()
    own = [e.name for e in registry.entries("policy") if e.obj.__module__.startswith("layered_paging.policies.")]
    return sorted(name for name in own if not resolve(name).predicted)


def results() -> dict[str, Any]:
    """Return everything that is digested, as plain values."""
    found: dict[str, Any] = {"traces": {name: trace.digest() for name, trace in traces().items()}}
    for name, trace in traces().items():
        found[f"parts {name}"] = [
            lp.replay(LongTrace.of(trace, 33), policy, trace.pages // 3).misses for policy in ("lru", "llru", "belady")
        ]
        found[f"optimum {name}"] = [
            lp.optimum(trace, trace.pages // 3, admission=rule).certificate.digest for rule in ("forced", "bypass")
        ]
        found[f"curves {name}"] = [lp.miss_curve(trace, policy).tolist() for policy in ("lru", "llru")]
    for policy in policies():
        runs = [lp.replay(t, policy, t.pages // 3, reset="session", seed=3) for t in traces().values()]
        found[f"replay {policy}"] = [[r.misses_by_session.tolist(), r.misses_by_layer.tolist()] for r in runs]
    found["ratios"] = [
        lp.competitive_ratio(policy, layers=2, experts=2, slots=3).certificate.digest
        for policy in ("lru", "llru", "fifo")
    ]
    found["game"] = lp.optimal_ratio(layers=2, experts=2, slots=2).certificate.digest
    found["coupons"] = repr(simulate(6, 2, samples=50, seed=4))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.jsonl"
        lp.save_trace(traces()["zipf"], path)
        found["jsonl"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def digests() -> dict[str, str]:
    """Return the digest of each group."""
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        for name, value in results().items()
    }


def main() -> int:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    found = digests()
    if args.write:
        STORED.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    stored = json.loads(STORED.read_text())
    wrong = 0
    for name, digest in found.items():
        same = stored.get(name, digest) == digest
        wrong += not same
        print(f"{name:<22} {digest[:16]} {'new' if name not in stored else 'equal' if same else 'DIFFERS'}")
    print(f"Python {platform.python_version()}: {len(found)} digests, {wrong} differ")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
