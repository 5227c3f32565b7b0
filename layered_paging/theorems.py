"""Theorems: statements for all sizes that the kernel of Coq has checked.

The proofs are the ``.v`` files below ``proofs/``. ``proofs/theorems.toml`` lists the headline
theorems with the statement that each is registered for and with false neighbours of it, the
controls.  Everything here runs the programs of an installed Coq (8.16 or newer) and believes
its kernel.  ``python -m layered_paging.theorems`` builds, rechecks and prints them all.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from . import catalog
from .errors import LayeredPagingError, SolverError

__all__ = ["Proved", "Theorem", "accepted", "available", "build", "controls", "proved", "recheck", "table", "theorems"]

PROGRAMS = ("coqc", "coqchk", "coqdep", "coq_makefile", "make")
PRELUDE = "From Coq Require Import List Arith Bool.\nFrom LP.library Require Import Model Online.\n"
REFUSED = re.compile(r"has type.*while it is expected to have type", re.DOTALL)


@dataclass(frozen=True)
class Theorem:
    """A headline theorem: what it is called, where it is proved, what it says, and what it must not prove.

    ``statement`` is Coq; ``latex`` is for people; ``claim`` names the registered claim, if there is one.
    """

    name: str
    file: str
    claim: str | None
    latex: str
    statement: str
    controls: tuple[str, ...]
    imports: tuple[str, ...] = ()

    @property
    def constant(self) -> str:
        """The full name of the constant in Coq."""
        return ".".join(["LP", *Path(self.file).with_suffix("").parts, self.name])


@dataclass(frozen=True)
class Proved:
    """What the kernel said about a theorem: its statement as Coq prints it, and what it assumes."""

    theorem: Theorem
    says: str
    axioms: tuple[str, ...]


def theorems(folder: Path | None = None) -> list[Theorem]:
    """Return the registered theorems, in the order of ``theorems.toml``.

    Parameters
    ----------
    folder
        The folder ``proofs``; by default the one of the checkout or of the wheel.

    Raises
    ------
    LayeredPagingError
        A control's text occurs not exactly once in the statement.

    Examples
    --------
    >>> [t.constant for t in theorems() if t.claim == "deterministic-lower"]
    ['LP.deterministic_lower.deterministic_lower']
    """
    where = (folder or catalog.content_root() / "proofs") / "theorems.toml"
    found = []
    for name, row in tomllib.loads(where.read_text()).items():
        statement = row["statement"].strip()
        false = []
        for old, new in row["controls"]:
            if statement.count(old) != 1:
                raise LayeredPagingError(
                    f"{where}: {name}: a control replaces a text that occurs once, {old!r} occurs {statement.count(old)} times"
                )
            false.append(statement.replace(old, new))
        found.append(
            Theorem(
                name,
                row["file"],
                row.get("claim"),
                row["latex"],
                statement,
                tuple(false),
                tuple(row.get("imports", ())),
            )
        )
    return found


def table(folder: Path | None = None) -> str:
    """Return the registered theorems as a table in Markdown: what each says, its constant, its file and the lines of that.

    The lines count what a file adds to the library below ``proofs/library/``.
    """
    source = folder or catalog.content_root() / "proofs"
    rows = ["| constant | says | file | lines |", "|---|---|---|---:|"]
    for row in theorems(source):
        lines = (source / row.file).read_bytes().count(b"\n")
        rows.append(f"| `{row.constant}` | ${row.latex}$ | `proofs/{row.file}` | {lines} |")
    return "\n".join(rows) + "\n"


def available() -> str | None:
    """Return which program of Coq is missing, in one line; nothing when all are there."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"{', '.join(missing)} not found: apt-get install --no-install-recommends coq make" if missing else None


def build(target: Path, folder: Path | None = None) -> int:
    """Compile every proof below ``target`` and return the number of lines; what is unchanged is not compiled again.

    Parameters
    ----------
    target
        Where the sources are copied to and compiled; it is made if need be.
    folder
        The folder ``proofs``; by default the one of the checkout or of the wheel.

    Raises
    ------
    LayeredPagingError
        A program of Coq is missing.
    SolverError
        A file does not compile; the message is that of Coq.
    """
    missing = available()
    if missing:
        raise LayeredPagingError(missing)
    source = folder or catalog.content_root() / "proofs"
    files = sorted(path.relative_to(source) for path in source.rglob("*.v"))
    target.mkdir(parents=True, exist_ok=True)
    for old in target.rglob("*.v"):
        if old.relative_to(target) not in files:
            for product in old.parent.glob(old.stem + ".*"):
                product.unlink()
    for path in [*files, Path("_CoqProject")]:
        text = (source / path).read_bytes()
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        if not (target / path).exists() or (target / path).read_bytes() != text:
            (target / path).write_bytes(text)
    _run(target, "coq_makefile", "-f", "_CoqProject", *map(str, files), "-o", "Makefile.coq")
    _run(target, "make", "--silent", "-f", "Makefile.coq")
    return sum((source / path).read_bytes().count(b"\n") for path in files)


def proved(target: Path, chosen: list[Theorem]) -> list[Proved]:
    """Return what the kernel has for each theorem, once it agreed that the constant proves the registered statement.

    Raises
    ------
    SolverError
        A constant is not there, or proves another statement than the registered one.
    """
    if not chosen:
        return []
    lines = []
    for number, theorem in enumerate(chosen):
        lines += [  # what one theorem imports may hide names of another
            _imports(theorem),
            f"Definition registered_{number} : {theorem.statement} := {theorem.constant}.",
            f'Goal True. idtac "#statement". exact I. Qed. Check {theorem.constant}.',
            f'Goal True. idtac "#axioms". exact I. Qed. Print Assumptions {theorem.constant}.',
        ]
    said = _coqc(target, "\n".join(lines))
    if isinstance(said, SolverError):
        raise said
    parts = re.split(r"^#(?:statement|axioms)\n", said, flags=re.MULTILINE)[1:]
    found = []
    for theorem, statement, axioms in zip(chosen, parts[::2], parts[1::2], strict=True):
        says = " ".join(statement.partition(":")[2].split())
        closed = axioms.strip() == "Closed under the global context"
        found.append(Proved(theorem, says, () if closed else tuple(axioms.splitlines()[1:])))
    return found


def controls(target: Path, theorem: Theorem) -> list[str]:
    """Return the controls of a theorem that the kernel did *not* refuse for their statement: there must be none.

    The constant is offered as a proof of each false neighbour. It must be refused because its
    type is another one, not for a slip in the text.
    """
    wrong = []
    for statement in theorem.controls:
        said = _coqc(target, _imports(theorem) + f"Definition control : {statement} := {theorem.constant}.")
        if not isinstance(said, SolverError):
            wrong.append(f"{statement}: accepted")
        elif not REFUSED.search(str(said)):
            wrong.append(f"{statement}: refused for another reason: {said}")
    return wrong


def accepted(target: Path, chosen: list[Theorem]) -> dict[str, list[str]]:
    """Return for each theorem the controls that the kernel did not refuse for their statement, all in one call.

    As ``controls``, which asks for one theorem after the other.  A false neighbour must be a well-formed statement,
    so that nothing but the statement can be why the constant does not prove it.
    """
    cases = [(theorem, statement) for theorem in chosen for statement in theorem.controls]
    lines = [
        f"{_imports(theorem)}Check ({statement} : Prop).\nFail Definition control : {statement} := {theorem.constant}."
        for theorem, statement in cases
    ]
    said = _coqc(target, "\n".join(lines))
    if isinstance(said, SolverError):  # one of them was not refused, or is no statement: look for it
        return {theorem.name: controls(target, theorem) for theorem in chosen}
    return {theorem.name: [] for theorem in chosen}


def recheck(target: Path) -> str:
    """Check all compiled files again with the stand-alone checker ``coqchk``; return the axioms that they stand on.

    Raises
    ------
    SolverError
        A file does not pass.
    """
    names = [".".join(["LP", *p.relative_to(target).with_suffix("").parts]) for p in sorted(target.rglob("*.vo"))]
    said = _run(target, "coqchk", "-silent", "-o", "-R", ".", "LP", *names)
    match = re.search(r"\* Axioms:\s*(.*?)\n\s*\n", said + "\n\n", re.DOTALL)
    if match is None:
        raise SolverError(f"coqchk: a list of axioms expected, found {said!r}")
    axioms = " ".join(match[1].split())
    return "none" if axioms == "<none>" else axioms


def _imports(theorem: Theorem) -> str:
    modules = " ".join([theorem.file.removesuffix(".v").replace("/", "."), *theorem.imports])
    return f"{PRELUDE}From LP Require Import {modules}.\nImport ListNotations.\nOpen Scope nat_scope.\n"


def _coqc(target: Path, text: str) -> str | SolverError:
    """Compile a text beside the theorems, and leave nothing; return what Coq printed, or why it refused."""
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "asked.v").write_text(text + "\n")
        try:
            return _run(Path(scratch), "coqc", "-w", "none", "-R", str(target.resolve()), "LP", "asked.v")
        except SolverError as error:
            return error


def _run(where: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SolverError(f"{words[0]}: {' '.join((done.stderr or done.stdout).split())}")
    return done.stdout + (done.stderr if words[0] == "coqchk" else "")  # where coqchk prints its summary


def main(words: list[str] | None = None) -> int:
    """Build all theorems, check them again, and print each with what it assumes; 1 when one assumes anything."""
    parser = argparse.ArgumentParser(prog="python -m layered_paging.theorems", description=__doc__.split("\n")[0])
    parser.add_argument("target", nargs="?", type=Path, default=Path("build/theorems"), help="where to compile")
    parser.add_argument("--controls", action="store_true", help="try the false neighbours of each statement too")
    parser.add_argument("--table", action="store_true", help="only list what is registered, as a table in Markdown")
    asked = parser.parse_args(words)
    if asked.table:
        print(table(), end="")
        return 0
    try:
        lines = build(asked.target)
        rows = proved(asked.target, theorems())
        slips = [s for found in accepted(asked.target, theorems()).values() for s in found] if asked.controls else []
        axioms = recheck(asked.target)
    except LayeredPagingError as error:
        print(error, file=sys.stderr)
        return 1
    bad = [row for row in rows if row.axioms]
    for row in rows:
        print(f"{row.theorem.name} ({row.theorem.file})\n  {row.says}\n  Axioms: {', '.join(row.axioms) or 'none'}")
    tried = sum(len(row.theorem.controls) for row in rows) if asked.controls else 0
    print("\n".join(slips) if slips else f"{tried} false neighbours tried, none accepted", file=sys.stderr)
    print(f"{len(rows)} theorems, {lines} lines; coqchk: every file passes; Axioms: {axioms}")
    return 1 if bad or slips or axioms != "none" else 0


if __name__ == "__main__":
    sys.exit(main())
