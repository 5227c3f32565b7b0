"""Pages that are one file: the replay, step by step.  They need no network and run no foreign code."""

from .replaying import replay_page

__all__ = ["replay_page"]
