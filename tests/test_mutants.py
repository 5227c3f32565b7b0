"""The runner of mutants: what it changes, what it leaves alone, and that it tells killed from alive."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]

SOURCE = '''"""A module of 1 line."""
LIMIT = 3


@cached(size=4)
def f(x: int | None = 5, *rest: int) -> int:
    """Return 6."""
    assert x < 7
    if x <= 8 and rest:
        raise ValueError(f"more than {9}: {x - 1}")
    for y in zip(rest, rest, strict=True):
        x += y
    return x * 2


@register("claim", "c", control={"extra": 1})
def g(scope: str = "small", *, extra: int = 0) -> None:
    return scope == extra
'''


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("cosmic_ray")
    spec = importlib.util.spec_from_file_location("mutants_run", ROOT / "tests" / "mutants" / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules["changes"], "ROOT", tmp_path)
    (tmp_path / "m.py").write_text(SOURCE)
    return module


def test_what_is_changed(run: ModuleType, tmp_path: Path) -> None:
    found = list(run.mutants(tmp_path / "m.py", "group"))
    lines = {mutant.key().partition(": ")[2] for mutant in found}
    for line in ("LIMIT =  4", "LIMIT =  2", "if x < 8 and rest:", "if x <= 8 or rest:", "if not x <= 8 and rest:", "return x + 2",
                 "for y in []:", "return scope != extra", '@register("claim", "c", control={"extra":  2})'):  # fmt: skip
        assert any(line.split() == other.split() for other in lines), line
    text = "\n".join(lines)
    for word in ("cached", "assert", "raise", "strict=False", "int &", "/ rest", "+rest"):
        assert word not in text, word
    assert all(ast.parse(mutant.text()) for mutant in found)
    bounds = {mutant.key().partition(": ")[2] for mutant in run.mutants(tmp_path / "m.py", "claims")}
    assert len(bounds) == 2 and all("def g(" in line for line in bounds)


def test_which_functions_a_mutant_changes(run: ModuleType, tmp_path: Path) -> None:
    where = {}
    for mutant in run.mutants(tmp_path / "m.py", "group"):
        new = run.changes(mutant)
        where[mutant.line] = None if new is None else sorted(line for _, line in new)
    # the limit, a default and a registration are what the import does; the rest are bodies
    assert where[2] is where[6] is where[16] is where[17] is None
    assert where[9] == where[11] == where[13] == [5] and where[18] == [16]


def test_intervals_of_a_rate(run: ModuleType) -> None:
    low, high = run.wilson(95, 100)
    assert (round(low, 4), round(high, 4)) == (0.8882, 0.9785)


def test_reasons_are_about_files() -> None:
    rows = [
        line
        for line in (ROOT / "tests" / "mutants" / "survivors.txt").read_text().splitlines()
        if line and line[0] != "#"
    ]
    for row in rows:
        key, mark, reason = row.partition("  # ")
        path, _, line = key.partition(": ")
        assert mark and reason and line and (ROOT / path).is_file(), row
        assert line not in (ROOT / path).read_text(), f"not a change: {row}"


def checker(name: str) -> ModuleType:
    """Return a module of the runner that breaks every condition of the checker."""
    folder = str(ROOT / "tests" / "mutants")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)


CONDITIONS = '''
def f(x, y):
    """Say."""
    need(x < 3 and not y, f"more than {x > 1}")
    for z in range(x):
        if z == y:
            raise ValueError(x)
    return min(x, y) if all(a for a in y if a) else x
'''


def test_every_condition_is_broken(tmp_path: Path) -> None:
    conditions = checker("conditions")
    (tmp_path / "m.py").write_text(CONDITIONS)
    found = conditions.mutants(tmp_path / "m.py", tmp_path)
    keys = [mutant.key.partition(": f: ")[2] for mutant in found]
    for key in (
        "x < 3 -> x <= 3", "x < 3 -> x >= 3", "x < 3 and (not y) -> x < 3", "x < 3 and (not y) -> not y", "not y -> y",
        "x < 3 and (not y) -> x < 3 or not y", "z == y -> z != y", "z == y -> True", "z == y -> False", "raise ValueError(x) -> pass",
        "range(x) -> no turn", "range(x) -> without the first", "range(x) -> without the last", "min(x, y) -> x", "min(x, y) -> y",
        "a -> no filter", "all((a for a in y if a)) -> True",
    ):  # fmt: skip
        assert key in keys, key
    assert not any(
        "x > 1" in key.partition(" -> ")[0] and key.startswith("x > 1") for key in keys
    )  # a message is no condition
    assert len({mutant.key for mutant in found}) == len(found)
    codes = list(conditions.compiled(tmp_path / "m.py"))
    assert len(codes) == len(found)
    assert all(code.co_filename == str(tmp_path / "m.py") for code in codes)


def test_certificates_at_the_edges_of_rules() -> None:
    """True ones are accepted, false ones refused, and none makes the checker fall."""
    checker("forgeries")
    found = checker("edges").cases({"optimum", "stall", "ratio-game", "ratio-random", "placement"})
    answers = {case.name: checker("checker").answer(case) for case in found}
    assert {answer.verdict for answer in answers.values()} == {"accepted", "refused"}
    for false in (
        "prices of 2^64 - 1 in all", "a price of 2^64 - 1", "65537 pages, all alike", "never evicts the lowest", "asks for any page",
        "one pool of 3 free slots", "stall [[0], [1], [2]], 4 slots, 2, 2, [[0, 0], [0, 2], [0, 4]]", "the first event is wide, 1",
    ):  # fmt: skip
        hit = [answer for name, answer in answers.items() if name.startswith(false)]
        assert hit and all(answer.verdict == "refused" for answer in hit), false


def test_survivors_of_the_checker_are_changes_of_it_and_have_reasons() -> None:
    conditions = checker("conditions")
    known = {
        mutant.key
        for path in (ROOT / "layered_paging" / "certify").glob("*.py")
        for mutant in conditions.mutants(path, ROOT)
    }
    rows = [line for line in (ROOT / "tests" / "mutants" / "checker.txt").read_text().splitlines() if line[:1] != "#"]
    assert rows and rows == sorted(rows)
    for row in rows:
        key, mark, reason = row.partition("  # ")
        assert mark and reason and key in known, row
