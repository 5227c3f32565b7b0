"""The atlas: exact ratios of many policies and of the best possible ones, at all small sizes.

Rows are stored as they come, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..certificate import Certificate
from ..core.files import write_atomic
from ..errors import FormatError, LayeredPagingError

__all__ = ["BEST", "POLICIES", "RANDOMIZED", "fill", "jobs", "load", "page", "picture"]

BEST, RANDOMIZED = "best deterministic", "best randomized"
# policy -> the most pages at which it is worth its time
POLICIES = {
    "lru": 9, "fifo": 8, "clock": 8, "fwf": 9, "mark-far": 9, "llru": 9, "llru(same_layer='near')": 9,
    "llru(rounds='absolute')": 9, "llru(rounds='absolute', same_layer='near')": 9, "least-stale": 8, "lifo": 8,
    "slru": 6, "sieve": 6, "lru-2": 5, "marking": 6, BEST: 10, RANDOMIZED: 8,
}  # fmt: skip
SHIPPED = (BEST, RANDOMIZED, "lru", "llru", "mark-far")
SHIPPED_BYTES = 8_000
DRAWN = {"lru": "o-", "llru": "s-", "mark-far": "^-", BEST: "k.-", RANDOMIZED: "kx--"}

Row = dict[str, Any]


def jobs(pages: int, policies: Iterable[str] = tuple(POLICIES)) -> list[Row]:
    """Return what an atlas of up to ``pages`` pages holds, small sizes first.

    Examples
    --------
    >>> len(jobs(4, ["lru"]))
    9
    """
    out = []
    for total in range(2, pages + 1):
        for layers in range(1, total // 2 + 1):
            if total % layers == 0:
                for slots in range(1, total):
                    for policy in policies:
                        if total <= POLICIES.get(policy, pages):
                            out.append({"layers": layers, "experts": total // layers, "slots": slots, "policy": policy})
    return out


def load(folder: str | Path) -> list[Row]:
    """Return the rows stored in a folder, none if there is no table yet.

    Raises
    ------
    FormatError
        The table is not what ``fill`` writes.
    """
    path = Path(folder) / "table.json"
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_bytes())["rows"]
        if not all(isinstance(row["policy"], str) and isinstance(row["slots"], int) for row in rows):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise FormatError(f"{path}: must hold an object with rows, as the atlas writes it") from None
    return list(rows)


def fill(
    folder: str | Path,
    pages: int,
    *,
    policies: Iterable[str] = tuple(POLICIES),
    seconds: float = 20,
    workers: int = 1,
    tick: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> list[Row]:
    """Compute the rows that are missing, store each, and write the page ``README.md`` with its picture.

    Parameters
    ----------
    folder : path
        Of ``table.json``, the page, and the certificates of small sizes.
    pages : int
        Largest layers * experts.
    policies : names of policies, ``BEST`` and ``RANDOMIZED``
    seconds : float
        Time for each search of a randomized lower bound.
    workers : int
        Processes.
    tick : callable
        ``tick(done, total, what)``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = load(folder)
    have = {_key(row) for row in rows}
    todo = [job for job in jobs(pages, policies) if _key(job) not in have]
    for done, row in enumerate(_run(todo, folder, seconds, workers)):
        rows.append(row)
        tick(done + 1, len(todo), f"{row['policy']} at {_size(row)}")
        if done % 10 == 9 or done + 1 == len(todo):
            rows.sort(key=_order)
            text = ",\n".join(json.dumps(row) for row in rows)
            write_atomic(folder / "table.json", f'{{"rows": [\n{text}\n]}}\n'.encode())
    write_atomic(folder / "README.md", page(rows).encode())
    write_atomic(folder / "ratios.svg", picture(rows))
    return rows


def _run(todo: list[Row], folder: Path, seconds: float, workers: int) -> Iterable[Row]:
    if workers <= 1:
        yield from (_solve(job, str(folder), seconds) for job in todo)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for task in [pool.submit(_solve, job, str(folder), seconds) for job in todo]:
            yield task.result()


def _solve(job: Row, folder: str, seconds: float) -> Row:
    from .best import optimal_ratio
    from .given import competitive_ratio

    size = {key: job[key] for key in ("layers", "experts", "slots")}
    row = dict(job)
    result: Any
    try:
        if job["policy"] in (BEST, RANDOMIZED):
            result = optimal_ratio(**size, randomized=job["policy"] == RANDOMIZED, seconds=seconds)
            row |= {"lower": str(result.lower), "upper": None if result.upper is None else str(result.upper)}
        else:
            result = competitive_ratio(job["policy"], **size)
            value = "unbounded" if result.value is None else str(result.value)
            row |= {
                "lower": value,
                "upper": value,
                "additive": None if result.additive is None else str(result.additive),
            }
        row["nodes"] = result.nodes
    except LayeredPagingError as error:
        return row | {"error": str(error)}
    if job["policy"] in SHIPPED and size["layers"] * size["experts"] <= 6:
        row["certificate"] = _ship(result.certificate, row, folder)
    return row


def _ship(certificate: Certificate, row: Row, folder: str) -> str | None:
    name = f"{row['policy'].replace(' ', '-')}-{_size(row)}.json.gz"
    path = os.path.join(folder, name)
    certificate.save(path)
    if os.path.getsize(path) <= SHIPPED_BYTES:
        return name
    os.unlink(path)
    return None


def _size(row: Row) -> str:
    return f"{row['layers']}x{row['experts']}-{row['slots']}"


def _key(row: Row) -> tuple[Any, ...]:
    return row["layers"], row["experts"], row["slots"], row["policy"]


def _order(row: Row) -> tuple[Any, ...]:
    known = list(POLICIES)
    at = known.index(row["policy"]) if row["policy"] in known else len(known)
    return row["layers"] * row["experts"], row["layers"], row["slots"], at, row["policy"]


def page(rows: Iterable[Row]) -> str:
    """Return the table as a page: one line a size, one column a policy."""
    rows = sorted(rows, key=_order)
    cells = {_key(row): row for row in rows}
    columns = [name for name in POLICIES if any(row["policy"] == name for row in rows)]
    sizes = list(dict.fromkeys(_key(row)[:3] for row in rows))
    head = ["layers", "experts", "slots k", "k-l+1", "H_k", *columns]
    lines = [
        "# Atlas of exact ratios",
        "",
        "Generated by `layered-paging atlas`; every entry is exact. `inf` means unbounded, `a..b` a bracket, an empty",
        "place not computed. `k-l+1` is the lower bound for deterministic policies (k >= l, derived), `H_k` the classical",
        "upper bound for randomized ones. How the numbers are computed: [exact ratios](../explanation/exact-ratios.md);",
        "what they say: [findings](../findings/index.md). Certificates of small sizes lie beside this page:",
        "`layered-paging check docs/atlas/*.json.gz`.",
        "",
        "![ratios against slots](ratios.svg)",
        "",
        "| " + " | ".join(head) + " |",
        "|" + " ---: |" * len(head),
    ]
    for layers, experts, slots in sizes:
        below = str(slots - layers + 1) if slots >= layers else ""
        line = [str(layers), str(experts), str(slots), below, f"{sum(1 / i for i in range(1, slots + 1)):.3f}"]
        line += [_cell(cells.get((layers, experts, slots, name))) for name in columns]
        lines.append("| " + " | ".join(line) + " |")
    return "\n".join(lines) + "\n"


def picture(rows: Iterable[Row]) -> bytes:
    """Return an SVG of ratios against slots, one panel for each of the largest layered sizes."""
    import io

    import matplotlib
    from matplotlib.figure import Figure

    kept = [row for row in rows if row["policy"] in DRAWN and "error" not in row]
    sizes = sorted(
        {(row["layers"], row["experts"]) for row in kept if row["policy"] == "lru"}, key=lambda s: (-s[0] * s[1], s)
    )
    sizes = ([s for s in sizes if s[0] > 1] or sizes)[:3]
    figure = Figure(figsize=(4 * max(1, len(sizes)), 3.4), layout="constrained")
    for at, (layers, experts) in enumerate(sizes):
        axes = figure.add_subplot(1, len(sizes), at + 1)
        for name, mark in DRAWN.items():
            points = sorted(
                (row["slots"], float(Fraction(row["upper"])))
                for row in kept
                if (row["layers"], row["experts"], row["policy"]) == (layers, experts, name)
                and row["upper"] not in (None, "unbounded")
            )
            axes.plot([k for k, _ in points], [r for _, r in points], mark, label=name, markersize=4, linewidth=1)
        axes.set(
            title=f"{layers} layers of {experts} experts",
            xlabel="slots",
            ylabel="ratio (upper bound)" if at == 0 else None,
        )
        axes.legend(fontsize=7)
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "atlas", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _cell(row: Row | None) -> str:
    if row is None or "error" in row:
        return ""
    shown = row["lower"] if row["lower"] == row["upper"] else f"{row['lower']}..{row['upper'] or ''}"
    return shown.replace("unbounded", "inf")
