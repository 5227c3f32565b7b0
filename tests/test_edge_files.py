"""Networks in files: they come back, and what breaks the format is refused in one line."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from layered_paging import edge
from layered_paging.edge import Network, NetworkError, place
from tests.test_edge import networks


@given(networks(top_k=3, servers=3))
def test_documents_come_back(net: Network) -> None:
    document = json.loads(json.dumps(edge.documents.to_document(net)))
    again = edge.documents.from_document(document)
    assert again.digest() == net.digest()
    assert edge.documents.to_document(again) == document


DOCUMENT: dict[str, Any] = {
    "format": "layered-paging network",
    "version": 1,
    "experts": [2],
    "expert_bytes": 10,
    "token_bytes": 1000,
    "servers": [{"name": "a", "storage": 10}],
    "users": [
        {
            "name": "u",
            "cloud": {"up_bps": 8_000_000, "down_bps": 8_000_000, "extra_ns": 5},
            "servers": {"a": 10},
            "activations": [[[[0], "0.25"], [[0, 1], "3/4"]]],
        }
    ],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the document with one value replaced, or taken away for ``...``."""
    document: Any = json.loads(json.dumps(DOCUMENT))
    at = document
    *way, last = [int(w) if w.isdigit() else w for w in path.split("/")]
    for word in way:
        at = at[word]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return dict(document)


def test_rates_and_shares() -> None:
    net = edge.documents.from_document(DOCUMENT)
    assert net.cloud_ns.tolist() == [2 * 10**6 + 5]
    assert net.totals.tolist() == [4] and net.activations.count.tolist() == [1, 3]
    assert place(net, "exhaustive").latency == Fraction(1, 4) * 10 + Fraction(3, 4) * (2 * 10**6 + 5)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("format", "x", "must have format 'layered-paging network', version 1"),
        ("version", 2, "version 1"),
        ("servers", ..., "lacks 'servers'"),
        ("other", 1, "unknown 'other'"),
        ("experts", [10**12], "at most 1048576 experts"),
        ("experts", 5, "experts: must be a list"),
        ("expert_bytes", 0, "layer 0, expert 0: bytes must be at least 1"),
        ("expert_bytes", "x", "must be integers"),
        ("servers/0/storage", -1, "server 'a': storage must be an integer of at least 0"),
        ("servers/0/name", "", "'name' must be text"),
        ("users/0/servers", {}, "user 'u': out of reach of every server"),
        ("users/0/servers", {"b": 1}, "user 'u': no server is named 'b'"),
        ("users/0/servers/a", 0, "user 'u', server 'a': the latency in ns must be an integer of at least 1"),
        ("users/0/servers/a", {"up_bps": 0, "down_bps": 1}, "up_bps must be an integer of at least 1"),
        ("token_bytes", ..., "needs 'token_bytes'"),
        ("users/0/activations/0/0/1", "0.2", "user 'u', layer 0: the activations must sum to one; the counts sum to 19 of 20"),
        ("users/0/activations/0/0/1", "1e999999999", "a count or share must be"),
        ("users/0/activations/0/0/1", "1/0", "a count or share must be"),
        ("users/0/activations/0/0/1", 0.25, "a count or share must be"),
        ("users/0/activations/0/0/1", True, "a count or share must be"),
        ("users/0/activations/0/0/0", [2], "user 'u', layer 0: experts must be in 0..1; got 2"),
        ("users/0/activations/0/1/0", [1, 1], "user 'u', layer 0: the experts of a group must be distinct"),
        ("users/0/activations", [], "user 'u': activations must have one list for each of 1 layers"),
        ("users/0/activations/0", [], "user 'u', layer 0: must have activations; got none"),
        ("users/0/holds", [[0, 5]], "user 'u': holds layer 0, expert 5, which does not exist"),
        ("users/0/holds", [[0]], "user 'u': holds: must be a list of 2"),
        ("users/0/storage", -3, "user 'u': storage must be an integer"),
        ("users/0/total", 10**30, "a count or share"),
        ("users", [], "users"),
    ],
)  # fmt: skip
def test_hostile_files(path: str, value: Any, said: str, tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    file.write_text(json.dumps(changed(path, value)))
    with pytest.raises(NetworkError) as caught:
        edge.load_network(file)
    message = str(caught.value)
    assert "net.json" in message and "\n" not in message and len(message) < 400
    if path != "users/0/total" and path != "users":
        assert said in message, message


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "null", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, "\xff", "1" * 5000]
)
def test_files_that_are_no_networks(text: str, tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(NetworkError, match=r"net\.json"):
        edge.load_network(file)
    with pytest.raises(NetworkError, match="cannot be read"):
        edge.load_network(tmp_path / "none.json")


def test_a_small_file_cannot_ask_for_much_memory() -> None:
    user = {"cloud": 5, "servers": {}, "activations": [[[[0], 1]]]}
    users = [{"name": f"u{n}", **user} for n in range(8000)]
    wide = {**DOCUMENT, "experts": [1 << 20], "users": users[:100], "servers": []}
    many = {**DOCUMENT, "users": users, "servers": [{"name": f"s{n}", "storage": 1} for n in range(8000)]}
    for document in (wide, many):
        with pytest.raises(NetworkError, match="are too many"):
            edge.documents.from_document(document)
