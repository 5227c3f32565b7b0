"""Formulas as MathML, which browsers show without a program and without a network."""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert

__all__ = ["formula", "setup"]


def formula(text: str, display: str) -> str:
    """Return a formula as MathML; the sign of a difference of sets is one that common fonts have."""
    return str(convert(text, display=display)).replace("&#x029F5;", "&#x0005C;")


def _inline(self: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    self.body.append(formula(node.astext(), "inline"))
    raise SkipNode


def _block(self: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    self.body.append(f'<div class="formula" tabindex="0">{formula(node.astext(), "block")}</div>')
    raise SkipNode


def setup(app: Any) -> None:
    """Make MathML what formulas are written as in HTML."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
