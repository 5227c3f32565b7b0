"""A placement that is being built: compiled moves over shared arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.rented import Rented
from .latency import empty, fastest
from .network import FAR, Network

__all__ = ["State"]

Ints = npt.NDArray[np.int64]
STEP = 1e-6  # seconds of a step of plain Python
_HOME = f"{__package__}.kernels"
_ADD, _DROP, _GAIN = Rented(_HOME, "add", 0.3), Rented(_HOME, "drop", 0.3), Rented(_HOME, "gain_of", 0.3)
_GREEDY, _PEEL, _SUBSETS = Rented(_HOME, "greedy", 1.3), Rented(_HOME, "peel", 0.8), Rented(_HOME, "subset_values", 0.3)


class State:
    """Which server holds what, and the latency of every member and event.

    Parameters
    ----------
    network : Network
    held : bool array, shape (servers, pages), optional
        Where to start; copied.  Default: nothing is held.

    Attributes
    ----------
    held : bool array
    room : int array
        Bytes left at each server.
    now, late : int array
        Latency of each entry of ``activations.members``, and of each event.
    """

    def __init__(self, network: Network, held: npt.NDArray[np.bool_] | None = None) -> None:
        a = network.activations
        self.network = network
        self.held = empty(network) if held is None else held.copy()
        self.room: Ints = network.storage - self.held @ network.sizes
        self.base = network.base()
        self.now = fastest(network, self.held)
        self.late: Ints = np.maximum.reduceat(self.now, a.start[:-1])
        self.owner = np.array(a.owner)
        self.by_page = np.argsort(a.members, kind="stable")
        self.page_start = np.searchsorted(a.members[self.by_page], np.arange(network.pages + 1)).astype(np.int64)
        self.start = np.ascontiguousarray(a.start, np.int64)
        self.members = np.ascontiguousarray(a.members, np.int64)
        self.near = np.array(network.edge_ns)
        self.weight = np.array(network.weight)
        self.sizes = np.array(network.sizes)
        self.user = np.ascontiguousarray(a.user, np.int64)

    @property
    def events(self) -> Any:
        """The arrays that the compiled moves share; ``now`` and ``late`` are modified by them."""
        from .kernels import Events

        lists = self.start, self.members, self.by_page, self.page_start, self.owner, self.user
        return Events(*lists, self.weight, self.near, self.now, self.late)

    @property
    def look(self) -> float:
        """Seconds of plain Python for a look at every event, with all its members for each, at most."""
        return len(self.members) * self.network.largest_k * STEP

    @property
    def cost(self) -> int:
        """Sum of weight times latency over all events."""
        return int((self.weight * self.late).sum())

    def copy(self) -> State:
        """Return a state that can be changed on its own."""
        twin = object.__new__(State)
        twin.__dict__.update(self.__dict__)
        twin.held, twin.room, twin.now, twin.late = (
            self.held.copy(),
            self.room.copy(),
            self.now.copy(),
            self.late.copy(),
        )
        return twin

    def add(self, server: int, pages: Any) -> None:
        """Place experts at a server."""
        for page in pages:
            self.held[server, page] = True
            self.room[server] -= self.sizes[page]
            _ADD(self.look, server, page, self.events)

    def clear(self, server: int) -> list[int]:
        """Take everything away from a server and return what it held."""
        gone: list[int] = np.flatnonzero(self.held[server]).tolist()
        for page in gone:
            self.held[server, page] = False
            self.room[server] += self.sizes[page]
            _DROP(self.look, server, page, self.held, self.base, self.events)
        return gone

    def gain(self, server: int, page: int) -> int:
        """Return what one more expert at a server saves."""
        return int(_GAIN(self.look, server, page, self.events))

    def greedy(self, lazy: bool) -> list[tuple[int, int]]:
        """Add experts by saving per byte until none that fits saves anything; return (server, page) in order."""
        network = self.network
        log = np.empty(self.held.size, np.int64)
        pages = np.arange(network.pages)
        family = pages if network.largest_k == 1 else np.repeat(np.arange(network.layers), network.experts)
        size = self.held.size
        added = _GREEDY(
            size * (self.look + size * STEP), lazy, self.held, self.room, family, self.sizes, self.events, log
        )
        return [(int(c) // network.pages, int(c) % network.pages) for c in log[:added]]

    def reaching(self, server: int) -> tuple[Ints, Ints]:
        """Return (by_page, page_start) of the slots whose users reach a server."""
        mine = self.by_page[(self.near[:, server] < FAR)[self.user[self.owner[self.by_page]]]]
        counts = np.bincount(self.members[mine], minlength=self.network.pages)
        return mine, np.concatenate(([0], np.cumsum(counts))).astype(np.int64)

    def peel(self, server: int, low: int, high: int, near: tuple[Ints, Ints], scratch: Ints) -> tuple[Ints, Ints]:
        """Return (order, values) of the pages low..high-1 at a server: see ``kernels.peel``; ``near`` from ``reaching``."""
        order, values = np.empty(high - low, np.int64), np.empty(high - low + 1, np.int64)
        events = self.events._replace(by_page=near[0], page_start=near[1])
        _PEEL(self.look + (high - low) ** 2 * STEP, server, low, high, self.sizes, events, scratch, order, values)
        return order, values

    def subset_values(self, server: int, low: int, high: int, near: tuple[Ints, Ints]) -> Ints:
        """Return what every subset of the pages low..high-1 saves at a server, by bit mask."""
        values = np.zeros(1 << (high - low), np.int64)
        events = self.events._replace(by_page=near[0], page_start=near[1])
        _SUBSETS(len(values) * self.look, server, low, high, events, values)
        return values
