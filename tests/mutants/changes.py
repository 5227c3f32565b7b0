"""What cosmic-ray changes in a source file, one place at a time, and what it leaves alone because it is no behaviour."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
# Of cosmic-ray's replacements one a sign: the boundary of a comparison, the opposite of an operation.
SWAPS = (
    *("Comparison" + x for x in ("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is")),
    *("Binary" + x for x in ("Add_Sub", "Sub_Add", "Mul_Add", "Div_Mul", "FloorDiv_Mul", "Mod_Mul", "Pow_Mul")),
    *("Binary" + x for x in ("BitAnd_BitOr", "BitOr_BitAnd", "BitXor_BitOr", "LShift_RShift", "RShift_LShift")),
    *("Unary" + x for x in ("USub_UAdd", "Delete_Not", "Delete_Invert")),
)  # fmt: skip
OPERATORS = (
    *("core/Replace" + re.sub(r"^([A-Z][a-z]+)", r"\1Operator_", swap) for swap in SWAPS),
    *("core/AddNot", "core/NumberReplacer", "core/ReplaceTrueWithFalse", "core/ReplaceFalseWithTrue"),
    *("core/ReplaceAndWithOr", "core/ReplaceOrWithAnd", "core/ReplaceBreakWithContinue", "core/ReplaceContinueWithBreak"),
    *("core/ZeroIterationForLoop", "core/ExceptionReplacer"),
)  # fmt: skip
OPERATIONS = (
    "arith_expr",
    "term",
    "power",
    "shift_expr",
    "expr",
    "and_expr",
    "xor_expr",
)  # of two sides, to the parser


class Mutant(NamedTuple):
    """One change: a file, one of cosmic-ray's operators, and which of the places where it applies."""

    path: str
    operator: str
    occurrence: int
    line: int

    def text(self) -> str:
        """Return the changed source."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        try:
            return str(mutate_code((ROOT / self.path).read_text(), get_operator(self.operator)(), self.occurrence))
        except AttributeError:
            return ""

    def key(self) -> str:
        """Return the file and the changed line without its comment, by which ``survivors.txt`` names a mutant."""
        lines = zip((ROOT / self.path).read_text().splitlines(), self.text().splitlines(), strict=False)
        changed = next((new for old, new in lines if old != new), "")
        return f"{self.path}: {changed.partition('  # ')[0].strip()}"


def mutants(path: Path, group: str) -> Iterator[Mutant]:
    """Yield the mutants of a file; of a claim only those of its bound, that is of its keyword defaults."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator

    source = path.read_text()
    tree = ast.parse(source)
    skip, bounds = list(spans(idle(tree))), list(spans(defaults(tree)))
    nodes = list(ast_nodes(get_ast(source)))
    for name in OPERATORS:
        operator = get_operator(name)()
        places = [(node, place[0]) for node in nodes for place in operator.mutation_positions(node)]
        for number, (node, start) in enumerate(places):
            # a star before a parameter or an argument is no product
            inside = "Binary" in name and node.parent.type not in OPERATIONS
            if not (inside or any(a <= start < b for a, b in skip)) and (
                group != "claims" or any(a <= start < b for a, b in bounds)
            ):
                mutant = Mutant(str(path.relative_to(ROOT)), name, number, start[0])
                if name != "core/ExceptionReplacer" or mutant.text():  # it fails on names with a dot
                    yield mutant


def idle(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is no behaviour: annotations, messages, assertions (``strict`` of zip), sizes for tests, other decorators."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield from (d for d in node.decorator_list if not ast.unparse(d).startswith("register("))
        if isinstance(node, ast.FunctionDef):
            arguments = [a.annotation for a in ast.walk(node.args) if isinstance(a, ast.arg)]
            yield from (x for x in (node.returns, *arguments) if x)
        elif isinstance(node, ast.AnnAssign):
            yield node.annotation
        elif (
            isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr))
            or (isinstance(node, ast.keyword) and node.arg in ("strict", "sizes"))
            or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
            or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("__all__", "Item", "Node", "Ints"))
        ):
            yield node


def defaults(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the keyword defaults of registered functions: the bound of a claim, which its control shifts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any("register(" in ast.unparse(d) for d in node.decorator_list):
            yield from (default for default in node.args.kw_defaults if default is not None)


def spans(nodes: Iterator[ast.AST]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield where nodes begin and end, as (line, column) in characters of a line without wide ones."""
    for node in nodes:
        at: Any = node
        yield (at.lineno, at.col_offset), (at.end_lineno, at.end_col_offset)
