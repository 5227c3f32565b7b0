"""The shape of the house: imports go one way, content is never imported, files stay small, importing is light."""

from __future__ import annotations

import ast
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "layered_paging"

# A room may import from rooms on lines above its own, and from none on its own line or below.
ORDER = [
    {"errors"},
    {"core"},
    {"certificate"},
    {"policies"},
    {"prediction", "offline"},
    {"engine"},
    {"adversary", "workloads", "transforms", "coupon", "ratio", "live"},
    {"prefetch", "profiles"},
    {"edge", "catalog", "analysis"},
    {"theorems", "proved"},
    {"claims", "testing", "formats", "plan", "scaffold", "problems"},
    {"recording"},
    {"samples", "plot"},
    {"report", "reproduction", "sweep"},
    {"ahead"},
    {"cli"},
    {"__main__"},
]
# The trusted checker stands apart: it may import these and nothing else of the package.
TRUSTED = {"errors", "certificate", "core", "policies", "certify"}
# Modules that import by a name made at run time, and what that is for.
BY_NAME = {
    "__init__": "public names, when first used",
    "catalog": "all policies and content",
    "certify": "the kind of a certificate",
    "cli.parsing": "a command",
    "cli.own": "a policy in a file that the user names",
    "core.rented": "a module of kernels",
    "core.registry": "the catalog, for a name that nobody has registered yet",
    "engine.twins": "the twin of a policy",
    "policies.names": "the file of a policy",
    "claims.helpers": "optional packages",
    "formats.known": "the formats of its folder",
}


def modules() -> list[Path]:
    return [p for p in sorted(PACKAGE.rglob("*.py")) if "_content" not in p.parts]


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] or parts if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    where = PACKAGE.joinpath(*name.split("."))
    return where.with_suffix(".py").exists() or (where / "__init__.py").exists()


def imported(path: Path) -> set[str]:
    """Return the modules of the package that a module imports, also inside functions and by literal strings."""
    found = set()
    place = path.relative_to(PACKAGE).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                target = [*place[: len(place) - node.level], *(node.module or "").split(".")]
            elif (node.module or "").split(".")[0] == "layered_paging":
                target = (node.module or "").split(".")[1:]
            else:
                continue
            base = ".".join(part for part in target if part)
            inner = {f"{base}.{alias.name}".lstrip(".") for alias in node.names}
            found |= {name if is_module(name) else base or "__init__" for name in inner}
        elif isinstance(node, ast.Import):
            found |= {
                a.name.partition(".")[2] or "__init__" for a in node.names if a.name.split(".")[0] == "layered_paging"
            }
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("import_module", "find_spec"):
            text = getattr(node.args[0], "value", None)
            if isinstance(text, str) and text.startswith("layered_paging."):
                found.add(text.partition(".")[2])
    return found


def room(module: str) -> str:
    return module.split(".")[0]


def lines_above(name: str) -> set[str]:
    """Return the rooms that a room may import: its own, those above, and the checker where that is allowed."""
    at = next(n for n, line in enumerate(ORDER) if name in line)
    above: set[str] = {name}.union(*ORDER[:at])
    # faces and batteries may call the checker; nothing that it would have to check may
    return above | ({"certify"} if at > ORDER.index({"prefetch", "profiles"}) else set())


def test_every_module_has_a_room() -> None:
    assert {room(dotted(p)) for p in modules()} == set().union(*ORDER) | {"certify", "__init__"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    here = dotted(path)
    if here == "__init__":  # the public names
        return
    allowed = TRUSTED if room(here) == "certify" else lines_above(room(here))
    if here == "core.registry":
        allowed = allowed | {"catalog"}
    assert {room(name) for name in imported(path)} <= allowed, sorted(imported(path))


def test_public_names_are_the_same_when_imported_and_when_typed() -> None:
    """The package lists its names twice: for the interpreter, which imports late, and for type checkers."""
    import layered_paging as lp

    body = ast.parse((PACKAGE / "__init__.py").read_text()).body
    typed = next(n for n in body if isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING")
    found = {a.name: n.module for n in typed.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert found == lp._HOMES | dict.fromkeys(lp._MODULES)


def compiled(path: Path) -> list[tuple[ast.FunctionDef, bool]]:
    """Return the compiled functions of a module, each with whether a comment stands in it."""
    with tokenize.open(path) as file:
        notes = {t.start[0] for t in tokenize.generate_tokens(file.readline) if t.type == tokenize.COMMENT}
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            names = {ast.unparse(d).split("(")[0] for d in node.decorator_list}
            if names & {"kernel", "bare_kernel", "inlined", "shared"}:
                found.append((node, bool(notes & set(range(node.body[0].lineno, (node.end_lineno or 0) + 1)))))
    return found


def test_a_compiled_function_says_what_it_does() -> None:
    """One of 10 lines or more has a docstring; one of 25 or more has a comment at a phase."""
    silent = []
    for path in modules():
        for node, commented in compiled(path):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if (lines >= 10 and not ast.get_docstring(node)) or (lines >= 25 and not commented):
                silent.append(f"{dotted(path)}.{node.name}: {lines} lines")
    assert not silent, silent


def test_a_silent_kernel_is_found(tmp_path: Path) -> None:
    body = "".join(f"    x{n} = {n}\n" for n in range(30))
    (tmp_path / "k.py").write_text(
        f"@kernel\ndef f():\n    'Do.'\n{body}\n@kernel\ndef g():\n    'Do.'\n    # why\n{body}"
    )
    assert [commented for _, commented in compiled(tmp_path / "k.py")] == [False, True]


def test_no_import_runs_in_a_circle() -> None:
    """No circle of modules, counting imports inside functions; a package stands for its ``__init__``."""
    graph = {dotted(p): imported(p) - {dotted(p)} for p in modules()}
    graph["core.registry"] -= {"catalog"}
    waiting = {name for name in graph if name != "__init__"}
    while ready := {name for name in waiting if not graph[name] & waiting}:
        waiting -= ready
    assert not waiting, {name: sorted(graph[name] & waiting) for name in sorted(waiting)}


def test_imports_by_name_are_known() -> None:
    found = {
        dotted(path)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("import_module", "spec_from_file_location")
    }
    assert found == set(BY_NAME)


@pytest.mark.parametrize(
    "line",
    [
        "from .engine.run import replay",
        'importlib.import_module("layered_paging.engine.run")',
        "import layered_paging.cli",
    ],
)
def test_the_order_test_can_fail(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self: line)
    with pytest.raises(AssertionError):
        test_imports_go_one_way(PACKAGE / "certificate.py")


def test_the_hall_holds_public_faces_only() -> None:
    loose = {p.stem for p in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert loose <= {
        "ahead",
        "catalog",
        "certificate",
        "claims",
        "errors",
        "proved",
        "testing",
        "theorems",
        "transforms",
        "workloads",
    }


@pytest.mark.parametrize("folder", ["adversaries", "proofs", "papers"])
def test_content_is_not_a_package(folder: str) -> None:
    assert not list((ROOT / folder).rglob("__init__.py"))


def test_no_file_is_too_long() -> None:
    files = [*modules(), *ROOT.glob("tests/**/*.py")]
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > 500}
    assert not long


def test_nothing_speaks_of_this_machine() -> None:
    words = ["/wo" + "rk/", "/ro" + "ot/", "farm" + "-bench", "farm" + "-studio"]
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *modules(), *ROOT.glob("tests/**/*.py")]:
        text = path.read_text()
        assert not [w for w in words if w in text], path


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_pulls_in_nothing_heavy() -> None:
    heavy = run(
        "import sys, layered_paging as lp; lp.Trace([[0]]); "
        "print([m for m in ('numba', 'scipy', 'sympy', 'networkx', 'matplotlib', 'rich', 'hypothesis', 'pandas') if m in sys.modules])"
    )
    assert heavy.strip() == "[]"


def parts_before_numba(text: str) -> list[int]:
    """Return the lines of a file that import a part of numba before numba itself.

    Two threads, one of which begins with numba and the other with a part of it, wait for each other: Python then raises
    an error that nobody expects.
    """
    whole, found = False, []
    for line, names in sorted(
        (node.lineno, [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ):
        whole = whole or "numba" in names
        found += [line] if not whole and any(name.startswith("numba.") for name in names) else []
    return found


@pytest.mark.parametrize("path", [p for p in modules() if "numba" in p.read_text()], ids=dotted)
def test_numba_comes_before_its_parts(path: Path) -> None:
    assert parts_before_numba(path.read_text()) == []


def test_a_part_before_numba_is_found() -> None:
    assert parts_before_numba("import os\nfrom numba.extending import overload\nimport numba\n") == [2]
    assert parts_before_numba("from numba import extending\nfrom numba.core import types\n") == []


def test_public_names_are_functions_not_modules() -> None:
    out = run(
        "import layered_paging as lp, layered_paging.engine.run, layered_paging.offline, layered_paging.analysis.diagnosis; "
        "print(callable(lp.replay), callable(lp.optimum), callable(lp.diagnose), sorted(lp.__all__) == sorted(set(lp.__all__)))"
    )
    assert out.split() == ["True"] * 4


def test_public_names_all_resolve() -> None:
    out = run("import layered_paging as lp; [getattr(lp, n) for n in lp.__all__]; print('ok')")
    assert out.strip() == "ok"
