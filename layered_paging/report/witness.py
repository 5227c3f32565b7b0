"""The worst sequence in a ratio's certificate, as a trace to replay and to look at."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..certificate import FORMAT, Certificate
from ..certify.ratio import schedule_cost
from ..core.instance import Instance
from ..core.trace import Trace
from ..core.words import counted
from ..engine.run import replay
from ..errors import ParameterError
from .replaying import replay_page, shown_as

__all__ = ["Witness", "is_certificate", "witness_of", "witness_page"]

STEPS = 120  # the cycle is repeated until the trace has this many, but at least three times


@dataclass(frozen=True)
class Witness:
    """A sequence that a certificate holds against a policy.

    Attributes
    ----------
    trace : Trace
        What leads in, then the cycle, ``turns`` times.
    policy : str
    slots, offline : int
        Of the policy, and of the optimum.
    options : dict
        ``pool``, ``reset`` and ``admission`` of the policy.
    cycle : dict
        ``steps`` of the cycle; ``turns``; ``optimum``, what one turn costs the optimum in the long run;
        ``misses``, what it costs the policy (None if only that the policy pays for ever is known); ``ratio``.
    title, note : str
        For people.
    """

    trace: Trace
    policy: str
    slots: int
    offline: int
    options: dict[str, Any]
    cycle: dict[str, Any]
    title: str
    note: str

    def runs(self) -> list[dict[str, Any]]:
        """Return requests and misses of the policy and of the optimum on the whole trace."""
        mine = replay(self.trace, self.policy, self.slots, **self.options)
        best = replay(self.trace, "belady", self.offline, **{**self.options, "pool": "shared"})
        return [
            {"policy": name, "requests": run.requests, "misses": run.misses}
            for name, run in ((self.policy, mine), ("opt", best))
        ]


def is_certificate(path: str | os.PathLike[str]) -> bool:
    """Return whether a file begins as certificates do; what cannot be read is none."""
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(2)
        with gzip.open(path) if start == b"\x1f\x8b" else Path(path).open("rb") as stream:
            return stream.read(200).lstrip().startswith(b'{"format":"' + FORMAT.encode())
    except (OSError, EOFError):
        return False


def witness_of(certificate: Certificate) -> Witness:
    """Return the witness in a certificate of a policy's ratio; its truth is not checked here.

    Parameters
    ----------
    certificate : Certificate
        Of kind ``ratio-policy`` or ``ratio-lower``.

    Raises
    ------
    ParameterError
        Another kind, or what no certificate of these kinds says.

    Examples
    --------
    >>> import layered_paging as lp
    >>> found = witness_of(lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate)
    >>> found.title
    'LRU pays 3 times the optimum: 2 layers of 2 experts, 3 slots'
    """
    if certificate.kind not in ("ratio-policy", "ratio-lower"):
        raise ParameterError(
            f"only a certificate of kind 'ratio-policy' or 'ratio-lower' holds a worst cycle; got {certificate.kind!r}"
        )
    said, evidence = certificate.statement, certificate.evidence
    try:
        instance = Instance(said["layers"], said["experts"], said["slots"])
        prefix = [tuple(map(int, event)) for event in evidence["prefix"]]
        cycle = [tuple(map(int, event)) for event in evidence["cycle"]]
        general, offline, pool = bool(said["general"]), int(said["offline_slots"]), str(said["pool"])
        value = said["value"] if certificate.kind == "ratio-policy" else said["lower"]
        ratio = None if value is None else Fraction(value)
        turns = max(3, -(-STEPS // len(cycle)))
        trace = _trace(Instance(1, instance.pages, instance.slots) if general else instance, [*prefix, *cycle * turns])
        bypass = said.get("admission", "forced") == "bypass"
        paid = schedule_cost(prefix, cycle, offline, bypass)
        policy = str(said["policy"])
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ParameterError(
            f"the certificate is not sound, 'layered-paging check' would reject it; {error!r}"
        ) from None
    times = "without bound" if ratio is None else f"{ratio} times the optimum"
    least = "at least " if certificate.kind == "ratio-lower" else ""
    widths = {*instance.experts}
    size = f"{counted(instance.layers, 'layer')} of " + (
        counted(instance.experts[0], "expert")
        if len(widths) == 1
        else ", ".join(map(str, instance.experts)) + " experts"
    )
    where = f"{size}, {counted(instance.slots, 'slot')}" + (f" against {offline}" if offline != instance.slots else "")
    lead = f"{counted(len(prefix), 'step')} lead in; then " if prefix else ""
    return Witness(
        trace,
        policy,
        instance.slots,
        offline,
        {"pool": pool, "reset": "never", "admission": "bypass" if bypass else "forced"},
        {
            "steps": len(cycle),
            "turns": turns,
            "optimum": str(paid),
            "misses": None if ratio is None else str(ratio * paid),
            "ratio": value,
        },
        f"{shown_as(policy)} pays {least}{times}: {where}",
        f"{lead}a cycle of {counted(len(cycle), 'step')}, {counted(turns, 'time')}"
        + ("; any page may be asked for at any step" if general else ""),
    )


def _trace(instance: Instance, events: Sequence[tuple[int, ...]]) -> Trace:
    """Return the events as a trace; a last round that is not full ends in events of none."""
    widest = max(len(event) for event in events)
    rows = []
    for t, event in enumerate(events):
        first = instance.pages_of(t % instance.layers).start
        rows.append([page - first for page in event] + [-1] * (widest - len(event)))
    rows += [[-1] * widest] * (-len(rows) % instance.layers)
    rounds = [rows[t : t + instance.layers] for t in range(0, len(rows), instance.layers)]
    return Trace(rounds, instance.experts)


def witness_page(found: Witness, *, title: str = "") -> str:
    """Return the replay page of a witness: the policy beside the optimum."""
    return replay_page(
        found.trace,
        [found.policy, "opt"],
        found.slots,
        **found.options,
        optimum={"slots": found.offline, "pool": "shared"},
        title=title or found.title,
        note=found.note,
    )
