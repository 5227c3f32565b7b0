"""Results of papers: what a paper states, what comes out here, and whether the two agree.

A result is a content file's function ``result(study) -> Finding`` under ``papers/``, registered with
``@register("result", "PAPER/NAME", ...)``.  ``reproduce`` runs the results of a paper and keeps what it
finds as files; ``table`` sets what was found beside what was reported.
"""

from .readme import table, write_table
from .running import Outcome, of_paper, papers, reproduce
from .study import AGREES, SCOPES, STATUSES, Finding, Study, problems

__all__ = [
    "AGREES",
    "SCOPES",
    "STATUSES",
    "Finding",
    "Outcome",
    "Study",
    "of_paper",
    "papers",
    "problems",
    "reproduce",
    "table",
    "write_table",
]
