"""The shape of the house: imports go one way, content is never imported, files stay small, importing is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "layered_paging"

# A module may import from its own line and from lines above it.
ORDER = [
    {"errors", "files", "instance", "registry", "certificate", "compiled", "words"},
    {"trace", "long"},
    {"policy", "strategy"},
    {"grid", "policies"},
    {"reference"},
    {"offline"},
    {"kernels", "runs", "streaming"},
    {"curves"},
    {"adversary", "workloads", "transforms", "coupon"},
    {"ratio"},
    {"prediction", "edge"},
    {"catalog", "claims", "diagnosis", "gaps", "testing", "theorems"},
    {"formats", "recording"},
    {"samples", "sweep"},
    {"plot"},
    {"reproduction", "report"},
    {"cli", "__main__"},
]
# The trusted checker stands apart: it may import these and nothing else of the package.
TRUSTED = {"errors", "certificate", "instance", "trace", "grid", "policy", "policies", "registry", "certify"}


def modules() -> list[Path]:
    return [p for p in sorted(PACKAGE.rglob("*.py")) if "_content" not in p.parts]


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported(path: Path) -> set[str]:
    """Return the rooms of the package that a module imports, also inside functions."""
    found = set()
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            inner = list(path.relative_to(PACKAGE).parts[: depth - node.level])
            target = inner + (node.module.split(".") if node.module else [])
            names = [target[0]] if target else [alias.name for alias in node.names]
            found |= {n if (PACKAGE / n).is_dir() or (PACKAGE / f"{n}.py").exists() else "__init__" for n in names}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if name.startswith("layered_paging"):
                    found.add(name.split(".")[1] if "." in name else "__init__")
    return found


def test_every_module_has_a_room() -> None:
    rooms = set().union(*ORDER) | {"certify", "__init__"}
    assert {room(p) for p in modules()} <= rooms


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    if here in ("__init__",):
        return
    if here == "certify":
        assert imported(path) <= TRUSTED
        return
    allowed: set[str] = set()
    for line in ORDER:
        allowed |= line
        if here in line:
            break
    # faces and batteries may call the checker; nothing that it would have to check may
    if any(here in line for line in ORDER[ORDER.index({"ratio"}) + 1 :]):
        allowed.add("certify")
    # the version and lazily loaded public names
    assert imported(path) - {"__init__"} <= allowed, sorted(imported(path) - allowed)


def test_the_order_test_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = PACKAGE / "trace.py"
    monkeypatch.setattr(Path, "read_text", lambda self: "from .runs import replay")
    with pytest.raises(AssertionError):
        test_imports_go_one_way(wrong)


@pytest.mark.parametrize("folder", ["adversaries", "proofs", "papers"])
def test_content_is_not_a_package(folder: str) -> None:
    assert not list((ROOT / folder).rglob("__init__.py"))


def test_no_file_is_too_long() -> None:
    long = {str(p.relative_to(ROOT)): n for p in modules() if (n := len(p.read_text().splitlines())) > 500}
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
        "print([m for m in ('numba', 'scipy', 'sympy', 'networkx', 'pulp', 'matplotlib', 'rich', 'hypothesis', 'pandas') if m in sys.modules])"
    )
    assert heavy.strip() == "[]"


def test_public_names_are_functions_not_modules() -> None:
    out = run(
        "import layered_paging as lp, layered_paging.runs, layered_paging.offline, layered_paging.diagnosis; "
        "print(callable(lp.replay), callable(lp.optimum), callable(lp.diagnose), sorted(lp.__all__) == sorted(set(lp.__all__)))"
    )
    assert out.split() == ["True"] * 4


def test_public_names_all_resolve() -> None:
    out = run("import layered_paging as lp; [getattr(lp, n) for n in lp.__all__]; print('ok')")
    assert out.strip() == "ok"
