"""Theorems: the kernel of Coq has proved what is registered, without axioms, and refuses what is false by one."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import layered_paging as lp
from layered_paging import catalog, theorems
from layered_paging.core import registry
from layered_paging.errors import LayeredPagingError, SolverError
from layered_paging.problems import PROBLEMS

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "proofs").rglob("*.v"))
ALL = theorems.theorems(ROOT / "proofs")
MISSING = theorems.available()
kernel = pytest.mark.skipif(MISSING is not None, reason=f"no theorem was checked: {MISSING}")
TOY = """From Coq Require Import Arith.
From LP.library Require Import Model Online.
{axiom}
Theorem toy : forall a b : nat, a + b = b + a.
Proof. {proof} Qed.
"""


@pytest.fixture
def toy(compiled: Path, tmp_path: Path) -> Path:
    """Return a copy of the compiled library in which a small theorem can be put."""
    for path in (compiled / "library").rglob("*.vo"):
        (tmp_path / "library").mkdir(exist_ok=True)
        shutil.copy2(path, tmp_path / "library")
    return tmp_path


def claim_of_toy(folder: Path, axiom: str, proof: str, statement: str, *false: str) -> theorems.Theorem:
    (folder / "toy.v").write_text(TOY.format(axiom=axiom, proof=proof))
    theorems._run(folder, "coqc", "-R", ".", "LP", "toy.v")
    return theorems.Theorem("toy", "toy.v", None, "", statement, false)


@kernel
def test_every_theorem_is_proved_as_registered_and_assumes_nothing(compiled: Path) -> None:
    rows = theorems.proved(compiled, ALL)
    assert [row.theorem for row in rows] == ALL
    assert [row.theorem.name for row in rows if row.axioms] == []
    assert all(row.says.startswith("forall ") for row in rows)


def test_every_theorem_has_a_control_and_there_are_ten() -> None:
    assert all(theorem.controls for theorem in ALL)
    assert sum(len(theorem.controls) for theorem in ALL) >= 10


@kernel
def test_a_control_that_is_true_is_reported(toy: Path) -> None:
    true = claim_of_toy(
        toy, "", "exact Nat.add_comm.", "forall a b, a + b = b + a", "forall b a, b + a = a + b", "forall a b a"
    )
    accepted, slip = theorems.controls(toy, true)
    assert accepted == "forall b a, b + a = a + b: accepted"
    assert slip.startswith("forall a b a: refused for another reason")


@kernel
def test_another_statement_than_the_registered_one_is_refused(toy: Path) -> None:
    other = claim_of_toy(toy, "", "exact Nat.add_comm.", "forall a b, a + b = b + a + 0")
    with pytest.raises(SolverError, match="expected to have type"):
        theorems.proved(toy, [other])


@kernel
def test_an_axiom_is_reported(toy: Path) -> None:
    free = claim_of_toy(toy, "Axiom swap : forall a b, a + b = b + a.", "exact swap.", "forall a b, a + b = b + a")
    (row,) = theorems.proved(toy, [free])
    assert row.axioms == ("swap : forall a b : nat, a + b = b + a",)


@kernel
def test_a_proof_that_does_not_hold_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "proofs").mkdir()
    (tmp_path / "proofs" / "_CoqProject").write_text("-R . LP\n")
    (tmp_path / "proofs" / "wrong.v").write_text("Theorem wrong : 1 = 2.\nProof. reflexivity. Qed.\n")
    with pytest.raises(SolverError, match=r"wrong\.v.*Unable to unify"):
        theorems.build(tmp_path / "made", tmp_path / "proofs")


def test_what_is_missing_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LayeredPagingError, match=r"^coqc, .* not found: apt-get install [^\n]*$"):
        theorems.build(tmp_path / "made", ROOT / "proofs")
    assert not (tmp_path / "made").exists()


def test_a_control_names_a_text_that_occurs_once(tmp_path: Path) -> None:
    row = '[a]\nfile = "a.v"\nlatex = ""\nstatement = "x = x"\ncontrols = [["x", "y"]]\n'
    (tmp_path / "theorems.toml").write_text(row)
    with pytest.raises(LayeredPagingError, match="'x' occurs 2 times"):
        theorems.theorems(tmp_path)


def test_the_page_lists_every_theorem() -> None:
    page = (ROOT / "docs" / "explanation" / "theorems.md").read_text()
    assert theorems.table() in page, "run: python -m layered_paging.theorems --table"


def test_claims_that_a_theorem_belongs_to_are_registered() -> None:
    catalog.collect()
    names = {entry.name for entry in registry.entries() if entry.kind == "claim"}
    assert {theorem.claim for theorem in ALL} - {None} <= names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_sources_assume_and_skip_nothing(path: Path) -> None:
    text = re.sub(r"\(\*.*?\*\)", "", path.read_text(), flags=re.DOTALL)
    assert not re.search(
        r"\b(Axiom|Axioms|Parameter|Parameters|Conjecture|Admitted|admit|Abort|Unset Guard\w*)\b", text
    )
    assert text.count("\n") <= 500
    assert max(len(line) for line in path.read_text().splitlines()) <= 150


@kernel
def test_controls_in_one_call_are_as_strict(compiled: Path, toy: Path) -> None:
    assert not any(theorems.accepted(compiled, ALL).values())
    true = claim_of_toy(
        toy, "", "exact Nat.add_comm.", "forall a b : nat, a + b = b + a", "forall b a : nat, b + a = a + b"
    )
    [slip] = theorems.accepted(toy, [true])["toy"]
    assert "accepted" in slip
    typo = claim_of_toy(toy, "", "exact Nat.add_comm.", "forall a b : nat, a + b = b + a", "forall a b : nat, a + = b")
    assert theorems.accepted(toy, [typo])["toy"]


@kernel
def test_open_problems_are_propositions_and_mean_what_the_replay_does(compiled: Path) -> None:
    """The kernel has each definition, and LRU on events in Coq misses as often as the policy replayed."""
    lines = ["From Coq Require Import List Arith.", "From LP Require Import open_problems events_lower."]
    lines += ["Import ListNotations."]
    for problem in PROBLEMS:
        lines.append(f"Check ({problem.constant} : Prop). Print Assumptions {problem.constant}.")
    wanted = []
    choice = random.Random(3)
    for layers, experts, slots, top_k in [(2, 3, 5, 2), (1, 5, 3, 2), (2, 4, 6, 2), (1, 6, 4, 3)]:
        rows = [[sorted(choice.sample(range(experts), top_k)) for _ in range(layers)] for _ in range(9)]
        wanted.append(lp.replay(lp.Trace(np.array(rows), experts), "lru", slots).misses)
        events = [[layer * experts + e for e in row[layer]] for row in rows for layer in range(layers)]
        text = "; ".join(f"[{'; '.join(map(str, event))}]" for event in reversed(events))
        lines.append(f"Eval compute in event_paid (event_lru {layers} {experts} {slots}) [{text}].")
    said = theorems._coqc(compiled, "\n".join(lines))
    assert isinstance(said, str), said
    assert said.count("Closed under the global context") == len(PROBLEMS)
    assert [int(line.split()[1]) for line in said.splitlines() if line.strip().startswith("= ")] == wanted
