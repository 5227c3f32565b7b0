"""A package of somebody else: a policy, its compiled twin, its curve in one pass, all found by name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from layered_paging.scaffold import files_of

ROOT = Path(__file__).resolve().parent.parent

POLICY = '''"""Evict by layer, then by the last use."""

import layered_paging as lp


@lp.register("policy", "upper-first", stack=True)
class UpperFirst:
    """Evict from the highest layer, the least recently used page of it; ties to the lowest page."""

    def __init__(self, instance):
        self._layer, self._last = instance.layer_of, {}

    def hit(self, page, time):
        """Note the use."""
        self._last[page] = time.clock

    miss = hit

    def victim(self, candidates, time):
        """Return the page of the highest layer, then of the oldest use."""
        return min(candidates, key=lambda page: (-self._layer(page), self._last[page], page))
'''

TWIN = '''"""Twin of upper-first."""

from typing import Any, NamedTuple

import numpy as np

from layered_paging.engine.twins import twin

from ..order import SIGN


@twin()
class UpperFirst(NamedTuple):
    """Layer of each page, clock of its last use."""

    layer: Any
    last: Any

    @classmethod
    def begin(cls, task):
        """Return a state for a pool."""
        instance = task.instance
        return cls(np.repeat(np.arange(instance.layers), instance.experts), np.zeros(task.grid.pages, np.int64))

    def reset(self, session):
        """Forget all uses."""
        self.last[:] = -1

    def hit(self, page, now):
        """Note the use."""
        self.last[page] = now.clock

    def miss(self, page, now):
        """Note the use."""
        self.last[page] = now.clock

    def leaves_before(self, page, other, now):
        """Return whether one page is evicted before the other."""
        if self.layer[page] != self.layer[other]:
            return SIGN * self.layer[page] > SIGN * self.layer[other]
        if self.last[page] != self.last[other]:
            return self.last[page] < self.last[other]
        return page < other
'''

USE = """
import layered_paging as lp
from layered_paging.engine.curves import has_one_pass
trace = lp.workloads.zipf(3, 6, 60, top_k=2, sessions=3, seed=5)
name = "upper-first"
run = {engine: lp.replay(trace, name, 7, record=True, engine=engine) for engine in ("kernel", "reference")}
same = (run["kernel"].missed == run["reference"].missed).all()
curves = []
for reset in ("never", "session", "cache"):
    for pool in ("shared", "per-layer"):
        curve = lp.miss_curve(trace, name, pool=pool, reset=reset).tolist()
        legal = [s for s in range(1, trace.pages + 1) if curve[s] >= 0]
        alone = [lp.replay(trace, name, s, pool=pool, reset=reset, engine="reference").misses for s in legal]
        curves.append([curve[s] for s in legal] == alone)
print(same, has_one_pass(name), all(curves), len(legal), run["kernel"].misses)
"""


def install(folder: Path, name: str, policy: str, code: str, twin: str) -> None:
    """Put a package with one policy and its twin into a folder, as installed."""
    package, info = folder / name, folder / f"{name}-1.0.dist-info"
    (package / "twins").mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(f"from . import {policy}\n")
    (package / f"{policy}.py").write_text(code)
    (package / "twins" / "__init__.py").write_text("")
    (package / "twins" / f"{policy}.py").write_text(twin)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[layered_paging.content]\n{name} = {name}\n")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with an installed package ``upper_paging``."""
    install(tmp_path, "upper_paging", "upper_first", POLICY, TWIN)
    (tmp_path / "upper_paging" / "order.py").write_text("SIGN = 1\n")
    return tmp_path


def run(site: Path, code: str) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    environment["NUMBA_CACHE_DIR"] = str(site / "cache")
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_policy_of_another_package_has_a_twin_and_a_curve_and_no_stale_kernel(site: Path) -> None:
    same, one_pass, curves, sizes, misses = run(site, USE)
    assert (same, one_pass, curves) == ("True", "True", "True")
    assert int(sizes) > 5
    # the twin takes a constant from another file of its package; the cache must not hide a change of it
    (site / "upper_paging" / "order.py").write_text("SIGN = -1\n")
    same, _, curves, _, others = run(site, USE)
    assert (same, curves) == ("False", "False")
    assert others != misses


def test_what_new_writes_is_a_policy_with_a_twin_and_a_curve(tmp_path: Path) -> None:
    """The files that ``layered-paging new policy`` writes, installed."""
    for path, text in files_of("policy", "deep-sea").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    info = tmp_path / "deep_sea-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deep-sea\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[layered_paging.content]\ndeep = deep_sea\n")
    same, one_pass, curves, sizes, _ = run(tmp_path, USE.replace("upper-first", "deep-sea"))
    assert (same, one_pass, curves) == ("True", "True", "True")
    assert int(sizes) > 5


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("@twin()", "", "the file must register one class with @twin\\(\\); it registers none"),
        (
            "    def leaves_before(",
            "    def something_else(",
            "a NamedTuple with begin, reset and victim is needed; 'UpperFirst' lacks victim",
        ),
        ("    def reset(", "    def restart(", "'UpperFirst' lacks reset"),
    ],
)
def test_a_wrong_twin_is_one_line(site: Path, old: str, new: str, said: str) -> None:
    (site / "upper_paging" / "twins" / "upper_first.py").write_text(TWIN.replace(old, new))
    code = (
        "import layered_paging as lp\ntry:\n    lp.replay(lp.Trace([[0]]), 'upper-first', 1, engine='kernel')\n"
        "except lp.errors.PolicyError as error:\n    print(repr(str(error)))"
    )
    assert re.search(said, " ".join(run(site, code)))
