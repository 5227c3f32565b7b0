"""The checker that is proved: build it from its proofs, run it on a certificate, and say which theorem was obtained.

``proofs/library/Judge.v`` proves that whatever statement its function answers is true; ``proofs/checker/Extract.v``
makes OCaml of this function, and ``proofs/checker/main.ml`` reads the numbers and prints the statement.  The program
is kept in the user's cache, under a name made of its sources.  ``python -m layered_paging.proved`` builds it.
Small certificates are evaluated in the kernel of Coq itself (``in_kernel``).
"""

from __future__ import annotations

import contextlib
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
from .certify.verified import questions
from .errors import CertificateRejected, LayeredPagingError, NotChecked, SolverError

__all__ = ["Obtained", "available", "build", "in_kernel", "obtain"]

PROGRAMS = ("coqc", "ocamlfind", "ocamlopt")
REQUIRED = re.compile(r"^From LP\.library Require Import ([\w ]+)\.", re.MULTILINE)
POLICIES = {
    "Lru": "LRU",
    "Fifo": "FIFO",
    "MarkFar": "MARK-FAR",
    "(Llru true true)": "LLRU (rounds by visit, same layer far)",
    "(Llru true false)": "LLRU (rounds by visit, same layer near)",
    "(Llru false true)": "LLRU (absolute rounds, same layer far)",
    "(Llru false false)": "LLRU (absolute rounds, same layer near)",
}
# what the first number of a question asks for: the answer in Coq, what it means, and how many numbers it has
ASKED = {
    1: ("Exactly", "exact", 8),
    2: ("Unbounded", "unbounded", 5),
    3: ("AtLeast", "at_least", 7),
    4: ("SomePolicy", "some_policy", 5),
    5: ("EveryPolicy", "every_policy", 5),
}
CHUNK = 500  # numbers in one list of a file for the kernel
KERNEL = 3_000_000  # numbers that the kernel is asked to read at the most: two minutes and 3 GB
ABOUT_ONE = re.compile(
    r"(exact|at_least|unbounded) (\d+) (\d+) (\d+) \(policy_cost (\d+) (\d+) (\d+) (\w+|\([\w ]+\))\)((?: \d+)*)"
)
ABOUT_ALL = re.compile(r"(some_policy|every_policy) (\d+) (\d+) (\d+) (\d+) (\d+)")


@dataclass(frozen=True)
class Obtained:
    """What the proved checker obtained from a certificate: theorems in Coq, and what they say in words."""

    theorems: tuple[str, ...]
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
        A program that builds it is missing, or the folder cannot be written.
    SolverError
        A file does not compile; the message is that of the compiler.
    """
    sources = _sources(catalog.content_root() / "proofs")
    digest = hashlib.sha256(b"".join(name.encode() + text for name, text in sources.items())).hexdigest()[:16]
    top = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "layered-paging"
    program = top / f"checker-{digest}" / "checker" / "program"
    if program.exists():
        return program
    missing = available()
    if missing:
        raise LayeredPagingError(missing)
    try:
        top.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=top) as scratch:
            made = Path(scratch) / "made"
            for name, text in sources.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_bytes(text)
            for name in sources:
                if name.endswith(".v"):
                    _run(made, "coqc", "-w", "none", "-R", ".", "LP", name)
            for name in ("verified.mli", "verified.ml"):
                (made / name).rename(made / "checker" / name)
            words = (
                "ocamlfind",
                "ocamlopt",
                "-O3",
                "-w",
                "-a",
                "verified.mli",
                "verified.ml",
                "main.ml",
                "-o",
                "program",
            )
            _run(made / "checker", *words)
            with contextlib.suppress(OSError):  # another process has made it meanwhile
                made.rename(program.parent.parent)
    except OSError as error:
        raise LayeredPagingError(
            f"{top}: the proved checker cannot be kept there; {error.strerror or error} (XDG_CACHE_HOME names another folder)"
        ) from None
    return program


def obtain(certificate: Certificate, program: Path | None = None) -> Obtained:
    """Return the theorems that the proved checker obtains from a certificate.

    Parameters
    ----------
    certificate
        Of kind ``ratio-policy``, ``ratio-lower`` or ``ratio-game``.
    program
        What ``build`` returned; by default it is called.

    Raises
    ------
    CertificateRejected
        The checker refuses, or the certificate is malformed.
    NotChecked
        The checker was killed, or ran out of memory.
    NotCovered
        The checker does not know this kind, or this policy.
    LayeredPagingError
        A program that builds it is missing.
    """
    theorems = []
    for question in questions(certificate):
        data = " ".join(map(str, question))
        run = subprocess.run([program or build()], input=data, capture_output=True, text=True, check=False)
        if run.returncode < 0:
            raise NotChecked(f"not checked: the proved checker was ended by signal {-run.returncode}")
        if "Out_of_memory" in run.stderr or "Stack_overflow" in run.stderr:
            raise NotChecked("not checked: the proved checker needs more memory than it may have")
        if run.returncode not in (0, 1) or not run.stdout:
            raise CertificateRejected(f"the proved checker cannot read it: {' '.join(run.stderr.split())[:200]}")
        if run.returncode or not run.stdout.startswith("proved: "):
            raise CertificateRejected("the proved checker refuses it")
        theorems.append(run.stdout.removeprefix("proved: ").strip())
    return Obtained(tuple(theorems), _words(theorems, certificate))


def in_kernel(certificate: Certificate, program: Path | None = None) -> Obtained:
    """Return the theorems of a certificate once the kernel of Coq has evaluated the checker, without any extraction.

    Parameters
    ----------
    certificate, program
        As for ``obtain``; the compiled proofs stand beside the program.

    Raises
    ------
    CertificateRejected
        The kernel refuses.
    NotChecked
        It would have to read more than 3,000,000 numbers.
    NotCovered, LayeredPagingError
        As for ``obtain``.
    """
    asked = questions(certificate)
    if sum(map(len, asked)) > KERNEL:
        raise NotChecked(f"not checked: more than {KERNEL:,} numbers are too many for the kernel; use the program")
    library = (program or build()).parent.parent
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "asked.v").write_text(_asked(asked))
        try:
            said = _run(Path(scratch), "coqc", "-w", "none", "-R", str(library), "LP", "asked.v")
        except SolverError as error:
            raise CertificateRejected(f"the kernel refuses it: {str(error)[-200:]}") from None
    if said.split("\n").count("Closed under the global context") != len(asked):
        raise CertificateRejected(f"the kernel did not say that it assumes nothing: {said[-200:]}")
    theorems = [_stated(question)[1] for question in asked]
    return Obtained(tuple(theorems), _words(theorems, certificate))


def _asked(asked: list[list[int]]) -> str:
    """Return a file in which the kernel evaluates the checker on these numbers."""
    lines = ["From Coq Require Import List ZArith.", "From LP.library Require Import Policies Exact Game Judge."]
    lines += ["Import ListNotations."]
    for number, question in enumerate(asked):
        said, theorem = _stated(question)
        parts = []
        for at in range(0, len(question), CHUNK):
            parts.append(f"part_{number}_{at}")
            lines.append(f"Definition {parts[-1]} := [{'; '.join(map(str, question[at : at + CHUNK]))}]%Z.")
        lines += [
            f"Definition data_{number} := concat [{'; '.join(parts)}].",
            f"Theorem obtained_{number} : {theorem}.",
            f"Proof. apply (judge_sound data_{number} {said}). vm_cast_no_check (eq_refl (Some {said})). Qed.",
            f"Print Assumptions obtained_{number}.",
        ]
    return "\n".join(lines) + "\n"


def _stated(question: list[int]) -> tuple[str, str]:
    """Return the statement that a question asks for, as an answer of the checker and as a theorem."""
    kind, name, size = ASKED[question[0]]
    numbers = question[1 : 1 + size]
    if question[0] > 3:
        return f"({kind} {_line(numbers)})", f"{name} {_line(numbers)}"
    policy, (layers, experts, slots, offline, *values) = list(POLICIES)[numbers[0]], numbers[1:]
    cost = f"(policy_cost {layers} {experts} {slots} {policy})"
    theorem = " ".join([name, _line([layers, experts, offline]), cost, *map(str, values)])
    return f"({kind} {policy} {_line(numbers[1:])})", theorem


def _line(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


def _words(theorems: list[str], certificate: Certificate) -> str:
    """Return theorems in words, made of what was printed alone; they must be what the certificate states."""
    statement = certificate.statement
    said: list[str] = []
    values: dict[str, str | None] = {}
    for theorem in theorems:
        if found := ABOUT_ALL.fullmatch(theorem):
            layers, experts, slots, p, q = map(int, found.groups()[1:])
            side = "upper" if found[1] == "some_policy" else "lower"
            values[side] = str(Fraction(p, q))
            what = "A deterministic policy has" if side == "upper" else "Every deterministic policy has"
            least = "at most" if side == "upper" else "at least"
            said.append(
                f"{what} a ratio of {least} {values[side]} on {layers} layers of {experts} pages, {slots} slots"
            )
            size = [layers, experts, slots, statement.get("offline_slots")]
        elif found := ABOUT_ONE.fullmatch(theorem):
            layers, experts, offline, *again, slots = map(int, found.group(2, 3, 4, 5, 6, 7))
            numbers = [int(x) for x in found[9].split()]
            of = f"{slots} slots against {offline} of the optimum" if slots != offline else f"{slots} slots"
            of = f"The competitive ratio of {POLICIES[found[8]]} on {layers} layers of {experts} pages, {of}, is"
            ratio = str(Fraction(numbers[0], numbers[1])) if numbers else None
            values["lower" if found[1] == "at_least" else "value"] = ratio
            if found[1] == "exact":
                values["additive"] = str(Fraction(numbers[2], numbers[1]))
                of += f" {ratio}, with the additive constant {values['additive']} and no less"
            said.append(of if found[1] == "exact" else f"{of} at least {ratio}" if ratio else f"{of} unbounded")
            size = [layers, experts, slots, offline]
            if again != size[:2]:
                raise CertificateRejected(f"not a theorem of the proved checker: {theorem!r}")
        else:
            raise CertificateRejected(f"not a theorem of the proved checker: {theorem!r}")
        stated = [statement["layers"], statement["experts"], statement["slots"], statement.get("offline_slots")]
        if statement.get("general"):
            stated[:2] = [1, stated[0] * stated[1]]
        if size != stated or any(statement.get(key) != value for key, value in values.items()):
            raise CertificateRejected(f"the theorem obtained is not what the certificate states: {theorem}")
    return "; ".join(said)


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


def _run(where: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SolverError(f"{words[0]}: {' '.join((done.stderr or done.stdout).split())}")
    return done.stdout


if __name__ == "__main__":
    try:
        print(build())
    except LayeredPagingError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
