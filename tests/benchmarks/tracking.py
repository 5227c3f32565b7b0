"""Cost of tracking activations per request, as ratios.

``python tests/benchmarks/tracking.py [--rounds N] [--repeat R]``

24 layers x 32 experts, 4 a token, Zipf 1.  Compiled: replay by decayed LFU, LFU and windowed LFU over replay by LRU, per
layer at 8 slots each; counting alone over replay by LRU.  Plain Python, as an engine's hook would do it: a recency list (an
ordered dict) with and without a decayed counter beside it.  One thread, best of R, measured in the same run.

``--json`` prints the figures as one JSON object instead.
"""

from __future__ import annotations

import argparse
import json
from collections import OrderedDict

import numpy as np
from common import best

import layered_paging as lp
from layered_paging.prediction.predictors import Popularity
from layered_paging.profiles.profile import Profile


def hook(events: list[list[list[int]]], tracker: Popularity | None) -> None:
    """Serve events from recency lists of 8 slots a layer."""
    held: list[OrderedDict[int, None]] = [OrderedDict() for _ in events[0]]
    for row in events:
        for layer, members in enumerate(row):
            cache = held[layer]
            for expert in members:
                cache[expert] = None
                cache.move_to_end(expert)
            while len(cache) > 8:
                cache.popitem(last=False)
            if tracker is not None:
                tracker.observe(layer, members)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    trace = lp.workloads.zipf(24, 32, args.rounds, top_k=4, exponent=1.0, seed=0)
    base = best(args.repeat, lambda: lp.replay(trace, "lru", 192, pool="per-layer", engine="kernel"))[0]
    ratios = {
        policy: best(
            args.repeat, lambda policy=policy: lp.replay(trace, policy, 192, pool="per-layer", engine="kernel")
        )[0]
        / base
        for policy in ("lfu", "lfu-window", "lfu-decay")
    }
    ratios["counting alone (a profile)"] = best(args.repeat, lambda: Profile.of(trace, half_life=32))[0] / base
    events = trace.experts[: min(2000, args.rounds)].tolist()
    plain = best(args.repeat, lambda: hook(events, None))[0]
    counted = best(args.repeat, lambda: hook(events, Popularity(trace.n_experts, half_life=32)))[0]
    ratios["plain Python: recency list and counters over recency list"] = counted / plain
    per_event = (counted - plain) / (len(events) * trace.layers)
    figures = {
        "requests": trace.requests,
        "lru_ns_per_request": 1e9 * base / trace.requests,
        "ratios": ratios,
        "python_us_per_event": 1e6 * per_event,
    }
    if args.json:
        print(json.dumps(figures))
        return
    print(f"{trace.requests:,} requests; LRU {figures['lru_ns_per_request']:.1f} ns a request")
    for name, ratio in ratios.items():
        print(f"  {name:60s} {ratio:6.2f}")
    print(f"  counters in plain Python with numpy: {figures['python_us_per_event']:.2f} us an event")
    assert np.isfinite(list(ratios.values())).all()


if __name__ == "__main__":
    main()
