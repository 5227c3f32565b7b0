"""Fill a template with data that nothing can break out of."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from typing import Any

__all__ = ["escape", "fill"]

# inside a script element, JSON must not hold what HTML reads as markup
_HIDDEN = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def escape(text: object) -> str:
    """Return text for use in HTML, also inside quoted attributes."""
    return html.escape(str(text))


def fill(template: str, *, title: str, data: Any, body: str = "") -> str:
    """Return a self-contained page.

    Parameters
    ----------
    template : str
        Name of a file in ``templates``; ``{{title}}``, ``{{data}}``, ``{{body}}`` and ``{{policy}}`` are replaced,
        and ``{{include FILE}}`` by that file of ``templates``.
    title : str
        Any text; it is escaped.
    data : JSON-able
        Embedded as a data block, which browsers do not run.
    body : str
        HTML that is ready for use: escape what goes into it.

    Notes
    -----
    A content security policy lets only the template's own script and style run (by their hashes) and
    forbids every request to anywhere.
    """
    text = re.sub(r"\{\{include ([a-z]+\.[a-z]+)\}\}\n", lambda match: _template(match[1]), _template(template))
    script = "".join(f" '{_digest(part)}'" for part in re.findall(r"<script>(.*?)</script>", text, re.DOTALL))
    style = "".join(f" '{_digest(part)}'" for part in re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    rules = {
        "default-src": "'none'",
        "script-src": script.strip() or "'none'",
        "style-src": style.strip() or "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    values = {
        "title": escape(title),
        "policy": "; ".join(f"{name} {value}" for name, value in rules.items()),
        "data": json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=True).translate(_HIDDEN),
        "body": body,
    }
    return re.sub(r"\{\{(title|policy|data|body)\}\}", lambda match: values[match[1]], text)


def _template(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _digest(code: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
