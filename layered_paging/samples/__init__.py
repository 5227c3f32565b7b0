"""The trace that the package ships, for demonstrations and examples."""

from pathlib import Path

__all__ = ["SAMPLE"]

SAMPLE = Path(__file__).parent / "sample.npz"
