"""What one needs to try the toolkit runs on numpy alone, in a fresh process in which every other package is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layered_paging as lp
from layered_paging.core import interpreted
from layered_paging.ratio import components
from layered_paging.samples import SAMPLE

REFUSE = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {*sys.stdlib_module_names, "numpy", "layered_paging"}:
            return None
        raise ModuleNotFoundError(f"{name} is refused", name=name)

sys.meta_path.insert(0, Refuse())
"""
TRIED = """
import json
import layered_paging as lp
from layered_paging.core.cutting import window
from layered_paging.samples import SAMPLE

trace = lp.load_trace(SAMPLE)
part = window(trace, 0, 60)
events = lp.workloads.zipf(2, 5, 40, top_k=2, seed=1)
found = {
    "requests": trace.requests,
    "replay": [lp.replay(part, name, 24).misses for name in ("lru", "llru", "similar-rounds", "random")],
    "serial": lp.replay(part, "lru", 24, events="serial", reset="session").misses,
    "optimum": [lp.optimum(part, 24, admission="forced").cost, lp.optimum(events, 4, admission="forced").cost],
    "page": len(lp.report.replay_page(window(trace, 0, 8), ["lru", "opt"], 24)),
    "board": lp.report.board(lp.Trace([[0], [1], [0]], n_experts=2), "lru", 1),
    "play": len(lp.report.play_page()),
    "coupon": [str(lp.coupon.expected_rounds(3, 2)), str(lp.coupon.harmonic(4))],
    "ratio": [],
}
for policy, size in [("lru", (1, 3, 2)), ("llru", (2, 2, 3)), ("fifo", (2, 2, 2)), ("marking", (1, 3, 2))]:
    ratio = lp.competitive_ratio(policy, layers=size[0], experts=size[1], slots=size[2])
    lp.certify.check(ratio.certificate)
    found["ratio"].append([policy, str(ratio.value), str(ratio.witness)])
print(json.dumps(found))
"""
LOADED = "print(sorted({n.partition('.')[0] for n in sys.modules} - sys.stdlib_module_names - {'__main__'}))"


def run(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1].replace("'", '"') if code.endswith(LOADED) else done.stdout)


def test_it_runs_on_numpy_alone_and_says_the_same() -> None:
    assert run(REFUSE + TRIED) == run(TRIED)


def test_a_replay_on_numpy_alone_loads_numpy_alone() -> None:
    code = "import layered_paging as lp\nfrom layered_paging.samples import SAMPLE\n"
    code += "assert lp.replay(lp.load_trace(SAMPLE), 'lru', 24).misses == " + str(
        lp.replay(lp.load_trace(SAMPLE), "lru", 24).misses
    )
    loaded = run(REFUSE + code + "\n" + LOADED)
    assert [name for name in loaded if not name.startswith("_") and name != "sitecustomize"] == [
        "layered_paging",
        "numpy",
    ]


def test_what_is_refused_is_refused() -> None:
    for name in ("numba", "scipy", "rich", "hypothesis"):
        done = subprocess.run([sys.executable, "-c", f"{REFUSE}\nimport {name}"], capture_output=True, text=True)
        assert "is refused" in done.stderr


def test_a_kernel_that_is_asked_for_names_what_it_needs() -> None:
    code = "import layered_paging as lp\nlp.replay(lp.Trace([[0]], n_experts=2), 'lru', 1, engine='kernel')"
    done = subprocess.run([sys.executable, "-c", REFUSE + code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith(
        "engine 'kernel' needs numba, which is not installed; use engine 'auto' or 'reference'"
    )


@given(st.integers(0, 2**64 - 1))
def test_bits_are_counted_alike(word: int) -> None:
    text = f"{word:064b}"
    assert int(interpreted.leading_zeros(np.uint64(word))) == (text.index("1") if word else 64)
    assert int(interpreted.trailing_zeros(np.uint64(word))) == (text[::-1].index("1") if word else 64)


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_the_graphs_agree_with_scipy(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    pytest.importorskip("scipy")
    nodes, arcs = drawn
    arcs = sorted(set(arcs))
    sources, targets = np.array([a for a, _ in arcs], np.int64), np.array([b for _, b in arcs], np.int64)
    one, other = components.strong_components(sources, targets, nodes), components._tarjan(sources, targets, nodes)
    assert (np.equal.outer(one, one) == np.equal.outer(other, other)).all()
    first = np.searchsorted(sources, np.arange(nodes + 1))
    found = components.found_from(first, targets)
    assert (
        np.where(found < 0, -1, found).tolist() == components._breadth_first(first.tolist(), targets.tolist()).tolist()
    )
