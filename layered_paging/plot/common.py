"""What all pictures share: formats, colours, writing."""

from __future__ import annotations

import base64
import html
import io
import logging
from pathlib import Path
from typing import Any

from ..core.files import write_atomic
from ..errors import ParameterError

__all__ = ["COLOURS", "STYLES", "check_picture", "embedded", "figure_bytes", "new_figure", "quiet", "save_figure"]

FORMATS = (".svg", ".png", ".pdf")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # okabe-ito-2008
STYLES = ("-", "--", "-.", ":")


def check_picture(path: str | Path) -> None:
    """Raise ``ParameterError`` unless the file name ends in a format that can be drawn."""
    if Path(path).suffix.lower() not in FORMATS:
        raise ParameterError(f"{path}: a picture's name must end in {', '.join(FORMATS)}")


def new_figure(width: float = 7, height: float = 4.2) -> Any:
    """Return an empty matplotlib figure that no screen is needed for."""
    quiet()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def quiet() -> None:
    """Let matplotlib not speak of where it keeps its list of fonts: a home that cannot be written changes no picture."""
    log = logging.getLogger("matplotlib")
    if log.level == logging.NOTSET:
        log.setLevel(logging.ERROR)


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure; the same figure gives the same bytes.

    Raises
    ------
    ParameterError
        The name ends in no format that can be drawn.
    """
    check_picture(path)
    write_atomic(path, figure_bytes(figure, Path(path).suffix.lower()[1:]))


def figure_bytes(figure: Any, kind: str) -> bytes:
    """Return a figure as a file of kind svg, png or pdf; the same figure gives the same bytes."""
    import matplotlib

    picture = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "layered-paging"}):
        figure.savefig(picture, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return picture.getvalue()


def embedded(figure: Any, alt: str) -> str:
    """Return a figure as an ``<img>`` element that needs no file; the same figure gives the same text.

    Parameters
    ----------
    figure : matplotlib Figure
    alt : str
        What the picture shows, for those who cannot see it.
    """
    data = base64.b64encode(figure_bytes(figure, "svg")).decode("ascii")
    return f'<img style="max-width:100%" alt="{html.escape(alt)}" src="data:image/svg+xml;base64,{data}">'
