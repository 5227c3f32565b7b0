"""Networks as JSON files: strict, versioned, nothing allocated that the file does not spell out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..core import strict_json
from ..core.files import read_whole, write_atomic
from .links import trip_ns
from .network import FAR, MOST_CELLS, MOST_LINKS, MOST_PAGES, Activations, Network, NetworkError

__all__ = ["FORMAT", "VERSION", "from_document", "load_network", "save_network", "to_document"]

FORMAT = "layered-paging network"
VERSION = 1
LIMIT = 1 << 30  # bytes of a file
_TOP = {"format", "version", "experts", "expert_bytes", "servers", "users"}
_TOP_FREE = {"nonexpert_bytes", "token_bytes", "about"}
_USER = {"name", "cloud", "servers", "activations"}
_USER_FREE = {"top_k", "storage", "holds", "local_ns", "nonexpert_ns", "total"}


def load_network(path: str | Path) -> Network:
    """Read a network file.

    Raises
    ------
    NetworkError
        It cannot be read, is no network of this version, or breaks the model. The message names the file,
        and the user, server or layer.
    """
    data = read_whole(path, LIMIT, "network file", NetworkError)
    try:
        document = strict_json.parse(data)
    except ValueError as error:
        raise NetworkError(f"{path}: must be JSON; {' '.join(str(error).split())[:160]}") from None
    return from_document(document, str(path))


def save_network(network: Network, path: str | Path) -> None:
    """Write a network file, all of it or nothing."""
    write_atomic(path, json.dumps(to_document(network), separators=(",", ":"), allow_nan=False).encode() + b"\n")


def to_document(network: Network) -> dict[str, Any]:
    """Return the network as plain JSON values; ``from_document`` gives it back."""
    a = network.activations
    users = []
    layer_of = np.repeat(np.arange(network.layers), network.experts)
    bounds = np.searchsorted(a.user, np.arange(len(network.users) + 1))
    for m, name in enumerate(network.users):
        rows: list[list[Any]] = [[] for _ in range(network.layers)]
        for g in range(int(bounds[m]), int(bounds[m + 1])):
            rows[int(a.layer[g])].append([network.ids(g), int(a.count[g])])
        links = zip(network.servers, network.edge_ns[m].tolist(), strict=True)
        user: dict[str, Any] = {
            "name": name,
            "top_k": int(network.top_k[m]),
            "holds": [
                [int(layer_of[p]), int(p - network.first[layer_of[p]])] for p in np.flatnonzero(network.local[m])
            ],
            "local_ns": int(network.local_ns[m]),
            "nonexpert_ns": int(network.nonexpert_ns[m]),
            "cloud": int(network.cloud_ns[m]),
            "servers": {server: ns for server, ns in links if ns != FAR},
            "total": int(network.totals[m]),
            "activations": rows,
        }
        if network.user_storage is not None:
            user["storage"] = int(network.user_storage[m])
        users.append(user)
    sizes = set(network.sizes.tolist())
    return {
        "format": FORMAT,
        "version": VERSION,
        "experts": list(network.experts),
        "expert_bytes": sizes.pop() if len(sizes) == 1 else network.sizes.tolist(),
        "nonexpert_bytes": network.nonexpert_bytes,
        "servers": [
            {"name": name, "storage": int(size)} for name, size in zip(network.servers, network.storage, strict=True)
        ],
        "users": users,
    }


def from_document(document: Any, where: str = "network") -> Network:
    """Make a network of plain JSON values (the format is described in ``docs/how-to/placing.md``).

    Raises
    ------
    NetworkError
        As for ``load_network``; ``where`` starts the message.
    """
    try:
        return _read(document)
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None


def _read(document: Any) -> Network:
    top = _fields(document, "a network", _TOP, _TOP_FREE)
    if top["format"] != FORMAT or top["version"] != VERSION or isinstance(top["version"], bool):
        raise NetworkError(
            f"must have format {FORMAT!r}, version {VERSION}; got {str(top['format'])[:60]!r}, {str(top['version'])[:20]}"
        )
    experts = [_whole(f"layer {j}: experts", n, 1) for j, n in enumerate(_list("experts", top["experts"]))]
    if sum(experts) > MOST_PAGES:
        raise NetworkError(f"a network may have at most {MOST_PAGES} experts over all layers; got {sum(experts)}")
    first = [0]
    for n in experts:
        first.append(first[-1] + n)
    token = _whole("token_bytes", top["token_bytes"], 1) if "token_bytes" in top else None
    servers, storage = [], []
    for n, entry in enumerate(_list("servers", top["servers"])):
        server = _fields(entry, f"server {n}", {"name", "storage"}, set())
        servers.append(_name(f"server {n}", server["name"]))
        storage.append(_whole(f"server {servers[-1]!r}: storage", server["storage"], 0))
    at = {name: n for n, name in enumerate(servers)}
    entries = _list("users", top["users"])
    if len(entries) * len(servers) > MOST_LINKS or len(entries) * first[-1] > MOST_CELLS:
        raise NetworkError(f"{len(entries)} users, {len(servers)} servers and {first[-1]} experts are too many")
    columns: dict[str, list[Any]] = {
        name: [] for name in ("name", "cloud", "local_ns", "nonexpert_ns", "total", "top_k", "storage")
    }
    links = np.full((len(entries), len(servers)), FAR, np.int64)
    local: Any = np.zeros((len(entries), first[-1]), bool)
    explicit = stored = 0
    groups: list[tuple[int, int, int, int]] = []
    members: list[int] = []
    for m, entry in enumerate(entries):
        user = _fields(entry, f"user {m}", _USER, _USER_FREE)
        name = _name(f"user {m}", user["name"])
        who = f"user {name!r}"
        columns["name"].append(name)
        columns["cloud"].append(_link(f"{who}, cloud", user["cloud"], token))
        columns["local_ns"].append(_whole(f"{who}: local_ns", user.get("local_ns", 0), 0))
        columns["nonexpert_ns"].append(_whole(f"{who}: nonexpert_ns", user.get("nonexpert_ns", 0), 0))
        columns["storage"].append(_whole(f"{who}: storage", user.get("storage", 0), 0))
        stored += "storage" in user
        for near, link in _fields(user["servers"], f"{who}: servers", set(), None).items():
            if near not in at:
                raise NetworkError(f"{who}: no server is named {near[:60]!r}")
            links[m, at[near]] = _link(f"{who}, server {near!r}", link, token)
        if "holds" in user:
            explicit += 1
            for pair in _list(f"{who}: holds", user["holds"]):
                layer, expert = (_whole(f"{who}: holds", x, 0) for x in _list(f"{who}: holds", pair, 2))
                if layer >= len(experts) or expert >= experts[layer]:
                    raise NetworkError(f"{who}: holds layer {layer}, expert {expert}, which does not exist")
                local[m, first[layer] + expert] = True
        total, rows, largest = _activations(who, m, user, experts, first, members)
        columns["total"].append(total)
        columns["top_k"].append(_whole(f"{who}: top_k", user.get("top_k", largest), 1))
        groups += rows
    if explicit not in (0, len(entries)) or stored not in (0, len(entries)):
        raise NetworkError("'holds' and 'storage' must be given for every user or for none")
    table = np.array([row[:2] for row in groups], np.int64).reshape(-1, 2)
    try:
        counts = np.array([row[3] for row in groups], np.int64)
    except OverflowError:
        raise NetworkError("the counts must sum to less than 2^61 over all users and layers") from None
    starts = np.concatenate(([0], np.cumsum([row[2] for row in groups]))).astype(np.int64)
    return Network(
        experts=experts,
        expert_bytes=top["expert_bytes"],
        storage=np.array(storage, object).astype(np.int64) if max(storage, default=0) < 1 << 62 else storage,
        edge_ns=links,
        cloud_ns=columns["cloud"],
        activations=Activations(table[:, 0], table[:, 1], starts, np.array(members, np.int64), counts),
        totals=columns["total"],
        local=local if explicit else None,
        local_ns=columns["local_ns"],
        nonexpert_ns=columns["nonexpert_ns"],
        user_storage=columns["storage"] if stored else None,
        nonexpert_bytes=top.get("nonexpert_bytes", 0),
        users=columns["name"],
        servers=servers,
        top_k=columns["top_k"],
    )


def _activations(
    who: str, m: int, user: Mapping[str, Any], experts: list[int], first: list[int], members: list[int]
) -> tuple[int, list[tuple[int, int, int, int]], int]:
    """Read a user's groups: (total, rows of user, layer, members and count, most members); shares become counts."""
    layers = _list(f"{who}: activations", user["activations"])
    if len(layers) != len(experts):
        raise NetworkError(
            f"{who}: activations must have one list for each of {len(experts)} layers; got {len(layers)}"
        )
    found: list[tuple[int, int, Fraction]] = []
    for layer, rows in enumerate(layers):
        here = f"{who}, layer {layer}"
        for row in _list(here, rows):
            ids, count = _list(f"{here}: a group must be [[experts], count], and", row, 2)
            names = [_whole(f"{here}: an expert", e, 0) for e in _list(here, ids)]
            for e in names:
                if e >= experts[layer]:
                    raise NetworkError(f"{here}: experts must be in 0..{experts[layer] - 1}; got {e}")
            members += [first[layer] + e for e in names]
            found.append((layer, len(names), _share(here, count)))
    total = _share(who, user.get("total", 1))
    common = np.lcm.reduce([f.denominator for _, _, f in found] + [total.denominator], dtype=object)
    rows_ = [(m, layer, width, int(share * common)) for layer, width, share in found]
    return int(total * common), rows_, max((width for _, width, _ in found), default=1)


def _share(where: str, value: Any) -> Fraction:
    """Read an int, or text such as "1/4" or "0.25", above 0."""
    made = None
    if isinstance(value, int) and not isinstance(value, bool):
        made = Fraction(value)
    elif isinstance(value, str) and len(value) <= 40 and "e" not in value.lower():
        try:
            made = Fraction(value)
        except (ValueError, ZeroDivisionError):
            made = None
    if made is None or made <= 0:
        raise NetworkError(
            f"{where}: a count or share must be a positive integer, or text such as '1/4' or '0.25'; got {str(value)[:60]!r}"
        )
    return made


def _link(where: str, value: Any, token: int | None) -> int:
    if not isinstance(value, dict):
        return _whole(f"{where}: the latency in ns", value, 1)
    link = _fields(value, where, {"up_bps", "down_bps"}, {"extra_ns"})
    if token is None:
        raise NetworkError(f"{where}: a link given by rates needs 'token_bytes', the bytes of a hidden state")
    up, down = (_whole(f"{where}: {key}", link[key], 1) for key in ("up_bps", "down_bps"))
    return trip_ns(token, up, down, _whole(f"{where}: extra_ns", link.get("extra_ns", 0), 0))


def _fields(value: Any, where: str, needed: set[str], free: set[str] | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NetworkError(f"{where} must be an object; got {type(value).__name__}")
    missing = sorted(needed - value.keys())
    if missing:
        raise NetworkError(f"{where}: lacks {', '.join(map(repr, missing))}")
    unknown = sorted(value.keys() - needed - free) if free is not None else []
    if unknown:
        raise NetworkError(
            f"{where}: unknown {unknown[0][:60]!r}; known: {', '.join(sorted(needed | (free or set())))}"
        )
    return value


def _list(where: str, value: Any, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (length is not None and len(value) != length):
        size = "" if length is None else f" of {length}"
        raise NetworkError(f"{where}: must be a list{size}; got {str(value)[:60]}")
    return value


def _whole(where: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 1 << 62:
        raise NetworkError(f"{where} must be an integer of at least {least}; got {str(value)[:60]}")
    return value


def _name(where: str, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise NetworkError(f"{where}: 'name' must be text of 1 to 200 characters; got {str(value)[:60]!r}")
    return value
