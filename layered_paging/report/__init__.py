"""Pages that are one file: the replay, step by step, and the report of a trace.  They need no network and run no foreign code."""

from .facts import facts
from .replaying import replay_page
from .summary import report_page

__all__ = ["facts", "replay_page", "report_page"]
