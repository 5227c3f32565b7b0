"""``lp.edge.place``: one call for every algorithm, with bounds and certificates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..certificate import Certificate
from ..core.arguments import is_real, kinds
from ..core.instance import flag, integer, shown
from ..core.registry import nearest
from ..core.rules import choice
from ..errors import ParameterError
from . import baselines
from . import bound as bounds
from .documents import to_document
from .exact import exhaustive, integer_program
from .greedy import continuous, enumeration, greedy
from .knapsack import METHODS
from .latency import Hits, cost, empty, feasible, hits
from .network import Network
from .successive import improve, successive

__all__ = ["ALGORITHMS", "Placement", "place", "storage_curve"]

Held = npt.NDArray[np.bool_]
GREEDY = 2 * 10**6  # members of events times servers up to which "best" starts from greedy also for larger events
CONTINUOUS = 10**6  # activations times servers squared up to which "best" starts from the continuous placement too

# name -> what it does; "seed", "progress" and the algorithm's own parameters are passed on
ALGORITHMS: dict[str, str] = {
    "best": "rounds from every start that is cheap enough, the best one (the default)",
    "successive": "one server after the other, each by dynamic programming over layers and storage",
    "rounds": "successive, then servers are emptied and filled anew in turn while that helps",
    "greedy": "the server and expert of the most saving per byte, again and again",
    "enumeration": "greedy from every start of at most three experts; small networks",
    "continuous": "continuous greedy, rounded; one expert an event, one size",
    "ilp": "integer program (HiGHS)",
    "exhaustive": "every placement; tiny networks",
    "alone": "successive, as if every expert of an event were an event of its own",
    "popularity": "most activated experts first",
    "layer-popularity": "the same in every layer, with an even share of the storage",
    "random": "experts in random order (seeded)",
    "local": "nothing on servers",
}


@dataclass(frozen=True)
class Placement:
    """Which server holds which expert, and what that costs.

    Attributes
    ----------
    network : Network
    algorithm : str
    held : bool array
        Shape (servers, pages).
    cost : int
        Sum of weight times latency; ``network.mean(cost)`` is ``latency``.
    saved : int
        The cost without servers, less ``cost``.
    hits : Hits
        Shares of events that are served by the user alone, with a server, with the cloud.
    bound : Fraction or None
        No placement has a smaller mean latency (in nanoseconds): proved by ``prices``, recomputed exactly.
    optimal : str or None
        Who says that none is better: "exhaustive" (every placement was tried), "bound" (the bound is
        attained), "HiGHS" (the solver's word, in floats), or None.
    """

    network: Network
    algorithm: str
    held: Held
    cost: int
    saved: int
    hits: Hits
    bound: Fraction | None = None
    optimal: str | None = None
    seed: int = 0
    prices: Any = field(default=None, repr=False)

    @property
    def latency(self) -> Fraction:
        """Mean latency of a token, in nanoseconds."""
        return self.network.mean(self.cost)

    @property
    def gap(self) -> Fraction | None:
        """``latency / bound - 1``: so much better another placement may be at the most; None without a bound."""
        return None if not self.bound else self.latency / self.bound - 1

    def experts_at(self, server: int) -> list[tuple[int, int]]:
        """Return the (layer, expert) pairs that a server holds."""
        pages = np.flatnonzero(self.held[server])
        layer = np.searchsorted(self.network.first, pages, side="right") - 1
        return list(zip(layer.tolist(), (pages - self.network.first[layer]).tolist(), strict=True))

    @property
    def certificate(self) -> Certificate:
        """What ``lp.certify.check`` verifies: the network, the placement, its latency, and the bound if there is one."""
        held = {name: [list(pair) for pair in self.experts_at(n)] for n, name in enumerate(self.network.servers)}
        statement = {
            "network": to_document(self.network),
            "held": held,
            "latency": str(self.latency),
            "bound": None if self.bound is None else str(self.bound),
        }
        return Certificate("placement", statement, {} if self.bound is None else {"prices": self.prices.tolist()})


@kinds()
def place(
    network: Network,
    algorithm: str = "best",
    *,
    storage: int | Sequence[int] | None = None,
    bound: str = "none",
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
    **parameters: Any,
) -> Placement:
    """Place experts on the servers of a network.

    Parameters
    ----------
    network : Network
    algorithm : str
        One of ``ALGORITHMS``.
    storage : int or sequence of int, optional
        Bytes of each server instead of the network's.
    bound : {"none", "auto", "lp", "prices"}
        Also compute a lower bound on the latency of every placement.
    seed : int
        Of ``random``.
    progress : callable, optional
        Called now and then with the number of steps done.
    **parameters
        ``method`` and ``exact`` of ``successive``, ``rounds``, ``best`` and ``alone``.  ``rounds`` of ``rounds`` and
        ``best``.  ``lazy`` of ``greedy``.  ``triple`` of ``enumeration``.  ``steps`` of ``continuous``.  ``time_limit`` of ``ilp``.

    Raises
    ------
    ParameterError
        Unknown algorithm or parameter, or one that does not fit the network.
    NetworkError
        Storage outside its range.

    Examples
    --------
    >>> from layered_paging.edge import generate
    >>> network = generate(users=4, servers=2, layers=2, experts=6, top_k=2, seed=1, storage=4 << 20)
    >>> found = place(network, "rounds", bound="lp")
    >>> found.bound <= found.latency <= place(network, "local").latency
    True
    """
    if algorithm not in ALGORITHMS:
        raise ParameterError(f"unknown algorithm {algorithm!r}; {nearest(str(algorithm), list(ALGORITHMS))}")
    known = _PARAMETERS.get(algorithm, ())
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise ParameterError(f"{algorithm} has no parameter {unknown[0]!r}; it has: {', '.join(known) or 'none'}")
    for name, (low, high) in _RANGES.items():
        if name in parameters and integer(name, parameters[name], low) > high:
            raise ParameterError(f"must be at most {high}; got {parameters[name]}", parameter=name)
    limit = parameters.get("time_limit")
    if limit is not None and not (is_real(limit) and limit > 0):
        raise ParameterError(f"must be a number of seconds above 0; got {shown(limit)}", parameter="time_limit")
    if limit is not None:
        parameters["time_limit"] = float(limit)
    if "lazy" in parameters:
        flag("lazy", parameters["lazy"])
    if "method" in parameters:
        choice("method", parameters["method"], METHODS)
    seed = integer("seed", seed, 0)
    if storage is not None:
        network = network.with_storage(storage)
    held, optimal = _run(network, algorithm, seed, progress, parameters)
    feasible(network, held)
    paid = cost(network, held)
    saved = bounds.base_cost(network) - paid
    least = None
    priced = bounds.best_prices(network, bound, target=saved)
    prices = None
    if priced is not None:
        table, prices = priced
        most = bounds.bound_of(network, table, prices)
        least = network.mean(paid + saved - most)
        if most == saved and optimal != "exhaustive":
            optimal = "bound"
    return Placement(network, algorithm, held, paid, saved, hits(network, held), least, optimal, seed, prices)


_TABLES = ("method", "exact")
_RANGES = {"exact": (0, 16), "rounds": (0, 1000), "triple": (0, 8), "steps": (1, 10**6)}
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "best": (*_TABLES, "rounds"),
    "successive": _TABLES,
    "rounds": (*_TABLES, "rounds"),
    "alone": _TABLES,
    "greedy": ("lazy",),
    "enumeration": ("triple",),
    "continuous": ("steps",),
    "ilp": ("time_limit",),
}


def _run(
    network: Network, algorithm: str, seed: int, progress: Callable[[int], object] | None, given: Mapping[str, Any]
) -> tuple[Held, str | None]:
    """Return (placement, who says that it is optimal)."""
    plain = {name: value for name, value in given.items() if name in _TABLES}
    if algorithm == "local":
        return empty(network), None
    if algorithm == "random":
        return baselines.at_random(network, seed=seed), None
    if algorithm == "popularity":
        return baselines.by_popularity(network), None
    if algorithm == "layer-popularity":
        return baselines.by_layer(network), None
    if algorithm == "greedy":
        return greedy(network, **given), None
    if algorithm == "enumeration":
        return enumeration(network, progress=progress, **given), None
    if algorithm == "continuous":
        return continuous(network, progress=progress, **given), None
    if algorithm == "exhaustive":
        return exhaustive(network, progress), "exhaustive"
    if algorithm == "ilp":
        held, proved = integer_program(network, **given)
        return held, "HiGHS" if proved else None
    if algorithm == "alone":
        return successive(network.alone(), progress=progress, **plain), None
    held = successive(network, progress=progress, **plain)
    if algorithm in ("rounds", "best"):
        held = improve(network, held, progress=progress, **given)
    if algorithm == "best":
        starts = [successive(network.alone(), **plain)] if network.largest_k > 1 else []
        if network.largest_k == 1 or len(network.activations.members) * len(network.servers) <= GREEDY:
            starts.append(greedy(network))
        work = len(network.activations.members) * len(network.servers) ** 2
        if network.largest_k == 1 and len(set(network.sizes.tolist())) == 1 and work <= CONTINUOUS:
            starts.append(continuous(network))
        held = min([held, *(improve(network, s, **given) for s in starts)], key=lambda h: cost(network, h))
    return held, None


@kinds()
def storage_curve(
    network: Network,
    storages: Sequence[int],
    algorithm: str = "best",
    *,
    bound: str = "auto",
    progress: Callable[[int], object] | None = None,
    **parameters: Any,
) -> list[Placement]:
    """Return a placement for each storage (bytes of every server), with bounds: what each unit of storage buys."""
    found = []
    for n, size in enumerate(storages):
        one = integer(f"storages[{n}]", size, 0)
        found.append(place(network, algorithm, storage=one, bound=bound, **parameters))
        if progress is not None:
            progress(n + 1)
    return found
