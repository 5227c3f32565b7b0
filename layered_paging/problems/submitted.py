"""A certificate offered for the open problems: checked, read, and compared with what is known."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..certificate import Certificate
from ..certify import check
from ..certify.meter import LIMIT
from ..core.files import write_atomic
from ..errors import ParameterError
from .known import Bounds, Found, Value, bounds, forget, kept, kept_file, written
from .standing import verdict
from .stated import BEST, PROBLEMS, RANDOMIZED, Problem, Size

__all__ = ["Move", "Submission", "keep", "submit"]

SMALL = 8_000  # bytes of a compressed certificate that is kept beside its row
NOT_OURS = "no open problem is about {}"


@dataclass(frozen=True)
class Move:
    """What a certificate does to one problem: the bounds and the verdict before and after."""

    problem: Problem
    before: Bounds
    after: Bounds
    was: str
    is_now: str

    @property
    def moves(self) -> bool:
        """Whether a bound is better than before."""
        return (self.before.lower, self.before.upper) != (self.after.lower, self.after.upper)


@dataclass(frozen=True)
class Submission:
    """A certificate that was accepted: what it proves, and what that does to each problem that it is about."""

    certificate: Certificate
    found: Found
    moves: tuple[Move, ...]

    @property
    def improves(self) -> bool:
        """Whether it is better than what is known."""
        return any(move.moves for move in self.moves)


def submit(certificate: Certificate, limit: int = LIMIT) -> Submission:
    """Check a certificate and compare it with what is known.

    Parameters
    ----------
    certificate : Certificate
        Of kind ``ratio-policy``, ``ratio-lower``, ``ratio-game``, ``ratio-events`` or ``ratio-random``.
    limit : int
        Steps of work that checking may take, as for ``certify.check``.

    Raises
    ------
    CertificateRejected
        The checker does not accept it.
    ParameterError
        It is about something that no open problem is about.
    """
    found = _read(certificate)
    about = [p for p in PROBLEMS if p.subject == found.subject and p.covers(found.size)]
    if not about:
        raise ParameterError(NOT_OURS.format(f"{found.subject} at {found.size}"))
    check(certificate, limit=limit)
    before = bounds(found.subject, found.size)
    after = _joined(before, found)
    moves = [Move(p, before, after, verdict(p, found.size, before), verdict(p, found.size, after)) for p in about]
    return Submission(certificate, found, tuple(moves))


def keep(submission: Submission) -> Path | None:
    """Add what an accepted certificate proves to the best known bounds of this checkout.

    A small certificate is stored beside the row.  Returns where, or None where only the row is kept, with its digest.

    Raises
    ------
    ParameterError
        It improves nothing; or this is an installed package and no checkout.
    """
    if not submission.improves:
        raise ParameterError("the certificate improves no bound, so it is not kept")
    target = kept_file()
    if target.parent.parent.parent.name == "_content":
        raise ParameterError(f"{target}: bounds are kept in a checkout of the sources, not in an installed package")
    found, size = submission.found, submission.found.size
    row: dict[str, object] = {"policy": found.subject, **size._asdict()}
    row |= {"lower": _text(found.lower), "upper": _text(found.upper), "digest": submission.certificate.digest}
    events = f"-m{size.top_k}" * (size.top_k > 1) + "-bypass" * (size.admission == "bypass")
    name = f"{found.subject.replace(' ', '-')}-{size.layers}x{size.experts}-{size.slots}{events}.json.gz"
    path = target.parent / name
    submission.certificate.save(path)
    small = path.stat().st_size <= SMALL
    if small:
        row["certificate"] = name
    else:
        path.unlink()
    rows = [old for old in kept() if not _replaced(old, row)] + [row]
    rows.sort(
        key=lambda r: (r["policy"], r["admission"], r["top_k"], r["layers"] * r["experts"], r["layers"], r["slots"])
    )
    text = ",\n".join(json.dumps(r) for r in rows)
    write_atomic(target, f'{{"rows": [\n{text}\n]}}\n'.encode())
    forget()
    return path if small else None


def _replaced(old: dict[str, object], new: dict[str, object]) -> bool:
    """Whether a row is about what a better one is about, and says no more."""
    same = all(old.get(key) == new[key] for key in ("policy", *Size._fields))
    return same and all(old[side] is None or new[side] is not None for side in ("lower", "upper"))


def _joined(before: Bounds, found: Found) -> Bounds:
    lower, upper, below, above = before.lower, before.upper, before.below, before.above
    if found.lower is not None and (lower is None or found.lower > lower):
        lower, below = found.lower, found.source
    if found.upper is not None and (upper is None or found.upper < upper):
        upper, above = found.upper, found.source
    if lower is not None and upper is not None and lower > upper:
        raise ParameterError(
            f"{found.size}: it contradicts what is known: at least {lower} ({below}), at most {upper} ({above})"
        )
    return Bounds(lower, upper, below, above)


def _read(certificate: Certificate) -> Found:
    """Return what a certificate states, before it is checked."""
    says, kind = certificate.statement, certificate.kind
    subjects = {"ratio-game": BEST, "ratio-events": BEST, "ratio-random": RANDOMIZED}
    if kind not in ("ratio-policy", "ratio-lower", *subjects):
        raise ParameterError(NOT_OURS.format(f"certificates of kind {kind!r}"))
    numbers = [says.get("layers"), says.get("experts"), says.get("slots"), says.get("top_k", 1)]
    if not all(type(x) is int and x >= 1 for x in numbers):
        raise ParameterError(NOT_OURS.format("layers of unequal width"))
    layers, experts, slots, top_k = (int(x) for x in numbers if x is not None)
    size = Size(layers, experts, slots, top_k, str(says.get("admission", "forced")))
    lower, upper = says.get("lower"), says.get("upper")
    if kind == "ratio-policy":
        lower = upper = "unbounded" if says.get("value") is None else says["value"]
    if kind in ("ratio-policy", "ratio-lower"):
        options = (says.get("general"), says.get("pool"), says.get("offline_slots"))
        if options != (False, "shared", slots):
            raise ParameterError(NOT_OURS.format("general sequences, pools per layer, or an optimum with fewer slots"))
    subject = subjects.get(kind) or str(says.get("policy"))
    return Found(subject, size, _value(lower), _value(upper), f"certificate {certificate.digest[7:19]}")


def _value(text: object) -> Value | None:
    if text is None:
        return None
    try:
        return math.inf if text == "unbounded" else Fraction(str(text))
    except (ValueError, ZeroDivisionError):
        raise ParameterError(f"a bound must be a fraction such as '7/4'; got {text!r}") from None


def _text(value: Value | None) -> str | None:
    return None if value is None else written(value)
