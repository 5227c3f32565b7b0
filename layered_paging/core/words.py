"""Numbers beside their nouns, for whatever people read."""

from __future__ import annotations

__all__ = ["counted", "install", "mib", "size"]


def counted(number: int, noun: str, many: str | None = None) -> str:
    """Return a number and its noun: "1 session", "2,000 sessions"; ``many`` is a plural that is not noun + s."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def install(extra: str, *packages: str) -> str:
    """Return how optional packages are installed, in words that hold wherever this package came from."""
    return (
        f"install it with: pip install {' '.join(packages)} (in a checkout of this project: pip install '.[{extra}]')"
    )


def size(count: int) -> str:
    """Return bytes in the largest unit that leaves one or more.

    Examples
    --------
    >>> size(512), size(3 * 2**29)
    ('512 bytes', '1.50 GiB')
    """
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:,.2f} {name}"
    return counted(count, "byte")


def mib(count: float) -> str:
    """Return bytes in MiB: four decimals below 10, else two.

    Examples
    --------
    >>> mib(2**18), mib(10 * 2**20)
    ('0.2500', '10.00')
    """
    value = count / 2**20
    return f"{value:.4f}" if value < 10 else f"{value:,.2f}"
