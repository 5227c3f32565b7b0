"""What a policy costs beside what it closes: processor time of its kernel, and the length of its definition."""

from __future__ import annotations

import ast
import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.trace import Trace
from ..engine.run import replay
from ..engine.twins import twin_of
from ..policies.names import resolve

__all__ = ["Cost", "Length", "definition", "kernel_costs"]

INTERFACE = ("spec", "names")  # of all policies
ENOUGH = 200_000  # requests of the trace on which time is taken


@dataclass(frozen=True)
class Length:
    """How long the definition of a policy is.

    Attributes
    ----------
    lines : int
        Of the policy's own file, and of the files beside it that it imports, as Python writes their syntax trees: no
        comments, docstrings, imports and blank lines.
    constants : int
        Distinct numbers in them, other than -1, 0 and 1.
    """

    lines: int
    constants: int


@dataclass(frozen=True)
class Cost:
    """What a request costs.

    Attributes
    ----------
    nanoseconds : float
        Processor time of a replay divided by its requests, best of the repetitions.
    ratio : float
        To that of LRU.
    """

    nanoseconds: float
    ratio: float


def definition(policy: str | type) -> Length:
    """Return the length of a policy's definition, with the files of its own folder that it imports.

    What every policy shares is not counted: the interface (``spec``, ``names``), and what is in other folders.

    Examples
    --------
    >>> definition("lru")
    Length(lines=12, constants=0)
    """
    first = Path(str(inspect.getsourcefile(resolve(policy).cls)))
    trees: dict[Path, ast.Module] = {}
    files = [first]
    while files:
        file = files.pop()
        if file in trees or not file.is_file():
            continue
        trees[file] = ast.parse(file.read_text(encoding="utf-8"))
        files += [
            file.parent.joinpath(*node.module.split(".")).with_suffix(".py")
            for node in ast.walk(trees[file])
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module not in (None, *INTERFACE)
        ]
    numbers: set[Any] = set()
    lines = 0
    for tree in trees.values():
        lines += len([line for line in ast.unparse(_bare(tree)).splitlines() if line.strip()])
        numbers |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value not in (0, 1)
        }
    return Length(lines, len(numbers))


def _bare(tree: ast.Module) -> ast.Module:
    """Return the tree without imports, docstrings and decorators of classes."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _silent(part)]  # type: ignore[attr-defined]
        if isinstance(node, ast.ClassDef):
            node.decorator_list = []
    return tree


def _silent(node: ast.AST) -> bool:
    """Whether a statement is an import, a docstring or the list of public names."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
        return True
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return text or isinstance(node, (ast.Import, ast.ImportFrom))


def kernel_costs(
    trace: Trace, policies: Sequence[str], slots: int, *, repeat: int = 3, **options: Any
) -> dict[str, Cost]:
    """Return what a request costs under each policy, beside LRU.

    Parameters
    ----------
    trace : Trace
        Its first sessions are taken, 200,000 requests or a little more.
    policies : sequence of str
    slots : int
    repeat : int
        How often each is timed, after one run that is not. Policies take turns, so that a machine that changes its speed
        changes it for all.
    **options
        Of ``replay``.

    Notes
    -----
    Seconds are processor time of this process, and no exact figures.  A policy that has no compiled twin is timed in the
    reference loop.
    """
    ends = [*trace.sessions.tolist()[1:], trace.rounds]
    each = trace.requests / trace.rounds
    count = next((n for n, end in enumerate(ends, 1) if end * each >= ENOUGH), len(ends))
    part = trace.select(range(count))
    names = list(dict.fromkeys(["lru", *policies]))
    engines = {name: "reference" if twin_of(resolve(name)) is None else "kernel" for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(repeat + 1):
        for name in names:
            began = time.process_time()
            replay(part, name, slots, engine=engines[name], **options)
            if turn:
                times[name].append(time.process_time() - began)
    best = {name: 1e9 * min(found) / part.requests for name, found in times.items()}
    return {name: Cost(best[name], best[name] / best["lru"]) for name in policies}
