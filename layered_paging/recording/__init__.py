"""Record which experts a running model chooses (extra ``record``: torch and transformers)."""

from .recorder import Recorder, record
from .spool import recover

__all__ = ["Recorder", "record", "recover"]
