"""How much work and memory checking a certificate may take: counted in steps and entries, and refused beyond a limit.

A step is about a third of a microsecond of plain Python; an entry is a number that is held.  What a statement and the
lengths of its evidence ask for is computed before anything is built.  Some things cannot be known, such as how often a
cycle is played until the policy comes back to a state.  They are counted while the check runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..errors import NotChecked

__all__ = ["LIMIT", "hold", "metered", "spend"]

LIMIT = 300_000_000  # steps by default
PER_ENTRY = 50  # steps of the limit that allow one entry

_ACCOUNT: ContextVar[list[int] | None] = ContextVar("account", default=None)


@contextmanager
def metered(limit: int) -> Iterator[list[int]]:
    """Count the steps and entries of what runs inside; yield [limit, steps left, entries left]."""
    account = [limit, limit, limit // PER_ENTRY]
    token = _ACCOUNT.set(account)
    try:
        yield account
    finally:
        _ACCOUNT.reset(token)


def spend(steps: int, what: str) -> None:
    """Take steps from the account, if there is one.

    Raises
    ------
    NotChecked
        More than are left.
    """
    account = _ACCOUNT.get()
    if account is not None:
        account[1] -= steps
        if account[1] < 0:
            raise NotChecked(
                f"not checked: {what} takes more than the limit of {account[0]:,} steps; give a larger limit"
            )


def hold(entries: int, what: str) -> None:
    """Take entries from the account, if there is one, and a step for each.

    Raises
    ------
    NotChecked
        More than are left.
    """
    spend(entries, what)
    account = _ACCOUNT.get()
    if account is not None:
        account[2] -= entries
        if account[2] < 0:
            least = account[0] // PER_ENTRY
            raise NotChecked(
                f"not checked: {what} would hold more than {least:,} numbers; give a limit above {account[0]:,} steps"
            )
