"""Linked lists of pages, compiled, in two arrays that are modified in place.

``after[page]`` and ``before[page]`` are the neighbours of a page.  List ``head`` is a ring through the extra entry ``head``, which is
at least the number of pages: ``after[head]`` is its first page, ``before[head]`` its last one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .hooks import inlined

__all__ = ["empty", "insert", "insert_used", "new_lists", "new_marks", "oldest", "push", "unlink"]


def new_lists(pages: int, lists: int = 1) -> tuple[Any, Any]:
    """Return the arrays ``after`` and ``before`` for ``lists`` lists, whose heads are ``pages``, ``pages + 1``, ..."""
    return np.zeros(pages + lists, np.int32), np.zeros(pages + lists, np.int32)


def new_marks(pages: int) -> Any:
    """Return, for each page, the step that loaded it if that was its last use; -1 for none."""
    return np.full(pages, -1, np.int64)


@inlined
def empty(after: Any, before: Any, head: int) -> None:
    """Make the list empty."""
    after[head] = head
    before[head] = head


@inlined
def unlink(after: Any, before: Any, page: int) -> None:
    """Take a page out of its list."""
    a = after[page]
    b = before[page]
    after[b] = a
    before[a] = b


@inlined
def push(after: Any, before: Any, head: int, page: int) -> None:
    """Put a page at the end."""
    b = before[head]
    after[b] = page
    before[page] = b
    after[page] = head
    before[head] = page


@inlined
def _link(after: Any, before: Any, b: Any, page: int) -> None:
    """Put a page behind ``b``."""
    a = after[b]
    after[b] = page
    before[page] = b
    after[page] = a
    before[a] = page


@inlined
def insert(after: Any, before: Any, head: int, page: int, clock: Any) -> None:
    """Put a page near the end, behind every page of smaller (clock, page number)."""
    b = before[head]
    while b != head and (clock[b] > clock[page] or (clock[b] == clock[page] and b > page)):
        b = before[b]
    _link(after, before, b, page)


@inlined
def insert_used(after: Any, before: Any, head: int, page: int, loaded: Any, step: Any, miss: bool) -> None:
    """Put a page that was used at ``step`` near the end: a hit before what the step loaded, a miss among that by number."""
    b = before[head]
    while b != head and loaded[b] == step and (b > page or not miss):
        b = before[b]
    loaded[page] = step if miss else -1
    _link(after, before, b, page)


@inlined
def oldest(after: Any, guard: Any, stamp: Any, head: Any) -> Any:
    """Return the first page that may go, or -1."""
    page = np.int64(after[head])
    while page != head and guard[page] == stamp:
        page = np.int64(after[page])
    return -1 if page == head else page
