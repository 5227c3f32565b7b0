"""Open problems: stated in Coq, with the best bounds known at each size, and certificates that move them.

The statements are definitions of propositions in ``proofs/open_problems.v``; nothing is claimed by them.  Bounds come
from theorems, from the table of the atlas, and from certificates that were checked and kept.
"""

from __future__ import annotations

from .compared import SUBJECTS, Compared, compared
from .known import Bounds, bounds, kept
from .standing import Row, Standing, standing
from .stated import BEST, PROBLEMS, RANDOMIZED, Problem, Size, formal, named
from .stopped import SEARCH, joined
from .submitted import Move, Submission, keep, submit

__all__ = [
    "BEST",
    "PROBLEMS",
    "RANDOMIZED",
    "SEARCH",
    "SUBJECTS",
    "Bounds",
    "Compared",
    "Move",
    "Problem",
    "Row",
    "Size",
    "Standing",
    "Submission",
    "bounds",
    "compared",
    "formal",
    "joined",
    "keep",
    "kept",
    "named",
    "standing",
    "submit",
]
