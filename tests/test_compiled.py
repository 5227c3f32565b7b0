"""Compiled code on the disk: never stale, never wrong, and nothing breaks where it cannot be kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from layered_paging.core.sources import reached

ROOT = Path(__file__).resolve().parent.parent
KERNEL = '''"""A kernel."""

from layered_paging.core.compiled import kernel

from .constants import ADDED


@kernel
def plus(x: int) -> int:
    """Add a constant."""
    return x + ADDED


@kernel
def first(pair):
    """Return the first of two."""
    return pair[0]
'''
USE = """
import logging, sys
logging.getLogger("layered_paging.core.compiled").setLevel(logging.INFO)
from small import plus
begun = []
class Note(logging.Handler):
    def emit(self, record):
        if record.levelno == logging.INFO:
            begun.append(record.getMessage())
        else:
            print(record.getMessage(), file=sys.stderr)
logging.getLogger("layered_paging.core.compiled").addHandler(Note())
print(plus.plus(1), plus.plus(2.5))
print(sum(stats for stats in plus.plus.stats.cache_hits.values()))
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with a package of one kernel and one constant."""
    package = tmp_path / "small"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "plus.py").write_text(KERNEL)
    (package / "constants.py").write_text("ADDED = 1\n")
    return tmp_path


def start(folder: Path, code: str = USE, **environment: str) -> subprocess.Popen[str]:
    known = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    known |= {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "XDG_CACHE_HOME": str(folder / "cache")}
    known |= {"PYTHONDONTWRITEBYTECODE": "1", **environment}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True, env=known)


def run(folder: Path, code: str = USE, **environment: str) -> tuple[list[str], str]:
    process = start(folder, code, **environment)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out.split(), err


def test_what_compiles_is_loaded_to_compile_alone(tmp_path: Path) -> None:
    code = """
import sys
import layered_paging as lp
run = lp.replay(lp.workloads.zipf(2, 8, 50, top_k=2, seed=1), "lru", 8, engine="kernel")
print(run.misses, "numba.np.arraymath" in sys.modules)
"""
    first, again = (run(tmp_path, code)[0] for _ in range(2))
    assert first[1] == "True" and again == [first[0], "False"]


def test_garbage_is_not_looked_for_while_something_is_compiled(tmp_path: Path) -> None:
    code = """
import gc, logging
import layered_paging as lp
looked = []
log = logging.getLogger("layered_paging.core.compiled")
log.setLevel(logging.DEBUG)
log.addFilter(lambda record: looked.append(gc.isenabled()))
for collects in (True, False):
    (gc.enable if collects else gc.disable)()
    lp.replay(lp.workloads.zipf(2, 8, 50, top_k=2, seed=1), "fifo" if collects else "lifo", 8, engine="kernel")
    print(looked[0], any(looked[1:-1]), looked[-1], gc.isenabled())
    looked.clear()
"""
    said = run(tmp_path, code)[0]
    assert said == ["True", "False", "True", "True", "False", "False", "False", "False"]


def test_code_for_a_class_that_was_typed_is_not_kept(small: Path) -> None:
    """Its methods may be part of the code, and nobody can tell when they change."""
    code = """
from typing import NamedTuple
from small.plus import first
class Pair(NamedTuple):
    a: int
    b: int
print(first(Pair(3, 4)), sum(first.stats.cache_hits.values()), first((7, 8)))
"""
    for _ in range(2):
        assert run(small, code=code)[0] == ["3", "0", "7"]
    assert len(kept(small)) == 1


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "cache").rglob("*.code"))


def test_compiled_code_is_found_again_and_damage_is_noticed(small: Path) -> None:
    assert run(small) == (["2", "3.5", "0"], "")
    assert run(small) == (["2", "3.5", "2"], "")
    whole = [path.read_bytes() for path in kept(small)]
    assert len(whole) == 2
    middle = len(whole[0]) // 2
    flipped = whole[0][:middle] + bytes([whole[0][middle] ^ 1]) + whole[0][middle + 1 :]
    for damaged in (b"", whole[0][:100], whole[0][:-1], flipped, b"from elsewhere", whole[1]):
        kept(small)[0].write_bytes(damaged)
        assert run(small) == (["2", "3.5", "1"], "")  # compiled again
    assert run(small) == (["2", "3.5", "2"], "")  # and kept


def test_several_first_starts_at_once(small: Path) -> None:
    processes = [start(small) for _ in range(3)]
    for process in processes:
        out, err = process.communicate()
        assert (process.returncode, out.split()[:2], err) == (0, ["2", "3.5"], "")
    assert run(small) == (["2", "3.5", "2"], "")


@pytest.mark.parametrize("where", ["file", "null"])
def test_where_nothing_can_be_written_all_works_and_one_line_says_so(small: Path, where: str) -> None:
    (small / "file").write_text("")
    home = str(small / "file" / "cache") if where == "file" else "/dev/null/cache"
    out, err = run(small, XDG_CACHE_HOME=home)
    assert out == ["2", "3.5", "0"]
    assert err.count("\n") == 1
    assert "compiled code cannot be kept in" in err and "Not a directory" in err and "XDG_CACHE_HOME" in err


def test_a_change_in_an_imported_file_is_seen(small: Path) -> None:
    assert run(small)[0] == ["2", "3.5", "0"]
    (small / "small" / "constants.py").write_text("ADDED = 5\n")
    assert run(small)[0] == ["6", "7.5", "0"]
    (small / "small" / "constants.py").write_text("ADDED = 1\n")
    assert run(small)[0] == ["2", "3.5", "2"]


OLD = "b = before[head]\n    after[b] = page\n    before[page] = b\n    after[page] = head\n    before[head] = page\n"
NEW = "a = after[head]\n    before[a] = page\n    after[page] = a\n    before[page] = head\n    after[head] = page\n"


def test_no_stale_kernel_in_a_copied_package(tmp_path: Path) -> None:
    """Edit a helper two files away from the loop, in a copy of the package that has compiled already."""
    package = tmp_path / "layered_paging"
    shutil.copytree(ROOT / "layered_paging", package, ignore=shutil.ignore_patterns("__pycache__", "_content"))
    code = (
        "import layered_paging as lp; trace = lp.workloads.zipf(3, 8, 100, top_k=1, seed=1); "
        "print(lp.__file__, *(lp.replay(trace, 'fifo', 6, engine=e).misses for e in ('kernel', 'reference')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def misses() -> tuple[int, int]:
        command = [sys.executable, "-P", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=True)
        home, fast, slow = done.stdout.split()
        assert Path(home).is_relative_to(tmp_path)
        return int(fast), int(slow)

    fast, slow = misses()
    assert fast == slow
    helper = package / "engine" / "lists.py"
    text = helper.read_text()
    assert text.count(OLD) == 1
    helper.write_text(text.replace(OLD, NEW))
    changed, slow = misses()
    assert changed != fast
    assert slow == fast


def test_sources_reach_through_imports() -> None:
    """A kernel's file, what it imports, and what that imports; not what functions import when they run."""
    home = ROOT / "layered_paging"
    found = {
        str(p.relative_to(home))
        for p in reached("layered_paging.engine.twins.dominating", str(home / "engine/twins/dominating.py"))
    }
    assert {
        "engine/twins/dominating.py",
        "policies/dominating.py",
        "engine/hooks.py",
        "engine/dice.py",
        "core/rules.py",
    } <= found
    assert "prediction/next_use.py" not in found


def test_sources_of_every_way_to_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ways"
    (package / "inner").mkdir(parents=True)
    for name in ("a", "b", "c", "d", "e", "f", "g", "h"):
        (package / f"{name}.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("from .deep import X\n")
    (package / "inner" / "deep.py").write_text("X = 1\n")
    (package / "start.py").write_text(
        "import ways.a, json\nfrom . import b\nfrom .c import X as Y  # here\nfrom . import (\n    d,\n    e as e_,\n)\n"
        "try:\n    from .f import X\nexcept ImportError:\n    X = 1\n"
        "def late():\n    from .g import X\n    return X\n"
        "from ways.inner import X\nclass Body:\n    import ways.h\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import ways  # noqa: F401

    found = {str(p.relative_to(package)) for p in reached("ways.start", str(package / "start.py"))}
    assert found >= {"start.py", "a.py", "b.py", "c.py", "d.py", "e.py", "f.py", "inner/__init__.py", "inner/deep.py"}
    assert not found & {"g.py", "h.py"}


def test_what_a_kernel_took_is_told_without_those_within(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = pytest.importorskip("layered_paging.core.machine", reason="without numba nothing is compiled")
    clock = iter([0.0, 1.0, 3.0, 7.0])
    monkeypatch.setattr(machine.time, "process_time", lambda: next(clock))
    told = machine._Told()

    def about(name: str, module: str = "layered_paging.made_up") -> SimpleNamespace:
        function = SimpleNamespace(__module__=module, __qualname__=name)
        return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=function)})

    with caplog.at_level("DEBUG", logger="layered_paging.core.compiled"):
        told.on_start(about("outer"))
        told.on_start(about("not ours", "numba.np"))
        told.on_start(about("inner"))
        told.on_end(about("inner"))
        told.on_end(about("not ours", "numba.np"))
        told.on_end(about("outer"))
    said = [record.getMessage().replace("layered_paging.made_up.", "") for record in caplog.records]
    assert said == ["compiling outer", "compiling inner", "compiled inner: 2.00 s", "compiled outer: 5.00 s"]
