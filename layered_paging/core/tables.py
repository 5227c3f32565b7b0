"""Results as tables that leave: rows of plain values, as a frame, as HTML for a notebook, as LaTeX, Markdown or CSV."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..errors import LayeredPagingError, ParameterError

__all__ = ["FORMATS", "Tabular", "as_csv", "as_html", "as_latex", "as_markdown", "shown"]

FORMATS = ("csv", "md", "tex")
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


SYMBOLS = ("k", "k - l + 1", "H_k")  # columns whose name is mathematics


def shown(value: Any) -> str:
    """Return a value as text: fractions as 7/3, floats with six significant digits, nothing for None."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Fraction | Decimal) and not isinstance(value, bool)


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV (RFC 4180 quoting, lines end in a line feed); floats in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if value is None else value for value in row] for row in rows])
    return out.getvalue()


def as_markdown(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as a Markdown table; numbers stand to the right.

    Examples
    --------
    >>> print(as_markdown(["policy", "ratio"], [["lru", Fraction(7, 3)]]), end="")
    | policy | ratio |
    |---|---:|
    | lru | 7/3 |
    """
    body = [list(row) for row in rows]
    right = [all(_is_number(row[at]) or row[at] is None for row in body) and bool(body) for at in range(len(columns))]
    lines = [list(columns), *[[shown(value) for value in row] for row in body]]
    text = ["| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in line) + " |" for line in lines]
    rule = "|" + "|".join("---:" if r else "---" for r in right) + "|"
    return "\n".join([text[0], rule, *text[1:]]) + "\n"


def as_latex(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, caption: str = "", label: str = "") -> str:
    r"""Return rows as a LaTeX table (package booktabs); fractions become ``$\frac{7}{3}$``, and k a symbol.

    Examples
    --------
    >>> print(as_latex(["policy", "ratio"], [["lru", Fraction(7, 3)]]), end="")
    \begin{tabular}{lr}
    \toprule
    policy & ratio \\
    \midrule
    lru & $\frac{7}{3}$ \\
    \bottomrule
    \end{tabular}
    """
    body = [list(row) for row in rows]
    right = [all(_is_number(row[at]) or row[at] is None for row in body) and bool(body) for at in range(len(columns))]
    lines = [r"\begin{tabular}{" + "".join("r" if r else "l" for r in right) + "}", r"\toprule"]
    lines += [" & ".join(f"${name}$" if name in SYMBOLS else _latex(name) for name in columns) + r" \\", r"\midrule"]
    lines += [" & ".join(_latex(value) for value in row) + r" \\" for row in body]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if caption or label:
        around = [r"\begin{table}", r"\centering", *lines]
        around += [rf"\caption{{{_latex(caption)}}}"] if caption else []
        around += [rf"\label{{{label}}}"] if label else []
        lines = [*around, r"\end{table}"]
    return "\n".join(lines) + "\n"


def _latex(value: Any) -> str:
    if isinstance(value, Fraction) and value.denominator != 1:
        sign = "-" if value < 0 else ""
        return rf"${sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}$"
    return "".join(_LATEX.get(c, c) for c in shown(value).replace("\n", " "))


def as_html(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> str:
    """Return rows as an HTML table, everything escaped."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align:{"right" if _is_number(v) else "left"}">{html.escape(shown(v))}</td>' for v in row
        )
        + "</tr>"
        for row in rows
    )
    caption = f"<caption>{html.escape(title)}</caption>" if title else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Tabular:
    """A result that is a table: it says its rows, and the rest follows."""

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the rows, each a mapping from column to a plain value (int, float, Fraction, str, None)."""
        raise NotImplementedError

    def _columns(self) -> tuple[list[str], list[list[Any]]]:
        rows = self.to_rows()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        return columns, [[row.get(name) for name in columns] for row in rows]

    def to_frame(self, library: str | None = None) -> Any:
        """Return a data frame.

        Parameters
        ----------
        library : {"pandas", "polars"}, optional
            Default: the first of them that is installed.  Fractions become text in polars, objects in pandas.

        Raises
        ------
        ParameterError
            Another library.
        LayeredPagingError
            Neither is installed.
        """
        if library not in (None, "pandas", "polars"):
            raise ParameterError(f"must be 'pandas' or 'polars'; got {library!r}", parameter="library")
        columns, rows = self._columns()
        by_name: Mapping[str, list[Any]] = {name: [row[at] for row in rows] for at, name in enumerate(columns)}
        if library in (None, "pandas"):
            try:
                import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]

                return pandas.DataFrame(by_name)
            except ImportError:
                if library == "pandas":
                    raise LayeredPagingError("to_frame needs pandas, which is not installed") from None
        try:
            import polars  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError:
            raise LayeredPagingError("to_frame needs pandas or polars; neither is installed") from None
        plain = {name: [str(v) if isinstance(v, Fraction) else v for v in values] for name, values in by_name.items()}
        return polars.DataFrame(plain, strict=False)

    def to_latex(self, *, caption: str = "", label: str = "") -> str:
        """Return the rows as a LaTeX table (package booktabs)."""
        return as_latex(*self._columns(), caption=caption, label=label)

    def to_markdown(self) -> str:
        """Return the rows as a Markdown table."""
        return as_markdown(*self._columns())

    def to_csv(self) -> str:
        """Return the rows as CSV."""
        return as_csv(*self._columns())

    def _repr_html_(self) -> str:
        return as_html(*self._columns(), title=repr(self))

    def _repr_latex_(self) -> str:
        return self.to_latex()
