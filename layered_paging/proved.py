"""The checker that is proved: build it from its proofs, run it on a certificate, and say which theorem was obtained.

``proofs/library/Exact.v`` proves that whatever its functions accept is true; ``proofs/checker/Extract.v`` makes
OCaml of these functions, and ``proofs/checker/main.ml`` reads the numbers.  The program is kept in the user's cache,
under a name made of its sources.  ``python -m layered_paging.proved`` builds it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from . import catalog
from .certificate import Certificate
from .certify.verified import numbers
from .errors import CertificateRejected, LayeredPagingError, SolverError

__all__ = ["Obtained", "available", "build", "obtain"]

PROGRAMS = ("coqc", "ocamlfind", "ocamlopt")
REQUIRED = re.compile(r"^From LP\.library Require Import ([\w ]+)\.", re.MULTILINE)
POLICIES = {
    "Lru": "LRU",
    "Fifo": "FIFO",
    "MarkFar": "MARK-FAR",
    "Llru true true": "LLRU (rounds by visit, same layer far)",
    "Llru true false": "LLRU (rounds by visit, same layer near)",
    "Llru false true": "LLRU (absolute rounds, same layer far)",
    "Llru false false": "LLRU (absolute rounds, same layer near)",
}
THEOREM = re.compile(
    r"(exact|at_least|unbounded) (\d+) (\d+) (\d+) \(policy_cost (\d+) (\d+) (\d+) \(?([\w ]+?)\)?\)((?: \d+)*)"
)


@dataclass(frozen=True)
class Obtained:
    """A theorem that the proved checker obtained: the statement in Coq, and in words."""

    theorem: str
    words: str


def available() -> str | None:
    """Return which program is missing, in one line; nothing when all are there."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return None
    install = "apt-get install --no-install-recommends coq ocaml-nox"
    return f"the proved checker did not run: {', '.join(missing)} not found; {install}"


def build(cache: Path | None = None) -> Path:
    """Return the program, compiled if its sources are new.

    Parameters
    ----------
    cache
        The folder that keeps it; by default ``layered-paging`` in the user's cache.

    Raises
    ------
    LayeredPagingError
        A program that builds it is missing.
    SolverError
        A file does not compile; the message is that of the compiler.
    """
    sources = _sources(catalog.content_root() / "proofs")
    digest = hashlib.sha256(b"".join(name.encode() + text for name, text in sources.items())).hexdigest()[:16]
    top = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "layered-paging"
    program = top / f"checker-{digest}"
    if program.exists():
        return program
    missing = available()
    if missing:
        raise LayeredPagingError(missing)
    top.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=top) as scratch:
        for name, text in sources.items():
            path = Path(scratch) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text)
        for name in sources:
            if name.endswith(".v"):
                _run(Path(scratch), "coqc", "-w", "none", "-R", ".", "LP", name)
        for name in ("verified.mli", "verified.ml"):
            (Path(scratch) / name).rename(Path(scratch) / "checker" / name)
        words = ("ocamlfind", "ocamlopt", "-O3", "-w", "-a", "verified.mli", "verified.ml", "main.ml", "-o", "program")
        _run(Path(scratch) / "checker", *words)
        (Path(scratch) / "checker" / "program").replace(program)
    return program


def obtain(certificate: Certificate, program: Path | None = None) -> Obtained:
    """Return the theorem that the proved checker obtains from a certificate.

    Parameters
    ----------
    certificate
        Of kind ``ratio-policy`` or ``ratio-lower``.
    program
        What ``build`` returned; by default it is called.

    Raises
    ------
    CertificateRejected
        The checker refuses, or the certificate is malformed.
    NotCovered
        The checker does not know this kind, or this policy.
    LayeredPagingError
        A program that builds it is missing.
    """
    data = " ".join(map(str, numbers(certificate)))
    run = subprocess.run([program or build()], input=data, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1) or not run.stdout:
        raise CertificateRejected(f"the proved checker cannot read it: {' '.join(run.stderr.split())[:200]}")
    if run.returncode or not run.stdout.startswith("proved: "):
        raise CertificateRejected("the proved checker refuses it")
    theorem = run.stdout.removeprefix("proved: ").strip()
    return Obtained(theorem, _words(theorem, certificate))


def _words(theorem: str, certificate: Certificate) -> str:
    """Return a theorem in words, made of what the program printed alone; it must be what the certificate states."""
    found = THEOREM.fullmatch(theorem)
    if found is None:
        raise CertificateRejected(f"the proved checker printed what is no theorem of its own: {theorem!r}")
    layers, experts, offline, *again, slots = map(int, found.group(2, 3, 4, 5, 6, 7))
    values = [int(x) for x in found[9].split()]
    value = Fraction(values[0], values[1]) if values else None
    stated = certificate.statement.get("lower" if found[1] == "at_least" else "value")
    if again != [layers, experts] or stated != (None if value is None else str(value)):
        raise CertificateRejected(f"the theorem obtained is not what the certificate states: {theorem}")
    size = f"{slots} slots against {offline} of the optimum" if slots != offline else f"{slots} slots"
    of = f"The competitive ratio of {POLICIES[found[8]]} on {layers} layers of {experts} pages, {size},"
    if found[1] == "unbounded":
        return f"{of} is unbounded"
    if found[1] == "at_least":
        return f"{of} is at least {value}"
    additive = Fraction(values[2], values[1])
    if str(additive) != certificate.statement.get("additive"):
        raise CertificateRejected(f"the theorem obtained is not what the certificate states: {theorem}")
    return f"{of} is {value}, with the additive constant {additive} and no less"


def _sources(proofs: Path) -> dict[str, bytes]:
    """Return the files of the program, each after those that it requires."""
    found: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name not in found:
            text = (proofs / name).read_bytes()
            for line in REQUIRED.findall(text.decode()):
                for needed in line.split():
                    add(f"library/{needed}.v")
            found[name] = text

    add("checker/Extract.v")
    found["checker/main.ml"] = (proofs / "checker" / "main.ml").read_bytes()
    return found


def _run(where: Path, *words: str) -> None:
    done = subprocess.run(words, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SolverError(f"{words[0]}: {' '.join((done.stderr or done.stdout).split())}")


if __name__ == "__main__":
    try:
        print(build())
    except LayeredPagingError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
