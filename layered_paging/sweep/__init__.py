"""Many runs: a spec becomes jobs of plain data, played by processes here or by a cluster.

``functions`` is the list of what a job may call.  ``spec`` checks a spec and counts its jobs before it makes them.
``worker`` plays jobs, ``executors`` says where, ``journal`` keeps what is done, and ``running`` holds it together.  ``shards`` cuts one long trace at its sessions.
"""

from __future__ import annotations

from .functions import FUNCTIONS, Argument, Function
from .running import Report, run
from .shards import Estimate, estimate, replay_sharded
from .spec import Job, Spec, load_spec, read_spec

__all__ = [
    "FUNCTIONS",
    "Argument",
    "Estimate",
    "Function",
    "Job",
    "Report",
    "Spec",
    "estimate",
    "load_spec",
    "read_spec",
    "replay_sharded",
    "run",
]
