"""Logs of others for tests: routings, and the ways to write their rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import layered_paging as lp


def saved(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    return saved(path, "".join(json.dumps(row) + "\n" for row in rows))


def assumed(trace: lp.Trace) -> dict[str, str]:
    return {note["about"]: note["taken"] for note in trace.meta.get("assumed", [])}


@st.composite
def routings(draw: Any) -> tuple[lp.Trace, list[str]]:
    """A trace with events missing, at least one request in each round, and names of its requests."""
    rounds, layers, top = draw(st.integers(1, 8)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    experts = draw(st.integers(top, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    ids = np.stack([[random.permutation(experts)[:top] for _ in range(layers)] for _ in range(rounds)])
    ids[random.random((rounds, layers)) < draw(st.sampled_from([0.0, 0.3]))] = -1
    ids[:, 0] = [random.permutation(experts)[:top] for _ in range(rounds)]
    ids[0, 0, 0] = 0
    ids[0, 0, 1:] = random.permutation(np.arange(1, experts))[: top - 1]
    sessions = sorted({0, *draw(st.lists(st.integers(0, rounds - 1), max_size=3))})
    stage = draw(st.lists(st.integers(0, 1), min_size=rounds, max_size=rounds))
    return lp.Trace(ids, experts, sessions, stage), draw(st.sampled_from(["number", "word"]))


def rows_of(trace: lp.Trace, kind: str) -> list[dict[str, Any]]:
    number = np.searchsorted(trace.sessions, np.arange(trace.rounds), side="right") - 1
    rows = []
    for r in range(trace.rounds):
        s = int(number[r])
        for j in range(trace.layers):
            event = [int(e) for e in trace.experts[r, j] if e >= 0]
            if event:
                name = s if kind == "number" else f"req-{s}"
                rows.append({"request_id": name, "token": 10 + r, "layer": 3 + 2 * j, "experts": event, "phase": ["prefill", "decode"][trace.stage[r]]})  # fmt: skip
    return rows


def table(rows: list[dict[str, Any]], style: str) -> bytes:
    """Write rows as a table: lists in one field, or one row an expert with its rank."""
    out = io.StringIO()
    if style == "ranked":
        names = ["request_id", "token", "layer", "rank", "expert", "phase"]
        flat = [{**row, "rank": q, "expert": e} for row in rows for q, e in enumerate(row["experts"])]
    else:
        names, flat = ["request_id", "token", "layer", "experts", "phase"], rows
    write = csv.DictWriter(out, names, extrasaction="ignore", delimiter="\t" if style == "tsv" else ",")
    write.writeheader()
    for row in flat:
        write.writerow({**row, "experts": " ".join(map(str, row["experts"])) if style == "spaces" else row["experts"]})
    return out.getvalue().encode()


def documents(rows: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    lines = [json.dumps(row) for row in rows]
    yield "lines", "\n".join(lines).encode() + b"\n"
    yield "marked", b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n\r\n"
    yield "list", json.dumps(rows, indent=1).encode()
    yield "object", json.dumps({"model": "m", "records": rows}, indent=1).encode()
    yield "columns", json.dumps({name: [row[name] for row in rows] for name in rows[0]}).encode()
    for style in ("quoted", "spaces", "ranked", "tsv"):
        yield style, table(rows, style)
