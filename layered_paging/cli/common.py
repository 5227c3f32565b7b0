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
    "tables_kept",
    "written",
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


_WRITERS: dict[str, Callable[..., str]] = {"md": as_markdown, "tex": as_latex}
_Kept = tuple[str, Sequence[str], list[list[Any]]]  # title, columns, rows
_kept: list[_Kept] | None = None  # tables that are collected instead of printed


@contextmanager
def tables_kept() -> Iterator[list[_Kept]]:
    """Collect what ``table`` would print."""
    global _kept
    _kept = []
    try:
        yield _kept
    finally:
        _kept = None


def written(tables: Sequence[_Kept], name: str) -> str:
    """Return tables as ``name`` ("csv", "md" or "tex"); CSV is one table, whose rows all have the same columns.

    Several tables as CSV stand below each other.  The first column, ``table``, has their titles; a column that a table
    does not have is empty in its rows.
    """
    if name != "csv":
        return "\n".join(_WRITERS[name](columns, rows) for _, columns, rows in tables)
    if len(tables) == 1:
        return as_csv(*tables[0][1:])
    # a name twice in a table is two columns
    keys = [[(column, columns[:at].count(column)) for at, column in enumerate(columns)] for _, columns, _ in tables]
    every = list(dict.fromkeys(key for own in keys for key in own))
    rows = []
    for own, (title, _, cells) in zip(keys, tables, strict=True):
        for row in cells:
            found = dict(zip(own, row, strict=True))
            rows.append([title, *(found.get(key) for key in every)])
    return as_csv(["table", *(column for column, _ in every)], rows)


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
        _kept.append((title, columns, [[_value(v) for v in row] for row in cells]))
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
    """Yield a function to call with the number of steps done, and with another total and label, or failures, where they change.

    On a terminal a bar is drawn; elsewhere a line says every ten seconds how far it is.
    """
    if quiet or sys.stderr is None:
        yield lambda done, total=total, label=label, failed=0: None
        return
    if not sys.stderr.isatty():
        said = Progress(quiet)
        said("phase", label)

        def tell(done: int, total: int = total, label: str = label, failed: int = 0) -> None:
            said("phase", label)
            said("done", f"{done:,} of {total:,}" if total else done)
            if failed:
                said("failed", failed)

        try:
            yield tell
        finally:
            said.clear()
        return
    import rich.progress
    from rich.console import Console

    with rich.progress.Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)

        def draw(done: int, total: int = total, label: str = label, failed: int = 0) -> None:
            shown = f"{label}, {failed:,} failed" if failed else label
            bar.update(task, description=shown, completed=done, total=total)

        yield draw


def one_of(name: str, values: Sequence[Any]) -> None:
    """Raise unless exactly one of the alternatives was given."""
    if sum(value is not None for value in values) != 1:
        raise ParameterError(f"give exactly one of {name}")
