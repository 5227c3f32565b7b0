"""Run the lessons and write each as a page that needs neither marimo nor a network to be read.

marimo's own export loads its program from a content network and shows nothing without it; here the same outputs
become plain HTML inside a page of the documentation: accordions as ``<details>``, formulas as those of the page.
"""

from __future__ import annotations

import ast
import html
import importlib.util
import json
import logging
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

_STYLE = """<style>
.lesson .paragraph { display: block; margin: .6em 0; }
.lesson details { border: 1px solid var(--color-background-border, #888); border-radius: .4em; padding: .3em .8em; margin: 1em 0; }
.lesson summary { cursor: pointer; font-weight: bold; }
.lesson table { border-collapse: collapse; margin: .6em 0; }
.lesson td, .lesson th { padding: .15em .6em; border-bottom: 1px solid #8884; }
.lesson img { max-width: 100%; height: auto; background: #fff; }
.lesson iframe { width: 100%; border: 1px solid #888; }
.lesson .live { color: var(--color-foreground-muted, #666); font-size: .9em; }
</style>"""


def lessons() -> list[Path]:
    """Return the notebooks, in order."""
    return sorted(HERE.glob("lesson_*.py"))


def cells(path: Path) -> list[tuple[str, bool]]:
    """Return source and whether it is hidden, of every cell but the set-up, in the order of the file."""
    text = path.read_text(encoding="utf-8")
    found = []
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        hidden = any(
            isinstance(one, ast.Call)
            and any(word.arg == "hide_code" and getattr(word.value, "value", False) for word in one.keywords)
            for one in node.decorator_list
        )
        body = [part for part in node.body if not isinstance(part, ast.Return)]
        lines = text.splitlines()[body[0].lineno - 1 : body[-1].end_lineno] if body else []
        found.append(("\n".join(line.removeprefix("    ") for line in lines), hidden))
    return found


def run(path: Path) -> list[Any]:
    """Run a notebook, which raises if one of its assertions fails; return the outputs of its cells, in order."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:  # marimo sets the root logger to print what any library notes
        spec.loader.exec_module(module)
        root.setLevel(logging.WARNING)
        outputs, _ = module.app.run()
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
    return list(outputs)


def plain(text: str) -> str:
    """Return marimo's HTML with its own elements replaced by common ones."""
    text = re.sub(
        r"<marimo-accordion data-labels='(.*?)'[^>]*>(.*?)</marimo-accordion>", _details, text, flags=re.DOTALL
    )
    text = re.sub(r"<marimo-tex[^>]*>\|\|([(\[])(.*?)\|\|[)\]]</marimo-tex>", _formula, text, flags=re.DOTALL)
    text = re.sub(r'<span class="markdown[^"]*">', "<span>", text)
    text = re.sub(
        r"<marimo-ui-element.*?</marimo-ui-element>",
        "<span class='live'>(here is a control in the notebook itself)</span>",
        text,
        flags=re.DOTALL,
    )
    left = re.search(r"<marimo-[a-z-]+", text)
    if left is not None:
        raise ValueError(f"an output holds {left[0]}, which a plain page cannot show")
    return text


def _details(match: re.Match[str]) -> str:
    labels = [re.sub("<.*?>", "", label) for label in json.loads(html.unescape(match[1]))]
    if len(labels) != 1:
        raise ValueError(f"an accordion must have one entry; got {labels}")
    return f"<details><summary>{labels[0]}</summary>{match[2]}</details>"


def _formula(match: re.Match[str]) -> str:
    from latex2mathml.converter import convert

    return str(convert(html.unescape(match[2]), display="inline" if match[1] == "(" else "block"))


def page(path: Path) -> str:
    """Run a lesson and return its page in MyST: code as code, outputs as HTML, headings as headings."""
    sources, outputs = cells(path), run(path)
    if len(sources) != len(outputs):
        raise ValueError(f"{path.name}: {len(sources)} cells, but {len(outputs)} outputs")
    parts: list[str] = []
    for (source, hidden), output in zip(sources, outputs, strict=True):
        if not hidden:
            parts.append(f"```python\n{source}\n```\n")
        if output is None:
            continue
        text = getattr(output, "text", None)
        if text is None:
            parts.append(f"```text\n{output!r}\n```\n")
            continue
        prose = text.startswith('<span class="markdown')  # only there are headings those of the page
        pattern = r"(<h[1-3][^>]*>.*?</h[1-3]>)" if prose else r"(?!)"
        for piece in re.split(pattern, plain(text), flags=re.DOTALL):
            heading = re.fullmatch(r"<h([1-3])[^>]*>(.*?)</h[1-3]>", piece, flags=re.DOTALL)
            if heading is not None:
                parts.append("#" * int(heading[1]) + " " + html.unescape(re.sub("<.*?>", "", heading[2])) + "\n")
            elif re.sub(r"<.*?>|\s", "", piece) or "<img" in piece or "<iframe" in piece:
                parts.append(f'``````{{raw}} html\n<div class="lesson">{piece}</div>\n``````\n')
    note = (
        f"```{{raw}} html\n{_STYLE}\n```\n\nAs a notebook: {{download}}`{path.name} <../../lessons/{path.name}>`, "
        f"to be opened by `marimo edit {path.name}`. Think about a question before you open its solution.\n"
    )
    return "\n".join([parts[0], note, *parts[1:]])


def write(folder: Path) -> None:
    """Write the pages of all lessons into a folder; what has not changed is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in lessons():
        target, text = folder / f"{path.stem}.md", page(path)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
