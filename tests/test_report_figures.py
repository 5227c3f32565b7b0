"""Every figure on the report is one that a command prints."""

from __future__ import annotations

import contextlib
import html
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layered_paging as lp
from layered_paging.cli import main

POLICIES = ["lru", "llru", "lfu", "fifo"]


def said(*words: object) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([str(word) for word in words]) == 0
    return out.getvalue()


def told(*words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(*words, "--json"))
    return found


def sizes_by_use(trace: lp.Trace, popular: int, others: int) -> Any:
    uses = np.bincount((trace.experts + trace.first_page[:, None]).ravel(), minlength=trace.pages)
    return np.where(uses > np.median(uses), popular, others)


def traces_of(kind: str) -> tuple[lp.Trace, list[object]]:
    base = lp.workloads.markov(4, 8, 120, top_k=2, stickiness=0.5, exponent=1.0, seed=3, sessions=4)
    stage = (np.arange(120) % 30 >= 12).astype(int)
    if kind == "slots":
        return lp.Trace(base.experts, 8, base.sessions, stage), ["--slots", 14, "--reset", "session"]
    if kind == "merged":
        return lp.Trace(base.experts, 8, base.sessions, stage), ["--slots", 14, "--prefill", "merged"]
    if kind == "one size":
        return lp.Trace(base.experts, 8, base.sessions, expert_bytes=1 << 20), ["--bytes", "14500kB"]
    large = sizes_by_use(base, 3 << 20, 1 << 20)
    return lp.Trace(base.experts, 8, base.sessions, expert_bytes=large), ["--bytes", "30MB", "--reset", "session"]


def tables(page: str) -> list[list[list[str]]]:
    found = []
    for table in re.findall(r"<table>(.*?)</table>", page, re.DOTALL):
        rows = re.findall(r"<tr.*?>(.*?)</tr>", table, re.DOTALL)
        found.append([[html.unescape(cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)] for row in rows])
    return found


@pytest.mark.parametrize("kind", ["slots", "merged", "one size", "sizes by popularity"])
def test_every_figure_is_printed_by_a_command(kind: str, tmp_path: Path) -> None:
    trace, budget = traces_of(kind)
    path, target = tmp_path / "t.npz", tmp_path / "r.html"
    lp.save_trace(trace, path)
    judged = ["--policy", "lru", "--against", *POLICIES]
    said("report", path, *budget, *judged, "-o", target)
    page = target.read_text()
    text = said("diagnose", path, *budget, *judged)
    sections = page.split("<section")[1:4]
    lines = [
        [html.unescape(line) for line in re.findall(r"<p.*?>(.*?)</p>", part.split("</section>")[0])]
        for part in sections
    ]
    replayed = told("replay", path, *budget, "--policy", *POLICIES, "--by", "session")
    runs = {run["policy"]: run for run in replayed["runs"]}
    # sentences: the verdict and the advice are those of diagnose, the last answer is that of plan
    folded = page.split("in words</h3></summary>")[1].split("</details>")[0]
    words = [html.unescape(line) for line in re.findall(r"<p>(.*?)</p>", folded)]
    assert len(words) > 4
    for line in [lines[0][0], *words]:
        assert f"- {line}\n" in text, line
    idea = next((line for line in lines[1] if re.search(r"^[a-z].*\.$", line)), None)
    assert f"- {lines[1][0]}{'' if idea is None else f' Its idea: {idea}'}\n" in text
    shown = next(html.unescape(line) for line in page.splitlines() if line.startswith("layered-paging plan"))
    command = [str(path) if word == "TRACE" else word for word in shlex.split(shown.replace(str(path), "TRACE"))[1:]]
    planned = told(*command)
    assert lines[2][0] in planned["sentences"]
    block = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert block["budgets"]["rows"] == planned["rows"]
    # the table under the slider, and what the slider shows
    counted = {
        (row["policy"], row["budget"] if planned["unit"] == "bytes" else row["slots"]): row for row in planned["rows"]
    }
    table = block["budgets"]
    for size, by_name in zip(table["sizes"], table["cells"], strict=True):
        for name, cells in zip(table["names"], by_name, strict=True):
            row = counted.get((name, size))
            expected = ["-"] * len(cells) if row is None else [f"{100 * row['hit_rate']:.2f}", f"{row['loads']:,.3f}"]
            if row is not None and trace.expert_bytes is not None:
                mib = row["loaded"] / 2**20
                expected.append(f"{mib:.4f}" if mib < 10 else f"{mib:,.2f}")
            assert cells == expected
    first = re.search(r"<table id='counted'>.*?<tbody>(.*?)</tbody>", page, re.DOTALL)[1]  # type: ignore[index]
    rows = [
        [html.unescape(c) for c in re.findall(r"<td>(.*?)</td>", row)]
        for row in re.findall(r"<tr.*?>(.*?)</tr>", first)
    ]
    assert rows == [[name, *cells] for name, cells in zip(table["names"], table["cells"][table["here"]], strict=True)]
    for name, row in (
        (n, counted.get((n, table["sizes"][table["here"]]))) for n in table["names"] if n not in ("optimum", "bound")
    ):
        assert row is not None and f"{name} loads {row['loads']:,.2f} experts" in lines[2][-1]
    # chosen on some sessions, judged on others: of all policies, and of what engines ship
    beside = " ".join(lines[1])
    rest = {name: sum(part["misses"] for part in run["by_session"][1::2]) for name, run in runs.items()}
    cross = re.search(r"would be (\S+), with ([\d.]+) % (fewer|more) misses than lru on the rest", beside)
    choose = {name: sum(part["misses"] for part in run["by_session"][0::2]) for name, run in runs.items()}
    if cross is None:
        assert "the policy would stay lru." in beside and choose["lru"] == min(choose.values())
    else:
        assert choose[cross[1]] == min(choose.values()) < choose["lru"]
    ships = re.search(r"Of what engines ship, chosen .*?: (\S+), with ([\d.]+) % (fewer|more) misses than lru", beside)
    assert ships is not None or "Of what engines ship, nothing that was tried misses less than lru" in beside
    for found in (cross, ships):
        if found is not None:
            if found[1] not in rest:
                run = told("replay", path, *budget, "--policy", found[1], "--by", "session")["runs"][0]
                rest[found[1]] = sum(part["misses"] for part in run["by_session"][1::2])
            less = (rest["lru"] - rest[found[1]]) / rest["lru"]
            assert (found[2], found[3]) == (f"{100 * abs(less):.1f}", "fewer" if less >= 0 else "more")
    # over time
    timed = told("replay", path, *budget, "--policy", *[run["policy"] for run in block["over_time"]], "--over-time")
    for one, other in zip(block["over_time"], timed["over_time"], strict=True):
        assert one == {key: value for key, value in other.items() if key != "size"}
        assert html.escape(one["sentence"]) in page
    # what every policy misses and loads
    policies, could_be, every, *_ = tables(page)
    for label, line in zip(table["labels"], every[1:], strict=True):
        at = table["labels"].index(label)
        hits = [table["hits"][name][at] for name in table["names"]]
        assert line == [label, *("-" if hit is None else f"{hit:.2f}" for hit in hits)]
    solver = ["--solver", "lp"] if kind == "sizes by popularity" else []

    def least(*more: object, twice: bool = False) -> int:
        size = [f"{2 * int(str(b))}" if twice and n == 1 else b for n, b in enumerate(budget)]
        answer = told("optimum", path, *size, *solver, *more)
        return int(answer["misses"] if answer.get("misses") is not None else answer["lower"])

    forced = least("--admission", "forced")
    gap = runs["lru"]["misses"] - forced

    def check(cells: list[str], misses: int, loaded: int | None) -> None:
        assert cells[1] == f"{misses:,}"
        assert cells[2] == f"{100 * (1 - misses / replayed['requests']):.2f} %"
        assert cells[3] == f"{100 * (runs['lru']['misses'] - misses) / gap:.1f} %"
        assert cells[4] == f"{misses / forced:.3f}"
        assert cells[5:] in ([], ["-"] if loaded is None else [f"{loaded / 2**20:,.1f}"])

    assert {row[0] for row in policies[1:]} == set(POLICIES)
    for row in policies[1:]:
        check(row, runs[row[0]]["misses"], runs[row[0]]["bytes_read"])
    best = policies[1][0]
    seen = set()
    for row in could_be[1:]:
        name = row[0].removesuffix(", at least")
        seen.add(name)
        if name == "optimum (forced)":
            check(row, forced, None)
        elif name == "optimum (bypass)":
            check(row, least("--admission", "bypass"), None)
        elif name == "optimum, a quota a layer":
            check(row, least("--admission", "forced", "--pool", "per-layer"), None)
        elif name == f"{best}, a quota a layer":
            check(
                row, told("replay", path, *budget, "--policy", best, "--pool", "per-layer")["runs"][0]["misses"], None
            )
        elif name == f"{best}, twice the budget":
            size = "28" if budget[0] == "--slots" else {"14500kB": "29MB", "30MB": "60MB"}[str(budget[1])]
            run = told("replay", path, budget[0], size, *budget[2:], "--policy", best)["runs"][0]
            check(row, run["misses"], None)
        elif name.startswith("dominating"):
            given = ["--policy", "dominating", "--predictions", "markov"]
            check(row, told("replay", path, *budget, *given)["runs"][0]["misses"], None)
        elif name == "least bytes (forced)":
            answer = told("optimum", path, *budget, *solver, "--admission", "forced", "--costs", "bytes")
            bytes_ = answer["cost"] if answer.get("cost") is not None else answer["lower"]
            assert row[5] == f"{bytes_ / 2**20:,.1f}"
        else:
            assert row[0].startswith("A0 (")
            assert re.search(rf"reference: A0 +{re.escape(row[1])} ", text)
    assert {"optimum (forced)", "optimum (bypass)", f"{best}, twice the budget"} <= seen
    assert ("least bytes (forced)" in seen) == (trace.expert_bytes is not None)
    # the head
    head = re.sub(r"<.*?>", " ", page.split("<header>")[1].split("</header>")[0])
    for word in (
        f"{replayed['requests']:,} requests",
        f"{replayed['rounds']} rounds",
        f"{replayed['sessions']} sessions",
    ):
        assert word in head
    # layers
    in_use = {
        p["layer"]: p["misses"]
        for p in told("replay", path, *budget, "--policy", "lru", "--by", "layer")["runs"][0]["by_layer"]
    }
    ahead = {
        p["layer"]: p["misses"]
        for p in told("replay", path, *budget, "--policy", "belady", "--by", "layer")["runs"][0]["by_layer"]
    }
    shares = re.search(
        r"the largest parts fall on layers? (.*?): ([\d.]+) % together; an even share of (\d) layers? would be ([\d.]+) %\.",
        html.unescape(page),
    )
    assert shares is not None
    total = sum(in_use.values()) - sum(ahead.values())
    named = re.findall(r"(\d+) \(([\d.]+) %\)", shares[1])
    lost = [in_use[int(layer)] - ahead[int(layer)] for layer, _ in named]
    assert [percent for _, percent in named] == [f"{100 * part / total:.1f}" for part in lost]
    assert (shares[2], shares[3]) == (f"{100 * sum(lost) / total:.1f}", str(len(named)))
    assert shares[4] == f"{100 * len(named) / trace.layers:.1f}"


@pytest.mark.parametrize("kind", ["slots", "merged", "one size", "sizes by popularity"])
def test_the_commands_that_are_shown_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trace, budget = traces_of(kind)
    lp.save_trace(trace, "t.npz")
    said("report", "t.npz", *budget, "--against", *POLICIES, "-o", "r.html")
    first = Path("r.html").read_text()
    shown = html.unescape(re.search(r"<pre>(.*?)</pre>", first, re.DOTALL)[1]).splitlines()  # type: ignore[index]
    assert len(shown) == 7
    for line in shown:
        out = said(*shlex.split(line)[1:])
        assert out
    assert "accepted" in out
    assert Path("report.html").read_text().replace("report.html", "r.html") == first.replace("report.html", "r.html")
