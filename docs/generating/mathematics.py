"""Formulas as MathML, which browsers show without a program and without a network."""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert

__all__ = ["setup"]


def _inline(self: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    self.body.append(convert(node.astext(), display="inline"))
    raise SkipNode


def _block(self: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    self.body.append(f'<div class="formula" tabindex="0">{convert(node.astext(), display="block")}</div>')
    raise SkipNode


def setup(app: Any) -> None:
    """Make MathML what formulas are written as in HTML."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
