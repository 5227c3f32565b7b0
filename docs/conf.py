"""How the documentation is built: ``make docs``.  Reference pages are generated from the package itself."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import layered_paging
from layered_paging import catalog, cli
from layered_paging.cli import parsing

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "layered-paging"
author = "The layered-paging developers"
copyright = "the layered-paging developers"
version = release = layered_paging.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "generating.mathematics",
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
EXTRA = HERE / "generated" / "extra"  # copied beside the pages as they are
EXTRA.mkdir(parents=True, exist_ok=True)
html_extra_path = ["generated/extra"]
html_static_path = ["static"]
html_css_files = ["print.css", "look.css"]
html_math_renderer = "mathml"
suppress_warnings = [
    "myst.xref_missing",  # links out of docs/: test_documents checks that their targets exist
    "ref.python",  # attributes of several classes with one name, where napoleon links plain names
]


def generate(app: Any) -> None:
    """Write the pages that the package itself knows best."""
    target = HERE / "generated"
    target.mkdir(exist_ok=True)
    sys.path.insert(0, str(HERE / "lessons"))
    import export

    export.write(target / "lessons")
    (EXTRA / "play.html").write_text(layered_paging.report.play_page(), encoding="utf-8")
    from generating import api, claims, home, policies

    texts = {"cli.md": commands(), "catalog.md": registered(), "sample.md": sample(), "claims.md": claims.page()}
    texts |= {f"api/{name}": text for name, text in api.pages().items()}
    texts |= {f"policies/{name}": text for name, text in policies.pages().items()}
    for name, picture in home.pictures().items():
        _written(EXTRA / "pictures" / name, picture)
    for name, text in texts.items():
        _written(target / name, text)
    for path in [*(target / "api").glob("*.md"), *(target / "policies").glob("*.md")]:
        if f"{path.parent.name}/{path.name}" not in texts:
            path.unlink()  # of an object that is gone


def _written(path: Path, text: str) -> None:
    """Write a file, unless it holds the text already: what has not changed is not built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def commands() -> str:
    """Return the help of every command."""
    sets: dict[str, set[str]] = {}
    pages = ""
    for name, summary in cli.COMMANDS.items():
        _, parser, _ = parsing.parser_of(cli.COMMANDS, lambda word, name=name: word == name)
        parser.formatter_class = lambda prog: parsing.Help(prog, width=80)
        pages += f"\n## {name}\n\n{summary[0].upper()}{summary[1:]}.\n\n```text\n{parser.format_help()}```\n"
        for action in parsing.actions(parser):
            for flag in action.option_strings:
                sets.setdefault(flag, set()).update(part for part in getattr(action, "sets", ()) if part.isidentifier())
    text = "# Commands\n\nEvery command takes `--json`, `--format`, `-v`, `-q` and `--help`.\n\n"
    text += "An option has the name of Python's parameter, with hyphens. The exceptions:\n\n| option | Python |\n|---|---|\n"
    rows = [(flag, names) for flag, names in sorted(sets.items()) if names and flag.startswith("--")]
    return (
        text + "".join(f"| `{flag}` | {', '.join(f'`{n}`' for n in sorted(names))} |\n" for flag, names in rows) + pages
    )


def registered() -> str:
    """Return tables of what is registered."""
    kinds = {"adversary": "Adversaries", "result": "Results of papers"}
    text = "# Catalog\n\n[Policies](policies/index.md) and [claims](claims.md) have pages of their own.\n"
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


def sample() -> str:
    """Return what the provenance of the shipped trace says, with the loss curve."""
    from layered_paging.plot import embedded, new_figure
    from layered_paging.samples import SAMPLE

    said = json.loads((SAMPLE.parent / "provenance.json").read_text())
    text = (SAMPLE.parent / "README.md").read_text()
    held, trace, training = said["held_text"], said["trace"], said["training"]
    figure = new_figure(height=3.2)
    left, right = figure.subplots(1, 2)
    left.plot([row[0] for row in training["loss_nats_per_byte"]], [row[1] for row in training["loss_nats_per_byte"]])
    left.set(xlabel="step", ylabel="loss, nats a byte", ylim=(0, None))
    told = [[0, held["information_before"]["mean"]], *held["information_while_training"]]
    right.plot([row[0] for row in told], [row[1] for row in told], "o-", color="#D55E00")
    right.axhline(2 * told[0][1], linestyle=":", color="#888", label="twice the untrained model's")
    right.set(xlabel="step", ylabel="information, nats a layer", ylim=(0, None))
    right.legend()
    text += (
        "\n## What came out\n\n```{raw} html\n" + embedded(figure, "Loss and information over training") + "\n```\n\n"
    )
    text += f"{said['parameters']:,} parameters, {training['steps']:,} steps, {training['cpu_seconds']:,} seconds of one core; "
    text += ", ".join(f"{name} {version}" for name, version in said["made_with"].items()) + ".\n\n"
    text += "| on held text | before | after |\n|---|---|---|\n"
    for kind in held["loss_before"]:
        text += f"| loss, {kind}, nats a byte | {held['loss_before'][kind]:.3f} | {held['loss_after'][kind]:.3f} |\n"
    text += (
        f"| information, mean of the layers, nats | {told[0][1]:.4f} | {held['information_after']['mean']:.4f} |\n\n"
    )
    text += f"That is {held['ratio']:.2f} times as much. In the trace itself ({trace['requests']:,} requests): "
    return text + f"{trace['information']['mean']:.4f} nats.\n"


def plain(text: str) -> str:
    """Return text in which nothing is markup of a table or of MyST."""
    return re.sub(r"([|*_$<>\[\]{}\\])", r"\\\1", text.replace("``", "`"))


def setup(app: Any) -> None:
    """Generate before anything is read."""
    app.connect("builder-inited", generate)
