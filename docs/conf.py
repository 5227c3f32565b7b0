"""How the documentation is built: ``make docs``.  Reference pages are generated from the package itself."""

from __future__ import annotations

import argparse
import importlib
import inspect
import io
import re
import sys
from pathlib import Path
from typing import Any

import layered_paging
from layered_paging import catalog, cli

HERE = Path(__file__).parent

project = "layered-paging"
author = "The layered-paging developers"
copyright = "the layered-paging developers"
version = release = layered_paging.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinxcontrib.bibtex",
]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
bibtex_bibfiles = ["../papers/references.bib"]
bibtex_default_style = "plain"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
exclude_patterns = ["_build", "witnesses", "atlas/*.gz"]
html_theme = "furo"
html_title = "layered-paging"
suppress_warnings = ["myst.xref_missing"]  # links out of docs/: test_documents checks that their targets exist


def generate(app: Any) -> None:
    """Write the pages that the package itself knows best."""
    target = HERE / "generated"
    target.mkdir(exist_ok=True)
    sys.path.insert(0, str(HERE / "lessons"))
    import export

    export.write(target / "lessons")
    for name, text in {"cli.md": commands(), "catalog.md": registered(), "api.md": api()}.items():
        path = target / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def commands() -> str:
    """Return the help of every command."""
    text = "# Commands\n\nEvery command takes `--json` and `--help`.\n"
    for name, summary in cli.COMMANDS.items():
        module = importlib.import_module(f"layered_paging.cli.{cli._HOMES.get(name, name)}")
        parser = argparse.ArgumentParser(
            prog=f"layered-paging {name}",
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100),
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        module.configure(parser)
        stream = io.StringIO()
        parser.print_help(stream)
        text += f"\n## {name}\n\n{summary[0].upper()}{summary[1:]}.\n\n```text\n{stream.getvalue()}```\n"
    return text


def registered() -> str:
    """Return tables of what is registered."""
    kinds = {"policy": "Policies", "adversary": "Adversaries", "claim": "Claims", "result": "Results of papers"}
    text = "# Catalog\n"
    entries = catalog.collect()
    for kind, heading in kinds.items():
        rows = [entry for entry in entries if entry.kind == kind]
        if not rows:
            continue
        text += f"\n## {heading}\n\n| name | what | source |\n|---|---|---|\n"
        for entry in rows:
            cites = ", ".join(f"{{cite:t}}`{key}`" for key in entry.properties.get("cites", ()))
            text += f"| `{entry.name}` | {plain(entry.summary)} | {cites} |\n"
    return text


def plain(text: str) -> str:
    """Return text in which nothing is markup of a table or of MyST."""
    return re.sub(r"([|*_$<>\[\]{}\\])", r"\\\1", text.replace("``", "`"))


def api() -> str:
    """Return the reference of the public names."""
    text = "# Python\n\nImported as `import layered_paging as lp`.\n"
    for name in sorted(layered_paging._HOMES, key=str.lower):
        thing = getattr(layered_paging, name)
        kind = "autoclass" if inspect.isclass(thing) else "autofunction"
        home = thing.__module__
        body = ":members:\n" if kind == "autoclass" else ""
        text += f"\n## {name}\n\n```{{eval-rst}}\n.. {kind}:: {home}.{name}\n"
        text += "".join(f"   {line}\n" for line in body.splitlines()) + "```\n"
    for name in layered_paging._MODULES:
        module = getattr(layered_paging, name)
        text += f"\n## {name}\n\n{(module.__doc__ or '').strip()}\n"
        for member in sorted(getattr(module, "__all__", ())):
            thing = getattr(module, member)
            if member in layered_paging._HOMES or not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            kind = "autoclass" if inspect.isclass(thing) else "autofunction"
            text += f"\n```{{eval-rst}}\n.. {kind}:: {thing.__module__}.{member}\n"
            text += ("   :members:\n" if kind == "autoclass" else "") + "```\n"
    return text


def setup(app: Any) -> None:
    """Generate before anything is read."""
    app.connect("builder-inited", generate)
