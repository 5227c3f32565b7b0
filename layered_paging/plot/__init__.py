"""Pictures, drawn by matplotlib into files."""

from .common import COLOURS, STYLES, check_picture, embedded, figure_bytes, new_figure, save_figure
from .curves import plot_curves
from .lines import draw_lines
from .placements import plot_placements
from .router import draw_heat, draw_map

__all__ = [
    "COLOURS",
    "STYLES",
    "check_picture",
    "draw_heat",
    "draw_lines",
    "draw_map",
    "embedded",
    "figure_bytes",
    "new_figure",
    "plot_curves",
    "plot_placements",
    "save_figure",
]
