"""Time of a request under similar-rounds, follow, llru and lfu, as a ratio to lru's compiled kernel in the same run.

``python tests/benchmarks/policy.py [--rounds N] [--repeat R] [--trace FILE] [--json]``

Events of a synthetic trace (24 layers of 32 experts, top 4, sticky Zipf) or of a trace that is given, at 1.25, 2 and
4 tokens' demand.  The policies take turns, so that a machine that changes its speed changes it for all; best of R,
in processor time of one thread.  Aim: at most 3 for similar-rounds.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import layered_paging as lp

POLICIES = ("lru", "llru", "similar-rounds", "stamp")


def measure(trace: lp.Trace, slots: int, repeat: int) -> list[dict[str, Any]]:
    """Return nanoseconds a request and the ratio to lru, for each policy."""
    times: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for turn in range(repeat + 1):  # the first one compiles
        for policy in POLICIES:
            began = time.process_time()
            lp.replay(trace, policy, slots)
            if turn:
                times[policy].append(time.process_time() - began)
    best = {policy: min(found) / trace.requests * 1e9 for policy, found in times.items()}
    return [
        {"policy": policy, "slots": slots, "nanoseconds": best[policy], "ratio": best[policy] / best["lru"]}
        for policy in POLICIES
    ]


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trace")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    trace = (
        lp.load_trace(args.trace)
        if args.trace
        else lp.workloads.markov(24, 32, args.rounds, top_k=4, stickiness=0.3, exponent=1.0, seed=args.seed)
    )
    rows = []
    for tokens in (1.25, 2, 4):
        found = measure(trace, round(tokens * trace.layers * trace.top_k), args.repeat)
        rows += found
        if not args.json:
            for row in found:
                print(
                    f"{row['policy']:<15} {row['slots']:>5} slots  {row['nanoseconds']:6.1f} ns a request, {row['ratio']:4.1f} times lru",
                    flush=True,
                )
    if args.json:
        print(json.dumps({"policy": rows}))


if __name__ == "__main__":
    main()
