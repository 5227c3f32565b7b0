"""The offline optimum: by furthest next use, by flow, by integer program; with schedules and certificates."""

from __future__ import annotations

from .answer import Optimum, optimum
from .furthest import furthest
from .schedule import Schedule, recount

__all__ = ["Optimum", "Schedule", "furthest", "optimum", "recount"]
