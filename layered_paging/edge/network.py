"""The model: users, edge servers and a cloud, what links them, and which experts are activated together.

Every quantity is an integer: bytes, nanoseconds, counts.  ``docs/explanation/edge.md`` states the model with every
symbol; ``documents`` reads and writes it as JSON, ``generate`` makes seeded ones.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.instance import integer
from ..errors import LayeredPagingError, ParameterError

__all__ = ["FAR", "Activations", "Network", "NetworkError"]

Ints = npt.NDArray[np.int64]

FAR = 1 << 60  # nanoseconds to a server out of reach
LONGEST = 10**15  # nanoseconds of any one latency: eleven days
SAFE = 1 << 61  # sums below this cannot overflow
MOST_PAGES = 1 << 20
MOST_CELLS = 1 << 26  # users x pages, servers x pages
MOST_LINKS = 1 << 25  # users x servers


class NetworkError(LayeredPagingError, ValueError):
    """A network breaks the model; the message names the user, server or layer."""


def _kept(array: Ints) -> Ints:
    array.flags.writeable = False
    return array


@dataclass(frozen=True)
class Activations:
    """Which experts are activated together, how often; one row a group (an *event* of that kind).

    Attributes
    ----------
    user, layer : int arrays, shape (groups,)
        Ascending by user, then layer.
    start : int array, shape (groups + 1,)
        Group g has the members ``members[start[g]:start[g + 1]]``, at least one.
    members : int array
        Page numbers, distinct within a group, all of the group's layer.
    count : int array, shape (groups,)
        At least 1; the counts of a user's layer sum to the user's total.
    """

    user: Ints
    layer: Ints
    start: Ints
    members: Ints
    count: Ints

    @property
    def groups(self) -> int:
        """Number of rows."""
        return len(self.count)

    @cached_property
    def lengths(self) -> Ints:
        """Members of each row."""
        return np.diff(self.start)

    @cached_property
    def owner(self) -> Ints:
        """Row of each member."""
        return _kept(np.repeat(np.arange(self.groups), self.lengths))

    @cached_property
    def users(self) -> Ints:
        """User of each member."""
        return _kept(np.repeat(self.user, self.lengths))

    @cached_property
    def largest(self) -> int:
        """The most members of any row."""
        return int(self.lengths.max())

    def singles(self) -> Activations:
        """Return the same activations with every member of a group as a group of its own."""
        return Activations(
            self.user[self.owner],
            self.layer[self.owner],
            np.arange(len(self.members) + 1, dtype=np.int64),
            self.members,
            self.count[self.owner],
        )


class Network:
    """Users, edge servers, a cloud, and what the users activate.

    Parameters
    ----------
    experts : sequence of int
        Experts of each layer, at least 1.
    expert_bytes : int or sequence of int
        Bytes of one expert: for all, one per layer, or one per page; each at least 1.
    storage : sequence of int
        Bytes that each server has for experts, at least 0.
    edge_ns : int array, shape (users, servers)
        Nanoseconds from sending a hidden state to a server until the result is back, at least 1.
        ``FAR`` where the user does not reach the server.
    cloud_ns, local_ns, nonexpert_ns : int or sequence of int
        For each user: the same for the cloud, at least 1.  Of an expert that the user holds, at least 0.
        Of the non-expert parts of one token, at least 0.
    activations : Activations
    totals : int or sequence of int
        What the counts of each layer of a user sum to, at least 1.
    local : bool array, optional
        What each user holds, shape (users, pages).  Default: the user's most frequent experts that fit ``user_storage``.
    user_storage : int or sequence of int
        Bytes that each user has for its non-expert part and experts.  Default: 0, and no check.
    nonexpert_bytes : int
        Bytes of the non-expert part, which every user holds.
    users, servers : sequence of str, optional
        Names.

    Raises
    ------
    NetworkError
        Something breaks a rule above, in particular: storage that is infeasible, a user that reaches
        nothing, counts that do not sum to the total, a size of 0. Numbers too large for exact sums.

    Notes
    -----
    ``scale`` is the least common multiple of the totals and ``weight = count * scale / total``.  So the *cost* of a
    placement, the sum of weight times latency, is an integer.  The mean latency of a token is ``cost / (scale * users)``
    nanoseconds, plus the mean of ``nonexpert_ns``.
    """

    def __init__(
        self,
        *,
        experts: Sequence[int],
        expert_bytes: Any,
        storage: Any,
        edge_ns: Any,
        cloud_ns: Any,
        activations: Activations,
        totals: Any = 1,
        local: Any = None,
        local_ns: Any = 0,
        nonexpert_ns: Any = 0,
        user_storage: Any = None,
        nonexpert_bytes: int = 0,
        users: Sequence[str] | None = None,
        servers: Sequence[str] | None = None,
        top_k: Any = None,
    ) -> None:
        self.experts = tuple(_int(f"layer {j}: experts", n, 1) for j, n in enumerate(experts))
        if not self.experts:
            raise NetworkError("a network must have at least one layer; got none")
        if sum(self.experts) > MOST_PAGES:
            raise NetworkError(
                f"a network may have at most {MOST_PAGES} experts over all layers; got {sum(self.experts)}"
            )
        self.first = np.concatenate(([0], np.cumsum(self.experts))).astype(np.int64)
        self.edge_ns = _matrix(edge_ns)
        m, n = self.edge_ns.shape
        if max(m, n) * self.pages > MOST_CELLS or m * n > MOST_LINKS:
            raise NetworkError(
                f"{m} users, {n} servers and {self.pages} experts are too many: at most {MOST_CELLS} pairs"
            )
        self.users = _names("user", users, m)
        self.servers = _names("server", servers, n)
        self.sizes = self._sizes(expert_bytes)
        self.storage = _vector("server", self.servers, "storage", storage, 0, SAFE)
        self.cloud_ns = _vector("user", self.users, "cloud_ns", cloud_ns, 1, LONGEST)
        self.local_ns = _vector("user", self.users, "local_ns", local_ns, 0, LONGEST)
        self.nonexpert_ns = _vector("user", self.users, "nonexpert_ns", nonexpert_ns, 0, LONGEST)
        self.totals = _vector("user", self.users, "total", totals, 1, SAFE)
        self.nonexpert_bytes = _int("nonexpert_bytes", nonexpert_bytes, 0)
        self._links()
        self.activations = activations
        self._activations(top_k)
        self._weights()
        self.user_storage = None
        if user_storage is not None:
            self.user_storage = _vector("user", self.users, "storage", user_storage, 0, SAFE)
            short = np.flatnonzero(self.user_storage < self.nonexpert_bytes)
            if short.size:
                raise NetworkError(
                    f"user {self.users[short[0]]!r}: storage must hold the non-expert part of {self.nonexpert_bytes} "
                    f"bytes; got {self.user_storage[short[0]]}"
                )
        self.local = self._local(local)
        for array in (self.edge_ns, self.sizes, self.storage, self.cloud_ns, self.local_ns, self.local, self.weight):
            array.flags.writeable = False

    @property
    def pages(self) -> int:
        """Experts over all layers; page number = experts of lower layers + expert."""
        return int(self.first[-1])

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.experts)

    @property
    def largest_k(self) -> int:
        """The most members of any group."""
        return self.activations.largest

    def name_of(self, page: int) -> str:
        """Return ``layer j, expert e``."""
        layer = int(np.searchsorted(self.first, page, side="right")) - 1
        return f"layer {layer}, expert {page - int(self.first[layer])}"

    def base(self) -> Ints:
        """Return each member's latency without any server, as long as ``activations.members``."""
        slot = self.activations.users
        held = self.local[slot, self.activations.members]
        cloud = self.cloud_ns[slot]
        return np.where(held, np.minimum(self.local_ns[slot], cloud), cloud)

    def slot_user(self) -> Ints:
        """Return the user of each entry of ``activations.members``."""
        return self.activations.users

    def mean(self, cost: int) -> Fraction:
        """Return the mean latency of a token, in nanoseconds, for a cost."""
        fixed = Fraction(int(self.nonexpert_ns.sum()), len(self.users))
        return Fraction(cost, self.scale * len(self.users)) + fixed

    def with_storage(self, storage: Any) -> Network:
        """Return this network with other storage at its servers: one number of bytes, or one a server."""
        copy = object.__new__(Network)
        copy.__dict__.update(self.__dict__)
        copy.storage = _vector("server", self.servers, "storage", storage, 0, SAFE)
        return copy

    def alone(self) -> Network:
        """Return this network with every member of a group as an event of its own."""
        copy = object.__new__(Network)
        copy.__dict__.update(self.__dict__)
        copy.activations = self.activations.singles()
        copy.weight = self.weight[self.activations.owner]
        return copy

    def digest(self) -> str:
        """Return the SHA-256 of everything that a latency depends on."""
        sha = hashlib.sha256(repr((self.experts, len(self.users), len(self.servers), self.scale)).encode())
        a = self.activations
        for array in (self.sizes, self.storage, self.edge_ns, self.cloud_ns, self.local_ns, self.nonexpert_ns):
            sha.update(array.astype("<i8").tobytes())
        for array in (a.user, a.layer, a.start, a.members, self.weight):
            sha.update(array.astype("<i8").tobytes())
        sha.update(np.packbits(self.local).tobytes())
        return "sha256:" + sha.hexdigest()

    def __repr__(self) -> str:
        widths = self.experts[0] if len(set(self.experts)) == 1 else list(self.experts)
        return (
            f"<Network: {len(self.users)} users, {len(self.servers)} servers, {self.layers} layers x {widths} experts, "
            f"top {self.largest_k}>"
        )

    # validation

    def _sizes(self, given: Any) -> Ints:
        array = np.atleast_1d(_array("expert_bytes", given))
        if len(array) == 1:
            array = np.repeat(array, self.pages)
        elif len(array) == self.layers and self.layers != self.pages:
            array = np.repeat(array, self.experts)
        if len(array) != self.pages:
            raise NetworkError(
                f"expert_bytes must be one int, one for each of {self.layers} layers or of {self.pages} experts; got {len(array)}"
            )
        wrong = np.flatnonzero((array < 1) | (array > SAFE // self.pages))
        if wrong.size:
            raise NetworkError(
                f"{self.name_of(int(wrong[0]))}: bytes must be at least 1 and sum to less than 2^61; got {array[wrong[0]]}"
            )
        return array

    def _links(self) -> None:
        far = self.edge_ns == FAR
        wrong = np.argwhere(~far & ((self.edge_ns < 1) | (self.edge_ns > LONGEST)))
        if len(wrong):
            m, n = (int(x) for x in wrong[0])
            raise NetworkError(
                f"user {self.users[m]!r}, server {self.servers[n]!r}: the latency must be 1 to {LONGEST} ns; got {self.edge_ns[m, n]}"
            )
        lost = np.flatnonzero(far.all(axis=1))
        if lost.size and len(self.servers):
            raise NetworkError(f"user {self.users[lost[0]]!r}: out of reach of every server; must reach at least one")

    def _activations(self, top_k: Any) -> None:
        a = self.activations
        if not a.groups:
            raise NetworkError(f"user {self.users[0]!r}, layer 0: must have activations; got none")
        lengths = a.lengths
        key = a.user * self.layers + a.layer
        shape = len(a.user) == len(a.layer) == a.groups == len(a.start) - 1 and a.start[0] == 0
        inside = shape and (a.user >= 0).all() and (a.user < len(self.users)).all()
        inside = inside and (a.layer >= 0).all() and (a.layer < self.layers).all()
        if not inside or a.start[-1] != len(a.members) or (np.diff(key) < 0).any():
            raise NetworkError("activations must list users and layers in ascending order, with members for each group")

        def where(g: int) -> str:
            return f"user {self.users[int(a.user[g])]!r}, layer {int(a.layer[g])}"

        empty = np.flatnonzero(lengths < 1)
        if empty.size:
            raise NetworkError(f"{where(int(empty[0]))}: a group must name at least one expert; got none")
        owner = a.owner
        wrong = np.flatnonzero((a.members < self.first[a.layer[owner]]) | (a.members >= self.first[a.layer[owner] + 1]))
        if wrong.size:
            g = int(owner[wrong[0]])
            expert = int(a.members[wrong[0]] - self.first[a.layer[g]])
            raise NetworkError(f"{where(g)}: experts must be in 0..{self.experts[int(a.layer[g])] - 1}; got {expert}")
        order = np.lexsort((a.members, owner))
        twice = np.flatnonzero((np.diff(owner[order]) == 0) & (np.diff(a.members[order]) == 0))
        if twice.size:
            g = int(owner[order][twice[0]])
            raise NetworkError(f"{where(g)}: the experts of a group must be distinct; got {self.ids(g)}")
        few = np.flatnonzero(a.count < 1)
        if few.size:
            raise NetworkError(f"{where(int(few[0]))}: a count must be at least 1; got {int(a.count[few[0]])}")
        self.top_k = np.ones(len(self.users), np.int64)
        np.maximum.at(self.top_k, a.user, lengths)
        if top_k is not None:
            declared = _vector("user", self.users, "top_k", top_k, 1, self.pages)
            over = np.flatnonzero(lengths > declared[a.user])
            if over.size:
                g = int(over[0])
                raise NetworkError(
                    f"{where(g)}: a group may name at most top_k = {int(declared[a.user[g]])} experts; got {self.ids(g)}"
                )
            self.top_k = declared

    def ids(self, group: int) -> list[int]:
        """Return the expert numbers of a group within its layer."""
        a = self.activations
        return [int(p - self.first[a.layer[group]]) for p in a.members[a.start[group] : a.start[group + 1]]]

    def _weights(self) -> None:
        a = self.activations
        if sum(int(c) for c in a.count) > SAFE:  # then the sums below are exact
            raise NetworkError("the counts must sum to less than 2^61 over all users and layers")
        sums = np.zeros((len(self.users), self.layers), np.int64)
        np.add.at(sums, (a.user, a.layer), a.count)
        wrong = np.argwhere(sums != self.totals[:, None])
        if len(wrong):
            m, j = (int(x) for x in wrong[0])
            raise NetworkError(
                f"user {self.users[m]!r}, layer {j}: the activations must sum to one; the counts sum to "
                f"{int(sums[m, j])} of {int(self.totals[m])}"
            )
        self.scale = math.lcm(*set(self.totals.tolist()))
        worst = int(self.cloud_ns.max()) * self.layers * len(self.users) * self.scale * max(1, self.largest_k)
        if worst > SAFE:
            raise NetworkError(
                f"the totals of the users have the least common multiple {self.scale}, too large for exact sums "
                f"(cost up to {worst}): give every user the same total (of a trace: so many tokens each)"
            )
        self.weight: Ints = a.count * (self.scale // self.totals)[a.user]

    def _local(self, given: Any) -> npt.NDArray[np.bool_]:
        shape = (len(self.users), self.pages)
        if given is None:
            held = np.zeros(shape, bool)
            if self.user_storage is not None:
                room = self.user_storage - self.nonexpert_bytes
                for m in np.flatnonzero(room > 0).tolist():
                    held[m] = self._frequent(m, int(room[m]))
            return held
        held = np.array(given, dtype=bool)
        if held.shape != shape:
            raise NetworkError(f"local must have shape {shape}; got {held.shape}")
        if self.user_storage is not None:
            used = held @ self.sizes + self.nonexpert_bytes
            over = np.flatnonzero(used > self.user_storage)
            if over.size:
                m = int(over[0])
                raise NetworkError(
                    f"user {self.users[m]!r}: non-expert part and experts take {int(used[m])} bytes, more than the storage "
                    f"of {int(self.user_storage[m])}"
                )
        return held

    def frequency(self, users: Any = None) -> Ints:
        """Return the weight with which each page is activated, over all users or those of a bool mask."""
        a = self.activations
        owner = a.owner
        counts = np.zeros(self.pages, np.int64)
        weight = self.weight if users is None else self.weight * np.asarray(users)[a.user]
        np.add.at(counts, a.members, weight[owner])
        return counts

    def _frequent(self, user: int, room: int) -> npt.NDArray[np.bool_]:
        """Return the experts a user keeps: by uses per byte, ties to the lowest page, each that still fits."""
        a = self.activations
        low, high = np.searchsorted(a.user, [user, user + 1])
        part = slice(int(a.start[low]), int(a.start[high]))
        owner = np.repeat(np.arange(low, high), np.diff(a.start[low : high + 1]))
        counts = np.zeros(self.pages, np.int64)
        np.add.at(counts, a.members[part], a.count[owner])
        return fill(counts, self.sizes, room, np.flatnonzero(counts))


def fill(worth: Ints, sizes: Ints, room: int, pages: Ints) -> npt.NDArray[np.bool_]:
    """Take pages by worth per byte, ties to the lowest page, each that still fits; a bool array over all pages."""
    held = np.zeros(len(sizes), bool)
    if len(set(sizes[pages].tolist())) <= 1:
        order = pages[np.argsort(-worth[pages], kind="stable")]
    else:
        order = np.array(
            sorted(pages.tolist(), key=lambda p: (-Fraction(int(worth[p]), int(sizes[p])), p)), dtype=np.int64
        )
    for page in order.tolist():
        if sizes[page] <= room:
            room -= int(sizes[page])
            held[page] = True
    return held


def _int(name: str, value: Any, least: int) -> int:
    try:
        return integer(name, value, least)
    except ParameterError as error:
        raise NetworkError(str(error)) from None


def _array(name: str, values: Any) -> Ints:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "iu" and array.size:
            raise ValueError
        if array.dtype.kind == "u" and array.size and int(array.max()) > SAFE:
            raise OverflowError
        return np.array(array, dtype=np.int64)
    except (OverflowError, TypeError, ValueError):
        raise NetworkError(f"{name} must be integers below 2^61") from None


def _matrix(values: Any) -> Ints:
    array = _array("edge_ns", values)
    if array.ndim != 2 or array.shape[0] < 1:
        raise NetworkError(f"edge_ns must have shape (users, servers) with at least one user; got {array.shape}")
    return array


def _vector(kind: str, names: Sequence[str], what: str, values: Any, least: int, most: int) -> Ints:
    array = _array(f"{what} of the {kind}s", values)
    if array.ndim == 0:
        array = np.repeat(array, len(names))
    if array.shape != (len(names),):
        raise NetworkError(
            f"{what} must be one int, or one for each of the {len(names)} {kind}s; got shape {array.shape}"
        )
    wrong = np.flatnonzero((array < least) | (array > most))
    if wrong.size:
        at = int(wrong[0])
        raise NetworkError(f"{kind} {names[at]!r}: {what} must be in {least}..{most}; got {int(array[at])}")
    return array


def _names(kind: str, given: Sequence[str] | None, number: int) -> tuple[str, ...]:
    names = tuple(f"{kind}{n}" for n in range(number)) if given is None else tuple(given)
    if len(names) != number:
        raise NetworkError(f"{kind}s must have {number} names; got {len(names)}")
    if not all(isinstance(name, str) and 0 < len(name) <= 200 for name in names):
        raise NetworkError(f"the name of a {kind} must be text of 1 to 200 characters")
    if len(set(names)) < number:
        twice = next(name for name in names if names.count(name) > 1)
        raise NetworkError(f"{kind} {twice!r}: names must differ; this one is given twice")
    return names
