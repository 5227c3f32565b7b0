"""Linked lists of pages in two arrays: list ``head`` is a ring through the extra entry ``head`` (at least the number of pages)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .hooks import inlined

__all__ = ["empty", "insert", "oldest", "push", "unlink"]


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
def insert(after: Any, before: Any, head: int, page: int, clock: Any) -> None:
    """Put a page near the end, behind every page of smaller (clock, page number)."""
    b = before[head]
    while b != head and (clock[b] > clock[page] or (clock[b] == clock[page] and b > page)):
        b = before[b]
    a = after[b]
    after[b] = page
    before[page] = b
    after[page] = a
    before[a] = page


@inlined
def oldest(after: Any, guard: Any, stamp: Any, head: Any) -> Any:
    """Return the first page that may go, or -1."""
    page = np.int64(after[head])
    while page != head and guard[page] == stamp:
        page = np.int64(after[page])
    return -1 if page == head else page
