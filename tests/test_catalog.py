"""Registration and collection: idempotent, unbreakable by one bad file, helpful about names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from layered_paging import catalog
from layered_paging.core import registry
from layered_paging.core.registry import register
from layered_paging.errors import LayeredPagingError, NotRegistered, ParameterError

GOOD = """
from layered_paging.core.registry import register

@register("claim", "{name}", evidence="none", statement="", latex="", status="[open]", cites=())
def stated():
    '''A statement.'''
"""


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A content root of our own, with the table put back afterwards."""
    for folder in catalog.FOLDERS:
        (tmp_path / folder).mkdir()
    before = dict(registry._table)
    failures = dict(catalog._failures)
    monkeypatch.setattr(catalog, "content_root", lambda: tmp_path)
    yield tmp_path
    registry._table.clear()
    registry._table.update(before)
    catalog._failures.clear()
    catalog._failures.update(failures)


def test_everything_shipped_loads() -> None:
    catalog.collect()
    assert catalog.failures() == []


def test_a_broken_file_does_not_break_the_catalog(content: Path) -> None:
    (content / "proofs" / "good.py").write_text(GOOD.format(name="fine"))
    (content / "proofs" / "syntax.py").write_text("def (")
    (content / "papers" / "raises.py").write_text("1 / 0")
    (content / "adversaries" / "nothing.py").write_text("x = 1")
    names = [entry.name for entry in catalog.collect(again=True)]
    assert "fine" in names
    reasons = {Path(f.source).name: f.reason for f in catalog.failures()}
    assert "SyntaxError" in reasons["syntax.py"]
    assert "ZeroDivisionError" in reasons["raises.py"]
    assert "registers nothing" in reasons["nothing.py"]


def test_loading_twice_changes_nothing(content: Path) -> None:
    (content / "proofs" / "good.py").write_text(GOOD.format(name="fine"))
    first = len(catalog.collect(again=True))
    assert len(catalog.collect(again=True)) == first
    assert catalog.failures() == []


def test_two_files_cannot_share_a_name(content: Path) -> None:
    (content / "proofs" / "a.py").write_text(GOOD.format(name="same"))
    (content / "proofs" / "b.py").write_text(GOOD.format(name="same"))
    catalog.collect(again=True)
    assert any("already registered" in f.reason for f in catalog.failures())


def test_files_with_a_leading_underscore_are_left_out(content: Path) -> None:
    (content / "papers" / "_shared.py").write_text("1 / 0")
    catalog.collect(again=True)
    assert catalog.failures() == []


def test_unknown_names_get_the_nearest() -> None:
    catalog.collect()
    with pytest.raises(NotRegistered, match="unknown policy 'lruu'; did you mean 'lru'"):
        registry.find("policy", "lruu")
    with pytest.raises(NotRegistered, match="available: "):
        registry.find("policy", "zzzzzz")


def test_unknown_kind() -> None:
    with pytest.raises(ParameterError, match="kind must be one of"):
        register("theorem", "x")


def test_one_tree_of_errors() -> None:
    assert issubclass(NotRegistered, LayeredPagingError)
    assert issubclass(ParameterError, ValueError)


def test_other_distributions_add_content(content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = content / "site"
    info = site / "other_policies-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-policies\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[layered_paging.content]\nmine = other_policies_mine\nbroken = other_policies_absent\n"
    )
    (site / "other_policies_mine.py").write_text(GOOD.format(name="from-elsewhere"))
    monkeypatch.syspath_prepend(str(site))
    names = [entry.name for entry in catalog.collect(again=True)]
    assert "from-elsewhere" in names
    assert [f.source for f in catalog.failures() if "other_policies" in f.source] == [
        "entry point broken = other_policies_absent"
    ]
