"""A page for each public object, and an index of them all."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import Any

import layered_paging as lp

# Modules that are public beside those that ``layered_paging`` itself names, in the order of the index.
ALSO = (
    "errors",
    "policies.spec",
    "policies.step",
    "policies.stream",
    "core.registry",
    "ratio",
    "prediction",
    "prefetch",
    "plan",
    "testing",
    "adversary",
    "plot",
    "claims",
    "theorems",
    "proved",
)


@dataclass(frozen=True)
class Public:
    """A public object.

    Attributes
    ----------
    module : str
        From which it is imported, such as ``layered_paging.coupon``.
    name : str
    thing : object
    """

    module: str
    name: str
    thing: Any

    @property
    def kind(self) -> str:
        """Return "class", "function" or "constant"."""
        if inspect.isclass(self.thing):
            return "class"
        return "function" if inspect.isroutine(self.thing) else "constant"

    @property
    def file(self) -> str:
        """Return the name of its page; it says the kind, as names that differ in case only must not share a file."""
        return f"{self.module.removeprefix('layered_paging').lstrip('.') or 'lp'}.{self.name}.{self.kind}"

    @property
    def summary(self) -> str:
        """Return the first line of its docstring."""
        if self.kind == "constant":
            return f"`{self.thing!r}`" if len(repr(self.thing)) < 80 else f"a {type(self.thing).__name__}"
        return _plain((inspect.getdoc(self.thing) or "").split("\n")[0])


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in "*_$<>[]{}\\|" else c for c in text.replace("``", "`"))


def public() -> dict[str, list[Public]]:
    """Return all public objects by module; an object that two modules name is listed once."""
    seen: set[int] = set()
    found: dict[str, list[Public]] = {}
    for module in ("", *sorted(lp._MODULES), *ALSO):
        whole = f"layered_paging.{module}".rstrip(".")
        home = importlib.import_module(whole)
        names = lp._HOMES if not module else getattr(home, "__all__", ())
        for name in sorted(names, key=str.lower):
            thing = getattr(home, name)
            if inspect.ismodule(thing) or (callable(thing) and id(thing) in seen):
                continue
            seen.add(id(thing))
            found.setdefault(whole, []).append(Public(whole, name, thing))
    return found


def _page(one: Public) -> str:
    short = "import layered_paging as lp" if one.module == "layered_paging" else f"from {one.module} import {one.name}"
    text = f"---\norphan: true\n---\n\n# {one.name}\n\n```python\n{short}\n```\n\n"
    if one.kind == "constant":
        shown = repr(one.thing)
        text += f"```text\n{shown if len(shown) < 2000 else type(one.thing).__name__}\n```\n"
    else:
        directive = "autoclass" if one.kind == "class" else "autofunction"
        members = "   :members:\n" if one.kind == "class" else ""
        inner = "<" in one.thing.__qualname__  # made by another function, which gave it its public name
        home = f"{one.module}.{one.name}" if inner else f"{one.thing.__module__}.{one.thing.__qualname__}"
        text += f"```{{eval-rst}}\n.. {directive}:: {home}\n{members}```\n"
    return text + "\n[All public names](index.md)\n"


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    text = "# Python\n\nImported as `import layered_paging as lp`. Every public name has a page of its own.\n"
    made = {}
    for module, members in public().items():
        title = "lp" if module == "layered_paging" else module.removeprefix("layered_paging.")
        about = "" if module == "layered_paging" else (importlib.import_module(module).__doc__ or "").strip()
        text += f"\n## {title}\n\n{_plain(about)}\n\n| name | | what |\n|---|---|---|\n"
        for one in members:
            text += f"| [`{one.name}`]({one.file}.md) | {one.kind} | {one.summary} |\n"
            made[f"{one.file}.md"] = _page(one)
    return {"index.md": text, **made}
