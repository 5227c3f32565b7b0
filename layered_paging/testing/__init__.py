"""For tests of your own: Hypothesis strategies, and a battery that a policy must pass.

``check_policy(MyPolicy)`` runs the battery and raises ``CheckFailed`` with a shrunk, readable sequence. The
strategies (``instances``, ``sequences``, ``traces``, ``schedules``, ``certificates``, ``mutations``) are what it is made of.
"""

from .battery import Check, CheckFailed, check_policy
from .strategies import certificates, follow, instances, mutations, renamed, schedules, sequences, shortest, traces

__all__ = [
    "Check",
    "CheckFailed",
    "certificates",
    "check_policy",
    "follow",
    "instances",
    "mutations",
    "renamed",
    "schedules",
    "sequences",
    "shortest",
    "traces",
]
