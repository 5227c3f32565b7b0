"""Placing experts on edge servers: the static cousin of the caches, with bounds.

The model is stated in ``docs/explanation/edge.md``; ``place`` runs every algorithm.
"""

from .baselines import Split, split_inference
from .compare import Served, online_against_static
from .documents import load_network, save_network
from .generate import generate, network_of
from .latency import Hits
from .links import Radio
from .network import FAR, Activations, Network, NetworkError
from .placing import ALGORITHMS, Placement, place, storage_curve

__all__ = [
    "ALGORITHMS",
    "FAR",
    "Activations",
    "Hits",
    "Network",
    "NetworkError",
    "Placement",
    "Radio",
    "Served",
    "Split",
    "generate",
    "load_network",
    "network_of",
    "online_against_static",
    "place",
    "save_network",
    "split_inference",
    "storage_curve",
]
