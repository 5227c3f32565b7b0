"""The worst sequence in a ratio's certificate, or what its adversary asks for, as a trace to replay and to look at."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..certificate import FORMAT, Certificate
from ..certify.ratio import model, schedule_cost
from ..core.instance import Instance
from ..core.trace import Trace
from ..core.words import counted
from ..engine.run import replay
from ..errors import LayeredPagingError, ParameterError
from .opponents import OPPONENTS, attack
from .replaying import assemble, events_of, played, shown_as

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
    cycle : dict or None
        None where an adversary was played.  ``steps`` of the cycle, ``turns`` and ``ratio``.  ``optimum`` is what one turn
        costs the optimum in the long run.  ``misses`` is what it costs the policy; None if it is only known to pay for ever.
    seed : int
        Of what is drawn.
    title, note : str
        For people.
    """

    trace: Trace
    policy: str
    slots: int
    offline: int
    options: dict[str, Any]
    cycle: dict[str, Any] | None
    seed: int
    title: str
    note: str

    def runs(self) -> list[dict[str, Any]]:
        """Return requests and misses of the policy and of the optimum on the whole trace."""
        mine = replay(self.trace, self.policy, self.slots, **self.options, seed=self.seed)
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


def witness_of(certificate: Certificate, policy: str | None = None, *, seed: int = 0) -> Witness:
    """Return the witness in a certificate of a ratio; its truth is not checked here.

    Parameters
    ----------
    certificate : Certificate
        ``ratio-policy`` and ``ratio-lower`` hold a cycle, which is repeated.  ``ratio-game``, ``ratio-events`` and
        ``ratio-random`` hold an adversary, which is played.
    policy : str, optional
        Whom an adversary plays against (default: LRU).  A cycle names its policy itself, and no other may be given.
    seed : int
        Of a random adversary, and of a randomized policy.

    Raises
    ------
    ParameterError
        Another kind, another policy than that of a cycle, or what no certificate of these kinds says.

    Examples
    --------
    >>> import layered_paging as lp
    >>> found = witness_of(lp.competitive_ratio("lru", layers=2, experts=2, slots=3).certificate)
    >>> found.title
    'LRU pays 3 times the optimum: 2 layers of 2 experts, 3 slots'
    """
    kinds = {"ratio-policy": _cycle, "ratio-lower": _cycle} | dict.fromkeys((*OPPONENTS, "ratio-random"), _attacked)
    if certificate.kind not in kinds:
        raise ParameterError(f"only a certificate of a ratio, {', '.join(kinds)}, is played; got {certificate.kind!r}")
    named = certificate.statement.get("policy")
    if policy is not None and kinds[certificate.kind] is _cycle and policy != named:
        raise ParameterError(
            f"must be the one that the certificate names, {named!r}; got {policy!r}", parameter="policy"
        )
    try:
        return kinds[certificate.kind](certificate, policy or "lru", seed)
    except LayeredPagingError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ParameterError(
            f"the certificate is not sound, 'layered-paging check' would reject it; {error!r}"
        ) from None


def _cycle(certificate: Certificate, _: str, seed: int) -> Witness:
    """Return the cycle, repeated."""
    said, evidence = certificate.statement, certificate.evidence
    instance = model(said)
    prefix = [tuple(map(int, event)) for event in evidence["prefix"]]
    cycle = [tuple(map(int, event)) for event in evidence["cycle"]]
    general, offline, bypass = bool(said["general"]), int(said["offline_slots"]), said.get("admission") == "bypass"
    value = said["value"] if certificate.kind == "ratio-policy" else said["lower"]
    ratio = None if value is None else Fraction(value)
    turns = max(3, -(-STEPS // len(cycle)))
    paid = schedule_cost(prefix, cycle, offline, bypass)
    times = "without bound" if ratio is None else f"{ratio} times the optimum"
    least = "at least " if certificate.kind == "ratio-lower" else ""
    lead = f"{counted(len(prefix), 'step')} lead in; then " if prefix else ""
    about: dict[str, Any] = {"steps": len(cycle), "turns": turns, "optimum": str(paid), "ratio": value}
    return Witness(
        trace=_trace(Instance(1, instance.pages, instance.slots) if general else instance, [*prefix, *cycle * turns]),
        policy=str(said["policy"]),
        slots=instance.slots,
        offline=offline,
        options={"pool": str(said["pool"]), "reset": "never", "admission": "bypass" if bypass else "forced"},
        cycle={**about, "misses": None if ratio is None else str(ratio * paid)},
        seed=seed,
        title=f"{shown_as(str(said['policy']))} pays {least}{times}: {_sizes(instance, offline)}",
        note=f"{lead}a cycle of {counted(len(cycle), 'step')}, {counted(turns, 'time')}"
        + ("; any page may be asked for at any step" if general else ""),
    )


def _attacked(certificate: Certificate, policy: str, seed: int) -> Witness:
    """Return what the adversary of a best possible ratio asks for when it plays against a policy."""
    said = certificate.statement
    instance, lower = model(said), Fraction(said["lower"])
    events = attack(certificate, policy, STEPS - STEPS % instance.layers, seed)
    chance = certificate.kind == "ratio-random"
    who = (
        "a random source that costs every policy"
        if chance
        else "the adversary that makes every deterministic policy pay"
    )
    return Witness(
        trace=_trace(instance, events),
        policy=policy,
        slots=instance.slots,
        offline=instance.slots,
        options={"pool": "shared", "reset": "never", "admission": str(said.get("admission", "forced"))},
        cycle=None,
        seed=seed,
        title=f"{shown_as(policy)} against {who} {lower} times the optimum: {_sizes(instance, instance.slots)}",
        note=f"the first {counted(len(events), 'step')}" + (f", seed {seed}" if chance else ""),
    )


def _sizes(instance: Instance, offline: int) -> str:
    widths = instance.experts
    each = counted(widths[0], "expert") if len({*widths}) == 1 else ", ".join(map(str, widths)) + " experts"
    against = f" against {offline}" if offline != instance.slots else ""
    return f"{counted(instance.layers, 'layer')} of {each}, {counted(instance.slots, 'slot')}{against}"


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
    """Return the replay page of a witness: the policy beside the optimum, whose pool is always shared."""
    events, options = events_of(found.trace), {**found.options, "seed": found.seed}
    shown = [
        played(found.trace, found.policy, found.slots, **options),
        played(found.trace, "opt", found.offline, **{**options, "pool": "shared"}),
    ]
    about = {"slots": found.slots, **found.options, "note": found.note}
    return assemble(found.trace, events, shown, about, title or found.title)
