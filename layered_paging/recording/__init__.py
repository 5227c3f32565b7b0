"""Record which experts a running model chooses, and run it with its experts on the disk (extra ``record``: torch and transformers)."""

from .on_disk import ExpertsOnDisk, experts_on_disk
from .recorder import Recorder, record
from .spool import recover

__all__ = ["ExpertsOnDisk", "Recorder", "experts_on_disk", "record", "recover"]
