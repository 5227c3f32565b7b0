"""Pictures, drawn by matplotlib into files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import ParameterError
from .files import write_atomic

__all__ = ["check_picture", "plot_curves"]

FORMATS = (".svg", ".png", ".pdf")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # okabe-ito-2008
STYLES = ("-", "--", "-.", ":")


def check_picture(path: str | Path) -> None:
    """Raise ``ParameterError`` unless the file name ends in a format that can be drawn."""
    if Path(path).suffix.lower() not in FORMATS:
        raise ParameterError(f"{path}: a picture's name must end in {', '.join(FORMATS)}")


def plot_curves(curves: Mapping[str, Sequence[int]], requests: int, path: str | Path, *, title: str = "") -> None:
    """Draw miss ratios against slots.

    Parameters
    ----------
    curves : mapping from a name to misses by slots
        As ``miss_curve`` returns them; entries of -1 are left out.
    requests : int
    path : str or Path
        A name ending in .svg, .png or .pdf.
    title : str
    """
    check_picture(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for n, (name, curve) in enumerate(curves.items()):
        points = [(s, m / requests) for s, m in enumerate(curve) if m >= 0]
        axes.plot(
            *zip(*points, strict=True),
            label=name,
            color=COLOURS[n % len(COLOURS)],
            linestyle=STYLES[n // len(COLOURS) % len(STYLES)],
        )
    axes.set(xlabel="slots", ylabel="share of requests that miss", title=title, ylim=(0, None), xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(
        picture,
        format=Path(path).suffix.lower()[1:],
        dpi=150,
        metadata={"Date": None} if str(path).endswith(".svg") else None,
    )
    write_atomic(path, picture.getvalue())
