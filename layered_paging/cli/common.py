"""What several commands share: tables, progress, the options that errors name."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from ..core.tables import as_csv, as_latex, as_markdown
from ..errors import ParameterError
from .progress import Progress

__all__ = [
    "percent",
    "progress",
    "table",
    "tables_as",
]

FOLD = 40  # longer words of a first column are folded
PIPED = 72  # cells of text are padded to at most this where no terminal shows them


def prefill_note(trace: Any, prefill: str) -> str | None:
    """Return a sentence for a trace whose prompts are replayed token by token, or None."""
    from ..analysis.shape import prefill_rounds

    rounds = prefill_rounds(trace) if prefill == "token" else 0
    if not rounds:
        return None
    return (
        f"{rounds:,} of {trace.rounds:,} rounds are prefill, replayed token by token here; an engine serves a prompt layer by "
        "layer at once: --prefill merged."
    )


def percent(value: float | None) -> str:
    """Format a share in percent with three decimals; a dash for None."""
    return "-" if value is None else f"{100 * value:.3f}"


_WRITERS: dict[str, Callable[..., str]] = {"csv": as_csv, "md": as_markdown, "tex": as_latex}
_format = ""
_kept: list[str] | None = None  # tables that are collected instead of printed


@contextmanager
def tables_as(name: str) -> Iterator[list[str]]:
    """Collect what ``table`` would print, written as ``name`` ("csv", "md" or "tex")."""
    global _format, _kept
    _format, _kept = name, []
    try:
        yield _kept
    finally:
        _format, _kept = "", None


def _value(value: Any) -> Any:
    """Return a cell as a plain value: "1,234" and "-" are for the eye."""
    if isinstance(value, str) and re.fullmatch(r"-?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?", value):
        return Decimal(value.replace(",", ""))
    return None if value == "-" else value


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, text: int = 1) -> None:
    """Print a table; the first ``text`` columns are text, the others are numbers.

    Nothing is ever cut.  On a terminal, text folds and columns that do not fit follow in a further block, beside the
    first column again.  Elsewhere a row is a line, and cells of a table of text are padded to ``PIPED`` characters at most.
    """
    cells = [list(row) for row in rows]
    if _kept is not None:
        _kept.append(_WRITERS[_format](columns, [[_value(v) for v in row] for row in cells]))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    print(title, flush=True)  # a closed pipe is told here: rich would leave the program on its own
    console = Console()
    wide = shutil.get_terminal_size().columns if console.is_terminal else None
    shown = [[_cell(value) for value in row] for row in cells]
    if wide is None and text >= len(columns):
        _print_text(columns, [[_plain(value) for value in row] for row in cells])
        return
    longest = [max([len(name), *(len(row[at]) for row in shown)]) for at, name in enumerate(columns)]
    least = longest if wide is None else [_folded(at, most, text, wide) for at, most in enumerate(longest)]
    for block in _blocks(least, text, wide):
        view = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for at in block:
            view.add_column(
                columns[at],
                justify="left" if at < text else "right",
                no_wrap=least[at] == longest[at],
                overflow="fold",
                min_width=least[at],
            )
        for row in shown:
            view.add_row(*(row[at] for at in block))
        console.width = max(wide or 0, _width(least, block))
        with console.capture() as got:
            console.print(view)
        print("\n".join(line.rstrip() for line in got.get().split("\n")))


def _print_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of text for another program: a row a line, without long runs of blanks."""
    widths = [min(PIPED, max(len(row[at]) for row in (columns, *rows))) for at in range(len(columns))]
    for row in (columns, ["-" * width for width in widths], *rows):
        print("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()


def _folded(at: int, longest: int, text: int, wide: int) -> int:
    """Return the least width of a column on a terminal: text may fold, numbers never."""
    if at >= text:
        return longest
    return min(longest, max(8, min(FOLD if at == 0 else 24, (wide - 3 * text) // max(2, text))))


def _width(widths: Sequence[int], block: Sequence[int]) -> int:
    """Return the width of a table of some columns: three characters stand between two of them."""
    return sum(widths[at] for at in block) + 3 * (len(block) - 1)


def _blocks(widths: Sequence[int], text: int, wide: int | None) -> Iterator[list[int]]:
    """Yield the columns of each block: as many as fit, after the first column."""
    block: list[int] = []
    for at in range(len(widths)):
        together = at < max(text, 2) or not block[1:]
        if not together and wide is not None and _width(widths, [*block, at]) > wide:
            yield block
            block = [0]
        block.append(at)
    yield block


def _plain(value: Any) -> str:
    """Return a cell on one line."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value).replace("\n", "\\n")


def _cell(value: Any) -> str:
    """Return a cell as rich takes it: brackets are no markup."""
    from rich.markup import escape

    return escape(_plain(value))


@contextmanager
def progress(label: str, total: int, quiet: bool = False) -> Iterator[Any]:
    """Yield a function to call with the number of steps done.

    On a terminal a bar is drawn; elsewhere a line says every ten seconds how far it is.
    """
    if quiet or sys.stderr is None:
        yield lambda done: None
        return
    if not sys.stderr.isatty():
        said = Progress(quiet)
        said("phase", label)
        try:
            yield lambda done: said("done", f"{done:,} of {total:,}" if total else done)
        finally:
            said.clear()
        return
    import rich.progress
    from rich.console import Console

    with rich.progress.Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def one_of(name: str, values: Sequence[Any]) -> None:
    """Raise unless exactly one of the alternatives was given."""
    if sum(value is not None for value in values) != 1:
        raise ParameterError(f"give exactly one of {name}")
