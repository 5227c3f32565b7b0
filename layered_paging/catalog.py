"""The catalog: everything that is registered, wherever it comes from.

Content lives in ``adversaries/``, ``proofs/`` and ``papers/`` beside the package (in a
checkout) or under ``layered_paging/_content/`` (in an installed wheel). Policies live in
``layered_paging/policies/``. Other distributions add theirs by the entry-point group
``layered_paging.content`` (each entry point names a module, or a folder-like package).
Content files are executed by path and never imported by name.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from .core import registry
from .core.registry import Entry

__all__ = ["Failure", "collect", "content_root", "failures"]

FOLDERS = ("adversaries", "proofs", "papers")


@dataclass(frozen=True)
class Failure:
    """A content file that did not load, and why."""

    source: str
    reason: str


_failures: dict[str, Failure] = {}
_collected = False


def content_root() -> Path:
    """Return the folder that holds the content folders: of the checkout, else of the wheel."""
    package = Path(__file__).resolve().parent
    shipped = package / "_content"
    return shipped if shipped.is_dir() else package.parent


def collect(*, again: bool = False) -> list[Entry]:
    """Load everything once and return all entries, sorted by kind and name.

    A file that fails to load is listed by ``failures`` and does not disturb the others.
    """
    global _collected
    if not _collected or again:
        _collected = True
        policies = importlib.import_module("layered_paging.policies")
        for module in pkgutil.iter_modules(policies.__path__):
            _try(f"layered_paging.policies.{module.name}", lambda name: importlib.import_module(name) and None)
        root = content_root()
        for folder in FOLDERS:
            for path in sorted((root / folder).rglob("*.py")):
                if not path.name.startswith("_"):
                    _try(str(path), lambda name, root=root: load_file(Path(name), root))
        for point in entry_points(group="layered_paging.content"):
            _try(f"entry point {point.name} = {point.value}", lambda _, point=point: point.load() and None)
    return registry.entries()


def failures() -> list[Failure]:
    """Return the content files that failed to load."""
    return [_failures[key] for key in sorted(_failures)]


def load_file(path: Path, root: Path) -> None:
    """Execute one content file under a module name made from its path.

    Raises
    ------
    ImportError
        The file registers nothing.
    """
    parts = path.resolve().relative_to(root.resolve()).with_suffix("").parts
    name = "layered_paging._content." + ".".join(part.replace("-", "_") for part in parts)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    if not any(entry.source == str(path) for entry in registry.entries()):
        raise ImportError("registers nothing")


def _try(source: str, load: object) -> None:
    _failures.pop(source, None)
    try:
        load(source)  # type: ignore[operator]
    except Exception as error:
        _failures[source] = Failure(source, f"{type(error).__name__}: {error}")
