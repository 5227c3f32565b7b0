"""How the fields of certificates are read, once for all kinds: what is not exactly as it must be is rejected.

Shared by the kinds is the reading alone.  What a kind proves is checked by its own module, independent of the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ..errors import CertificateRejected

__all__ = ["exact", "fraction", "integer", "need", "number"]

_FRACTION = re.compile(r"-?[0-9]+(/0*[1-9][0-9]*)?")
_LONGEST = 2000  # characters of a fraction


def need(holds: bool, message: str) -> None:
    """Reject the certificate unless the condition holds."""
    if not holds:
        raise CertificateRejected(message)


def integer(value: Any, name: str, least: int = 0, below: int | None = None) -> int:
    """Return a value that must be an integer of at least ``least``, and less than ``below`` if that is given."""
    fits = type(value) is int and value >= least and (below is None or value < below)
    need(fits, f"{name} must be an integer of at least {least}; got {value!r}")
    return int(value)


def number(fields: Mapping[str, Any], name: str, least: int) -> int:
    """Return an integer field of at least ``least``."""
    return integer(fields.get(name), repr(name), least)


def fraction(fields: Mapping[str, Any], name: str) -> Fraction:
    """Return a field that holds a fraction such as "7/4", in lowest terms."""
    return exact(fields.get(name), name)


def exact(text: Any, name: str) -> Fraction:
    """Return the fraction that is written as ``text``, in lowest terms."""
    plain = isinstance(text, str) and len(text) < _LONGEST and _FRACTION.fullmatch(text)
    if not plain or str(value := Fraction(text)) != text:
        raise CertificateRejected(f"{name!r} must be a fraction in lowest terms such as '7/4'; got {str(text)[:60]!r}")
    return value
