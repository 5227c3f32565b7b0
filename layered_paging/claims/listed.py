"""Claims and verdicts as lists that leave as tables, too."""

from __future__ import annotations

from typing import Any

from ..core.registry import Entry
from ..core.tables import Tabular
from .verdict import Verdict

__all__ = ["Claims", "Verdicts"]


class Claims(list[Entry], Tabular):
    """Registered claims, with a row for each: its statement, status, evidence and sources."""

    def __repr__(self) -> str:
        return f"<Claims: {len(self)}>"

    def to_rows(self) -> list[dict[str, Any]]:
        """Return name, statement (in LaTeX), status, evidence and sources of each claim."""
        rows = []
        for entry in self:
            facts = entry.properties
            told = {"statement": facts.get("latex"), "status": facts.get("status"), "evidence": facts.get("evidence")}
            rows.append({"claim": entry.name, **told, "sources": ", ".join(facts.get("cites", ()))})
        return rows


class Verdicts(list[Verdict], Tabular):
    """What became of claims, with a row for each."""

    def __repr__(self) -> str:
        return f"<Verdicts: {len(self)}, {sum(verdict.failed for verdict in self)} failed>"

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the fields of each verdict."""
        return [dict(vars(verdict)) for verdict in self]
