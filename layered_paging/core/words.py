"""Numbers beside their nouns, for whatever people read."""

from __future__ import annotations

__all__ = ["counted", "install"]


def counted(number: int, noun: str, many: str | None = None) -> str:
    """Return a number and its noun: "1 session", "2,000 sessions"; ``many`` is a plural that is not noun + s."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def install(extra: str, *packages: str) -> str:
    """Return how optional packages are installed, in words that hold wherever this package came from."""
    return (
        f"install it with: pip install {' '.join(packages)} (in a checkout of this project: pip install '.[{extra}]')"
    )
