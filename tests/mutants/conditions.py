"""Every condition of a source file, and the ways to break each: comparisons, booleans, tests, refusals, bounds of loops.

A mutant changes one place of the syntax tree.  Its key names the file, the function, and the change; it does not depend
on line numbers.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

__all__ = ["Mutant", "mutants"]

# each comparison moved by one, and turned round
COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
LIMITED = ("number", "integer", "_int", "_need_int")  # functions whose integer arguments are limits
SILENT = ("__all__",)
Change = Callable[[ast.AST], ast.AST]


@dataclass(frozen=True)
class Mutant:
    """One change: the file, the lines of the statement that it is in, its key, and the changed module."""

    path: Path
    first: int
    last: int
    key: str
    number: int

    def code(self) -> CodeType:
        """Return the changed module, compiled under the name of the file."""
        tree = ast.parse(self.path.read_text())
        place = list(places(tree))[self.number]
        put(tree, place, place.change(place.node))
        return compile(ast.fix_missing_locations(tree), str(self.path), "exec")


@dataclass(frozen=True)
class Place:
    """Where a tree can be changed: the holder of the node, its field, and the change."""

    holder: ast.AST
    field: str
    at: int | None
    node: ast.AST
    statement: ast.stmt
    function: str
    what: str
    change: Change


def mutants(path: Path, root: Path) -> list[Mutant]:
    """Return every mutant of a file."""
    tree = ast.parse(path.read_text())
    found: list[Mutant] = []
    known: Counter[str] = Counter()
    for number, place in enumerate(places(tree)):
        old = " ".join(ast.unparse(place.node).split())
        new = place.what or " ".join(ast.unparse(place.change(place.node)).split())
        key = f"{path.relative_to(root)}: {place.function}: {short(old)} -> {short(new)}"
        known[key] += 1
        if known[key] > 1:
            key += f" [{known[key]}]"
        last = place.statement.end_lineno or place.statement.lineno
        if isinstance(place.statement, (ast.If, ast.While, ast.For, ast.FunctionDef, ast.With, ast.Try)):
            inner = place.statement.body[0]
            last = (
                (inner.end_lineno or 0)
                if isinstance(inner, ast.Raise)
                else max(place.statement.lineno, inner.lineno - 1)
            )
        found.append(Mutant(path, place.statement.lineno, last, key, number))
    return found


def short(text: str) -> str:
    """Return a text without its middle if it is long."""
    return text if len(text) <= 160 else f"{text[:100]} ... {text[-50:]}"


def put(tree: ast.AST, place: Place, new: ast.AST) -> None:
    """Set a new node where the place was found."""
    if place.at is None:
        setattr(place.holder, place.field, new)
    else:
        getattr(place.holder, place.field)[place.at] = new


def places(tree: ast.Module) -> Iterator[Place]:
    """Yield every place with every change, in the order of the source."""
    yield from _walk(tree, None, "module")


def _walk(node: ast.AST, statement: ast.stmt | None, function: str) -> Iterator[Place]:
    for field, value in ast.iter_fields(node):
        items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for at, child in items:
            if not isinstance(child, ast.AST) or _idle(node, field, child):
                continue
            inside = child if isinstance(child, ast.stmt) else statement
            name = function
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                name = child.name if function == "module" else f"{function}.{child.name}"
            if inside is not None:
                for what, change in _changes(node, field, child):
                    yield Place(node, field, at, child, inside, name, what, change)
            yield from _walk(child, inside, name)


def _idle(holder: ast.AST, field: str, node: ast.AST) -> bool:
    """Whether a node is no behaviour: annotations, messages, names for the outside, decorators."""
    return (
        field in ("annotation", "returns", "decorator_list", "keywords")
        or isinstance(node, ast.JoinedStr)
        or (isinstance(holder, ast.Raise) and field in ("exc", "cause"))
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in SILENT)
    )


def _changes(holder: ast.AST, field: str, node: ast.AST) -> Iterator[tuple[str, Change]]:
    """Yield what can be done to a node: words for the key (empty: the new source), and the change."""
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in COMPARED[type(op)]:
                yield "", lambda n, i=i, other=other: _with_op(n, i, other)
    if isinstance(node, ast.BoolOp):
        swap = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield "", lambda n: ast.BoolOp(swap(), n.values)
        for i in range(len(node.values)):
            yield "", lambda n, i=i: _without(n, i)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "", lambda n: n.operand
    if field == "test" and isinstance(holder, (ast.If, ast.IfExp)):
        yield "True", lambda n: ast.Constant(True)
        yield "False", lambda n: ast.Constant(False)
    if field == "test" and isinstance(holder, ast.While):
        yield "False", lambda n: ast.Constant(False)
    if field == "ifs":
        yield "no filter", lambda n: ast.Constant(True)
    if isinstance(node, ast.Raise):
        yield "pass", lambda n: ast.Pass()
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "not called", lambda n: ast.Pass()
    if field == "iter" and isinstance(holder, (ast.For, ast.comprehension)):
        yield "without the first", lambda n: _cut(n, 1, None)
        yield "without the last", lambda n: _cut(n, None, -1)
        if isinstance(holder, ast.For):
            yield "no turn", lambda n: ast.List([], ast.Load())
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if (
            node.func.id in ("min", "max")
            and len(node.args) > 1
            and not any(isinstance(a, ast.Starred) for a in node.args)
        ):
            for i in range(len(node.args)):
                yield "", lambda n, i=i: _one_less(n, i)
        if node.func.id in LIMITED:
            for i, arg in enumerate(node.args):
                if isinstance(arg, ast.Constant) and type(arg.value) is int:
                    for step in (1, -1):
                        yield "", lambda n, i=i, step=step: _moved(n, i, step)


def _with_op(node: ast.AST, at: int, op: type[ast.cmpop]) -> ast.AST:
    new = copy.copy(node)
    assert isinstance(new, ast.Compare)
    new.ops = [op() if i == at else old for i, old in enumerate(new.ops)]
    return new


def _without(node: ast.AST, at: int) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    rest = [value for i, value in enumerate(node.values) if i != at]
    return rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _cut(node: ast.AST, start: int | None, stop: int | None) -> ast.AST:
    text = f"list(x)[{'' if start is None else start}:{'' if stop is None else stop}]"
    new = ast.parse(text, mode="eval").body
    assert isinstance(new, ast.Subscript) and isinstance(new.value, ast.Call) and isinstance(node, ast.expr)
    new.value.args = [node]
    return new


def _one_less(node: ast.AST, at: int) -> ast.AST:
    """Return min or max without one of its arguments; of two the other one."""
    assert isinstance(node, ast.Call)
    rest = [arg for i, arg in enumerate(node.args) if i != at]
    return rest[0] if len(rest) == 1 and not node.keywords else ast.Call(node.func, rest, node.keywords)


def _moved(node: ast.AST, at: int, step: int) -> ast.AST:
    assert isinstance(node, ast.Call)
    args = [
        ast.Constant(a.value + step) if i == at and isinstance(a, ast.Constant) else a for i, a in enumerate(node.args)
    ]
    return ast.Call(node.func, args, node.keywords)


def compiled(path: Path) -> Iterator[CodeType]:
    """Yield the code of every mutant of a file, in the order of ``mutants``; the tree is read once."""
    tree = ast.parse(path.read_text())
    for place in list(places(tree)):
        new = place.change(place.node)
        put(tree, place, ast.copy_location(new, place.node))
        yield compile(ast.fix_missing_locations(tree), str(path), "exec")
        put(tree, place, place.node)
