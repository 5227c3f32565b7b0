"""The time model: how long computing and loading take.  Every parameter is given by the caller; times are whole nanoseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.arguments import kinds, kinds_of_fields
from ..core.instance import integer
from ..errors import ParameterError

__all__ = ["TimeModel"]

LONGEST = 10**15  # ns of one event or load: some eleven days


@kinds_of_fields()
@dataclass(frozen=True)
class TimeModel:
    """Compute time of each layer, and how experts reach memory.

    An event begins when its layer's router has chosen. It waits until all members are there (the *stall*), then
    computes for ``compute`` of its layer, and the next event begins.  Each load takes one of ``channels`` alone from its
    start to its end. Demand comes before guesses that have not started, and nothing that has started is given up.

    Attributes
    ----------
    compute : int or sequence of int
        ns of one event, for all layers or for each; at least 0.  Attention and everything else up to the next
        router belongs to it.
    bandwidth : int
        Bytes a second of one channel, at least 1.
    latency : int
        ns before the bytes of a load flow, at least 0.
    channels : int
        Loads that run at a time, at least 1.
    overlap : bool
        Whether loads run while a layer computes; if not, computing waits until all channels rest.
    chunk : int or None
        Bytes that one read fetches at the most: each read pays the latency.  None: one read an expert.
    hit : int
        ns that a member found in memory costs nevertheless (minor faults of a mapped file), at least 0.

    Examples
    --------
    >>> disk = TimeModel(compute=500_000, bandwidth=2_000_000_000, latency=100_000, channels=1, overlap=True)
    >>> disk.load_times([3_000_000]).tolist()
    [1600000]
    """

    compute: int | tuple[int, ...]
    bandwidth: int
    latency: int
    channels: int
    overlap: bool
    chunk: int | None = None
    hit: int = 0

    def __init__(
        self,
        *,
        compute: int | Sequence[int],
        bandwidth: int,
        latency: int,
        channels: int,
        overlap: bool,
        chunk: int | None = None,
        hit: int = 0,
    ) -> None:
        many = isinstance(compute, Sequence) and not isinstance(compute, (str, bytes))
        given: Any = compute if many else [compute]
        times = [integer("compute", c, 0) for c in given]
        if not times:
            raise ParameterError("must be one number, or one for each layer; got none", parameter="compute")
        latency, hit = integer("latency", latency, 0), integer("hit", hit, 0)
        if max(*times, latency, hit, 0) > LONGEST:
            raise ParameterError(
                f"must be at most {LONGEST} ns; got {max(*times, latency, hit, 0)}",
                parameter="times",
            )
        for name, value in {
            "compute": tuple(times) if many else times[0],
            "bandwidth": integer("bandwidth", bandwidth, 1),
            "latency": latency,
            "channels": integer("channels", channels, 1),
            "overlap": bool(overlap),
            "chunk": None if chunk is None else integer("chunk", chunk, 1),
            "hit": hit,
        }.items():
            object.__setattr__(self, name, value)
        if self.channels > 1024:
            raise ParameterError(f"must be at most 1024; got {channels}", parameter="channels")

    @classmethod
    @kinds(fault=0, readahead=1, hit=0)
    def page_cache(
        cls, *, compute: int | Sequence[int], bandwidth: int, fault: int, readahead: int, hit: int
    ) -> TimeModel:
        """Return the model of a mapped file behind the page cache.

        Parameters
        ----------
        compute, bandwidth
            As above.
        fault : int
            ns of a major fault, which reads ``readahead`` bytes at the most.
        readahead : int
            Bytes, at least 1.
        hit : int
            ns of an expert's minor faults where its pages are in memory.

        Notes
        -----
        The faulting thread waits, so there is one channel and no overlap, and a guess gains nothing.  Which experts stay is
        the kernel's choice: replay with ``policy="lru"`` and a shared pool as its nearest simple model.
        """
        return cls(
            compute=compute, bandwidth=bandwidth, latency=fault, channels=1, overlap=False, chunk=readahead, hit=hit
        )

    def load_times(self, sizes: Any) -> npt.NDArray[np.int64]:
        """Return the ns that loads of ``sizes`` bytes take, rounded up.

        Raises
        ------
        ParameterError
            One takes more than 10^15 ns.
        """
        answer = []
        known: dict[int, int] = {}
        for size in np.asarray(sizes, np.int64).tolist():
            if size not in known:
                reads = 1 if self.chunk is None else -(-size // self.chunk)
                known[size] = reads * self.latency - (-size * 10**9 // self.bandwidth)
                if known[size] > LONGEST:
                    raise ParameterError(f"a load of {size} bytes would take {known[size]} ns; at most {LONGEST}")
            answer.append(known[size])
        return np.array(answer, np.int64)

    def compute_times(self, layers: int) -> npt.NDArray[np.int64]:
        """Return the ns of an event of each layer.

        Raises
        ------
        ParameterError
            ``compute`` is for another number of layers.
        """
        times = [self.compute] * layers if isinstance(self.compute, int) else list(self.compute)
        if len(times) != layers:
            raise ParameterError(
                f"must be one number, or one for each of {layers} layers; got {len(times)}", parameter="compute"
            )
        return np.array(times, np.int64)

    def to_json(self) -> dict[str, Any]:
        """Return all parameters."""
        compute: Any = self.compute if isinstance(self.compute, int) else list(self.compute)
        return {
            "compute_ns": compute,
            "bandwidth": self.bandwidth,
            "latency_ns": self.latency,
            "channels": self.channels,
            "overlap": self.overlap,
            "chunk": self.chunk,
            "hit_ns": self.hit,
        }
