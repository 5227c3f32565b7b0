"""Pages that are one file: the replay, step by step; a playground; the report of a trace; and tables of short replays.

They need no network and run no foreign code.
"""

from .boards import board
from .facts import facts
from .figures import figure
from .playing import play_page
from .replaying import replay_page
from .summary import report_page

__all__ = ["board", "facts", "figure", "play_page", "replay_page", "report_page"]
