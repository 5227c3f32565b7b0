"""Mutants: change one thing in the sources, and see whether the tests notice.

    python tests/mutants/run.py                      # a sample of 40 mutants of every group
    python tests/mutants/run.py coupon claims --sample 0   # all mutants of two groups

Nothing is written: each mutant lives in a forked process that compiles the changed syntax tree in place of the file.
A mutant is killed when a test fails or takes more than the time limit.  Survivors are printed with their line, and
with the reason where ``survivors.txt`` gives one (an equivalent mutant, or a weaker statement that is true).
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.machinery
import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
QUIET = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # libraries are imported before the fork
LIMIT = 120  # seconds for the tests of one mutant

# group -> (files, arguments of pytest)
GROUPS: dict[str, tuple[list[str], list[str]]] = {
    "coupon": (["layered_paging/coupon/*.py"], ["tests/test_coupon.py", "-k", "not ten_thousand and not workers"]),
    "adversaries": (["layered_paging/adversary/*.py", "adversaries/*.py"], ["tests/test_adversaries.py"]),
    "policies": (["layered_paging/policies/*.py"], ["tests/test_policies.py"]),
    "certify": (["layered_paging/certify/*.py"], ["tests/test_certify_*.py", "tests/test_ratio_*.py"]),
    "ratio": (["layered_paging/ratio/automaton.py", "layered_paging/ratio/work.py"], ["tests/test_ratio*.py"]),
    "claims": (["proofs/*.py"], ["tests/test_claims.py", "-k", "test_claim["]),
    "engine": (["layered_paging/claims.py"], ["tests/test_claims.py", "-k", "not test_claim["]),
}

COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


class Mutant(NamedTuple):
    """One change of one file: the number of the node in ``ast.walk`` order, and which change."""

    path: str
    node: int
    kind: str
    line: int
    text: str


def mutants(path: Path, group: str) -> Iterator[Mutant]:
    """Yield the mutants of a file; of a claim only its bound, that is its keyword defaults."""
    source = path.read_text()
    tree = ast.parse(source)
    skip = {id(n) for n in idle(tree)}
    bounds = {
        id(default)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and "register" in ast.dump(ast.List(function.decorator_list))
        for default in function.args.kw_defaults
        if default is not None
    }
    lines = source.splitlines()
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in skip or (group == "claims" and id(node) not in bounds):
            continue
        for kind in kinds(node):
            line = getattr(node, "lineno", 0)
            yield Mutant(str(path.relative_to(ROOT)), number, kind, line, lines[line - 1].strip())


def idle(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is no behaviour: annotations, decorators, docstrings, messages, doc-only assignments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            parts = [
                *node.decorator_list,
                node.returns,
                *(a.annotation for a in [*node.args.args, *node.args.kwonlyargs]),
            ]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.Raise):
            parts = [node.exc]
        elif isinstance(node, ast.ClassDef):
            parts = list(node.decorator_list)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            parts = [node]
        else:
            continue
        for part in parts:
            if part is not None:
                yield from ast.walk(part)


def kinds(node: ast.AST) -> list[str]:
    """Return the names of the changes that apply to a node."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        return ["compare"]
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        return ["arithmetic"]
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return ["more", "less"]
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        return ["flip"]
    if isinstance(node, ast.BoolOp):
        return ["and-or"]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        return ["drop-sign"]
    if isinstance(node, ast.IfExp):
        return ["exchange"]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return (
            ["exchange"] if node.func.id in ("min", "max") else ["more", "less"] if node.func.id == "Fraction" else []
        )
    return []


def mutated(mutant: Mutant) -> CodeType:
    """Compile the changed file."""
    path = ROOT / mutant.path
    tree = ast.parse(path.read_text())
    node = list(ast.walk(tree))[mutant.node]
    step = 1 if mutant.kind == "more" else -1
    if isinstance(node, ast.Compare):
        node.ops[0] = COMPARE[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp):
        node.op = ARITHMETIC[type(node.op)]()
    elif isinstance(node, ast.Constant):
        node.value = not node.value if mutant.kind == "flip" else node.value + step  # type: ignore[operator]
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.IfExp):
        node.body, node.orelse = node.orelse, node.body
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd() if isinstance(node.op, ast.USub) else node.op
        if isinstance(node.op, ast.Not):
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Fraction":
        # a bound that is a fraction moves by a tenth
        whole = ast.Call(copy.deepcopy(node.func), copy.deepcopy(node.args), [])
        tenth = ast.Call(ast.Name("Fraction", ast.Load()), [ast.Constant(step), ast.Constant(10)], [])
        node.func = ast.Name("Fraction", ast.Load())
        node.args = [ast.BinOp(whole, ast.Add(), tenth)]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        node.func.id = "max" if node.func.id == "min" else "min"
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


def trial(mutant: Mutant | None, arguments: list[str]) -> int:
    """Run the tests in a child with the mutant in place; return its process number."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    try:
        if mutant is not None:
            code, target = mutated(mutant), str(ROOT / mutant.path)
            original = importlib.machinery.SourceFileLoader.get_code

            def get_code(self: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
                return code if self.get_filename(name) == target else original(self, name)

            importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        import pytest

        status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *QUIET, *arguments])
        os._exit(int(status))
    except BaseException:
        os._exit(3)


def chosen(mutant: Mutant, tests: list[str]) -> list[str]:
    """Return the tests of a mutant: of a claim only those of its file."""
    if not mutant.path.startswith("proofs/"):
        return tests
    names = re.findall(r'"claim",\s*"([a-z-]+)"', (ROOT / mutant.path).read_text())
    return [f"tests/test_claims.py::test_claim[{name}]" for name in names]


def main() -> int:
    """Run the mutants and print the kill rate of each group; 1 if some group is below 95 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", default=list(GROUPS), metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--sample", type=int, default=40, help="mutants of a group, 0 for all (default: 40)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import hypothesis
    import numba
    import numpy
    import pytest  # noqa: F401  imported here, so that the children need not
    import scipy.optimize
    import sympy  # noqa: F401

    del hypothesis, numba, numpy, scipy
    reasons = {}
    for line in (Path(__file__).parent / "survivors.txt").read_text().splitlines():
        key, _, reason = line.partition("  # ")
        if reason:
            reasons[key.strip()] = reason.strip()
    poor = False
    for group in args.groups:
        patterns, named = GROUPS[group]
        tests = [str(path) for word in named for path in sorted(ROOT.glob(word) if word.endswith("*.py") else [word])]
        found = [m for pattern in patterns for path in sorted(ROOT.glob(pattern)) for m in mutants(path, group)]
        total = len(found)
        if args.sample and total > args.sample:
            found = sorted(random.Random(args.seed).sample(found, args.sample))
        start = time.monotonic()
        if wait({trial(None, tests): None}, 10 * LIMIT)[1] != 0:
            print(f"{group}: the tests fail without a mutant")
            return 2
        killed, excused, left = 0, 0, []
        running: dict[int, Mutant | None] = {}
        began: dict[int, float] = {}
        queue = list(found)
        while queue or running:
            while queue and len(running) < args.jobs:
                mutant = queue.pop(0)
                child = trial(mutant, chosen(mutant, tests))
                running[child], began[child] = mutant, time.monotonic()
            child, status = wait(running, LIMIT, began)
            mutant = running.pop(child)
            assert mutant is not None
            if status:
                killed += 1
            else:
                key = f"{mutant.path}: {mutant.kind}: {mutant.text}"
                excused += key in reasons
                left.append((key, mutant.line, reasons.get(key, "")))
        counted = len(found) - excused
        rate = killed / counted if counted else 1.0
        poor |= rate < 0.95
        print(
            f"{group}: {killed} of {len(found)} mutants killed ({total} in all), {excused} survivors explained: "
            f"{100 * rate:.1f} %, {time.monotonic() - start:.0f} s",
            flush=True,
        )
        for key, line, reason in left:
            print(f"  line {line}: {key}{'  # ' + reason if reason else ''}", flush=True)
    return int(poor)


def wait(running: dict[int, Mutant | None], limit: float, began: dict[int, float] | None = None) -> tuple[int, int]:
    """Wait for one of our children; kill those that take too long (that counts as a failure of its tests)."""
    start = time.monotonic()
    while True:
        for child in running:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return child, status
            if time.monotonic() - (began or {}).get(child, start) > limit:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return child, 1
        time.sleep(0.02)


if __name__ == "__main__":
    raise SystemExit(main())
