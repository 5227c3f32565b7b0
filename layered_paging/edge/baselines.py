"""Placements to compare with, and split inference."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .latency import empty
from .network import FAR, Network, fill

__all__ = ["Split", "at_random", "by_layer", "by_popularity", "split_inference"]

Held = npt.NDArray[np.bool_]


def at_random(network: Network, *, seed: int = 0) -> Held:
    """Fill every server with experts in a random order, each that still fits."""
    stream = np.random.default_rng(seed)
    held = empty(network)
    for n, room in enumerate(network.storage.tolist()):
        for page in stream.permutation(network.pages).tolist():
            if network.sizes[page] <= room:
                held[n, page] = True
                room -= int(network.sizes[page])
    return held


def by_popularity(network: Network) -> Held:
    """Fill every server with the experts that the users in its reach activate most, per byte; ties to the lower page."""
    held = empty(network)
    for n, room in enumerate(network.storage.tolist()):
        counts = network.frequency(network.edge_ns[:, n] != FAR)
        held[n] = fill(counts, network.sizes, room, np.arange(network.pages))
    return held


def by_layer(network: Network) -> Held:
    """Fill every server with the most activated experts of every layer, the storage split evenly over the layers.

    What a layer's share leaves goes, by popularity, to any experts that still fit.
    """
    held = empty(network)
    for n, room in enumerate(network.storage.tolist()):
        counts = network.frequency(network.edge_ns[:, n] != FAR)
        for j in range(network.layers):
            pages = np.arange(network.first[j], network.first[j + 1])
            held[n] |= fill(counts, network.sizes, room // network.layers, pages)
        rest = room - int(held[n] @ network.sizes)
        held[n] |= fill(counts, network.sizes, rest, np.flatnonzero(~held[n]))
    return held


class Split(NamedTuple):
    """Split inference: mean latency of a token in nanoseconds, and the share of users that need the cloud."""

    latency: Fraction
    cloud: Fraction


def split_inference(network: Network) -> Split:
    """Return the latency of U-shaped split inference, as we read it; no experts are chosen, whole layers are.

    The user runs the first and the last layers, alternating 0, L - 1, 1, L - 2, ...  It takes as many as its storage
    holds with all their experts.  Its fastest server runs the rest as far as its storage goes, the cloud what
    remains.  A token travels once: not at all if the user holds every layer, else to the server, or to the
    cloud if some layer is there.  Layers at the user take ``local_ns`` each.  Without ``user_storage`` the user's
    room is what the experts that it holds take.
    """
    order = [j // 2 if j % 2 == 0 else network.layers - 1 - j // 2 for j in range(network.layers)]
    bytes_of = [int(network.sizes[network.first[j] : network.first[j + 1]].sum()) for j in order]
    total, clouds = Fraction(0), 0
    for m in range(len(network.users)):
        if network.user_storage is None:
            room = int(network.local[m] @ network.sizes)
        else:
            room = int(network.user_storage[m]) - network.nonexpert_bytes
        mine = 0
        while mine < network.layers and bytes_of[mine] <= room:
            room -= bytes_of[mine]
            mine += 1
        trip = 0
        if mine < network.layers:
            n = int(network.edge_ns[m].argmin()) if len(network.servers) else -1
            there = n >= 0 and sum(bytes_of[mine:]) <= int(network.storage[n])
            trip = int(min(network.edge_ns[m, n], network.cloud_ns[m])) if there else int(network.cloud_ns[m])
            clouds += not there
        total += trip + mine * int(network.local_ns[m]) + int(network.nonexpert_ns[m])
    return Split(total / len(network.users), Fraction(clouds, len(network.users)))
