"""Plain English: one idea per sentence.  The number of long sentences may only fall."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = 25  # a longer sentence is counted
LIMIT = 0  # how many there are on the pages
IN_DOCSTRINGS = 29  # how many there are in docstrings of the package: lower it when there are fewer


def sentences(text: str) -> list[str]:
    """Return the sentences of a page, without code, tables, mathematics, headings and links' targets."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^\$\$.*?^\$\$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^( *\||#|\$ |<).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\$[^$\n]*\$|`[^`\n]*`", "x", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    parts = re.split(r"(?<=[.?!:])\s+|\n\s*\n|^\s*[-*] |^\s*\d+\. ", text, flags=re.MULTILINE)
    return [" ".join(part.split()) for part in parts if part.strip()]


def long_sentences() -> list[str]:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*/**/*.md"))]
    kept = [p for p in pages if not {"generated", "atlas", "_build"} & set(p.parts) and p.name != "claims-status.md"]
    return [f"{p.relative_to(ROOT)}: {s}" for p in kept for s in sentences(p.read_text()) if len(s.split()) > WORDS]


def test_there_are_not_more_long_sentences_than_before() -> None:
    found = long_sentences()
    assert len(found) <= LIMIT, "\n".join(found[-20:])


def documentation(source: str) -> list[str]:
    """Return the docstrings of a module without examples, code spans, headings and the headers of items."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = re.sub(r"^ *(>>>|\.\.\. |[=-]{3,}).*$", "", ast.get_docstring(node) or "", flags=re.MULTILINE)
            text = re.sub(
                r"^( *)\S.*\n(?=\1    \S)|^(Parameters|Returns|Raises|Notes|Attributes)$",
                "\n",
                text,
                flags=re.MULTILINE,
            )
            found.append(re.sub(r"``[^`]*``", "x", text))
    return found


def long_docstrings() -> list[str]:
    files = [p for p in sorted((ROOT / "layered_paging").rglob("*.py")) if "_content" not in p.parts]
    texts = [(p.relative_to(ROOT), text) for p in files for text in documentation(p.read_text())]
    return [f"{p}: {s}" for p, text in texts for s in sentences(text) if len(s.split()) > WORDS]


def test_docstrings_have_not_more_long_sentences_than_before() -> None:
    found = long_docstrings()
    assert len(found) <= IN_DOCSTRINGS, "\n".join(found[-20:])


def test_items_and_examples_of_a_docstring_are_no_sentences() -> None:
    source = 'def f(a):\n    """Do.\n\n    Parameters\n    ----------\n    a : int\n        A number.\n\n    >>> f(1)\n    """\n'
    assert [s for text in documentation(source) for s in sentences(text)] == ["Do.", "A number."]


def test_a_table_in_a_list_and_a_formula_are_no_sentences() -> None:
    long = "word " * (WORDS + 1)
    assert sentences(f"- Rows:\n\n  | {long} |\n  |---|\n\n$$\n{long}\n$$\n\nEnd.") == ["Rows:", "End."]


def test_a_long_sentence_is_found() -> None:
    text = "Short one. " + "word " * (WORDS + 1) + "end. `a code span` and [a link](with/a/very/long/target)."
    assert [s for s in sentences(text) if len(s.split()) > WORDS] == ["word " * (WORDS + 1) + "end."]
