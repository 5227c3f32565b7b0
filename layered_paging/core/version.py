"""The version number, once."""

__version__ = "0.1.0"
