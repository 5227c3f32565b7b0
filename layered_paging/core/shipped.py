"""Machine code that was compiled ahead: beside this package, or in the folder ``LAYERED_PAGING_KERNELS``.

It is a folder of compiled code like the one in the user's cache (``machine``), made by ``python -m layered_paging.ahead`` for any
processor of the platform.  What was compiled from other sources, by another numba, or for another Python is never found there.
"""

from __future__ import annotations

import functools
import os
from importlib import metadata
from pathlib import Path

__all__ = ["GENERIC", "ahead_of", "shipped"]

GENERIC = ("generic", "")  # the processor that is compiled for, and its features


def ahead_of(folder: Path) -> Path:
    """Return the part of a folder that is for the numba that is installed, or for none."""
    return folder / f"numba-{_installed()}"


@functools.cache
def _installed() -> str:
    try:
        return metadata.version("numba")
    except metadata.PackageNotFoundError:  # what is compiled is then played by Python
        return "none"


def shipped() -> Path | None:
    """Return where code was compiled ahead for the numba that is installed; None where there is none."""
    named = os.environ.get("LAYERED_PAGING_KERNELS")
    folder = Path(named) if named else Path(__file__).resolve().parents[1] / "machine_code"
    return ahead_of(folder) if folder.is_dir() else None
