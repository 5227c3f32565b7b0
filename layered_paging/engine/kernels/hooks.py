"""The hooks, as the special loop of similar-rounds ties them to its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..hooks import Now, inlined

__all__ = ["Now", "behaves", "inlined"]


def behaves(kind: Any, **methods: Callable[..., Any]) -> None:
    """Give a type of state its methods."""
    for name, method in methods.items():
        setattr(kind, name, method)
