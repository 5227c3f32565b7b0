"""Sheets of the lessons to print, each without and with solutions: ``python docs/lessons/sheet.py FOLDER``, or ``make sheets``.

A sheet is one HTML file that needs no network.  Solutions are left out, or stand open behind their questions.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_STYLE = """
@page { margin: 2cm; }
body { font: 11pt/1.5 Georgia, serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; background: #fff; }
h1, h2, h3 { font-family: Helvetica, Arial, sans-serif; line-height: 1.2; break-after: avoid; }
pre { font-size: 9pt; background: #f4f4f4; padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; }
td, th { padding: .1rem .5rem; border-bottom: 1px solid #bbb; }
details { border-left: 3px solid #555; padding-left: .8rem; margin: 1rem 0; }
summary { font-weight: bold; list-style: none; }
img { max-width: 100%; }
math[display="block"] { overflow: auto hidden; max-width: 100%; padding: .2em 0; }
.paragraph { display: block; margin: .6em 0; }
.notebook { border-top: 1px solid #bbb; font-size: 9pt; }
.room { border-bottom: 1px dotted #999; height: 5.5rem; }
"""


def _export() -> Any:
    spec = importlib.util.spec_from_file_location("export_of_lessons", HERE / "export.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sheet(path: Path, *, solutions: bool) -> str:
    """Run a lesson and return its sheet.

    Parameters
    ----------
    path : Path
        A notebook.
    solutions : bool
        Solutions stand open.  Otherwise there is room to write in their places, and what a control shows is blank:
        ``<div class='answer'>...</div><div class='paper' hidden>...</div>`` is what a screen shows, then what paper does.
    """
    export = _export()
    parts: list[str] = []
    source = path.read_text(encoding="utf-8")
    name = re.search(r"^    (my_\w+) = ", source, flags=re.MULTILINE)
    asked = f"cells that check <code>{name[1]}</code>, are" if name else "cells, are"
    for output in export.run(path):
        text = getattr(output, "text", None)
        if text is None:
            continue  # what a cell shows as plain Python belongs to the notebook
        text = re.sub(r"<iframe.*?</iframe>", "", export.plain(text), flags=re.DOTALL)
        text = re.sub(r"<span class='live'>.*?</span>", "", text, flags=re.DOTALL)
        if solutions:
            text = text.replace("<details>", "<details open>")
        else:
            text = re.sub(r"<details>.*?</details>", '<div class="room"></div>', text, flags=re.DOTALL)
            text = re.sub(r"<div class='answer'>.*(?=<div class='paper')", "", text, flags=re.DOTALL)
            text = text.replace("<div class='paper' hidden>", "<div class='paper'>")  # the same, to be filled in
            if ">Move it yourself<" in text and "class='paper'" not in source:
                text += '<div class="room"></div>'
        parts.append(f"<section>{text}</section>")
    title = re.sub("<.*?>", "", re.search(r"<h1[^>]*>(.*?)</h1>", "".join(parts), flags=re.DOTALL)[1])  # type: ignore[index]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + f"\n<p class='notebook'>Numbers to change, and {asked} in the "
        f"notebook: <code>marimo edit docs/lessons/{path.name}</code></p>" + "\n</body></html>\n"
    )


def main(argv: list[str] | None = None) -> int:
    """Write two sheets a lesson."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="TEXT", help="lessons whose name holds this")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(HERE.glob("lesson_*.py")):
        if args.only in path.stem:
            for ending, solutions in (("", False), ("-solutions", True)):
                target = args.folder / f"{path.stem}{ending}.html"
                target.write_text(sheet(path, solutions=solutions), encoding="utf-8")
                print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
