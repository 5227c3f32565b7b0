"""What the documentation makes of the package: every public name, claim and policy has its place, without a network."""

from __future__ import annotations

import re
import sys
from fractions import Fraction
from pathlib import Path

import pytest

import layered_paging as lp
from layered_paging import catalog
from layered_paging.claims import all_claims
from layered_paging.samples import SAMPLE

pytest.importorskip("latex2mathml", reason="latex2mathml is not installed (group dev)")
DOCS = Path(__file__).resolve().parent.parent / "docs"
sys.path.insert(0, str(DOCS))
from generating import api, claims, drawing, home, policies, worst  # noqa: E402


def test_every_public_name_has_a_page() -> None:
    made = api.pages()
    index = made.pop("index.md")
    for name in lp._HOMES:
        assert re.search(rf"^\| \[`{name}`\]\(lp\.{name}\.(class|function)\.md\)", index, re.MULTILINE), name
    for module in ("testing", "adversary", "plot", "prediction", "errors", "live", "coupon"):
        home_ = __import__(f"layered_paging.{module}", fromlist=["x"])
        for name in home_.__all__:
            assert f"[`{name}`]" in index, (module, name)
    assert "policies.spec.Policy.class.md" in made  # the protocol
    linked = set(re.findall(r"\]\(([^)]+\.md)\)", index))
    assert linked == set(made)
    assert len({name.lower() for name in made}) == len(made)  # also where a file system does not tell case


def test_every_claim_has_an_anchor() -> None:
    page = claims.page()
    names = [entry.name for entry in all_claims()]
    assert re.findall(r"^\(claim-(.+)\)=$", page, re.MULTILINE) == names
    for entry in all_claims():
        assert f"evidence-{entry.properties['evidence']}" in page


def test_every_formula_becomes_mathml() -> None:
    from latex2mathml.converter import convert

    found = [entry.properties["latex"] for entry in all_claims()]
    for path in sorted(DOCS.glob("*/**/*.md")):
        if not {"generated", "_build"} & set(path.parts):
            text = re.sub(r"^```.*?^```|`[^`\n]*`", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
            found += [m[0] or m[1] for m in re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", text, flags=re.DOTALL)]
    assert len(found) > 200
    for formula in found:
        assert convert(formula).startswith("<math"), formula


def test_a_difference_of_sets_is_a_sign_that_fonts_have() -> None:
    from generating.mathematics import formula

    assert "&#x0005C;" in formula(r"A \setminus B", "inline") and "&#x029F5;" not in formula(r"A \setminus B", "block")


def test_no_page_of_the_documentation_loads_a_program_for_formulas() -> None:
    assert "mathjax" not in (DOCS / "conf.py").read_text()


def test_a_row_of_exact_ratios_has_a_cell_for_each_column() -> None:
    head, _, *rows = policies.exact_table("llru", policies.exact_rows()).splitlines()
    columns = [word.strip() for word in head.strip("|").split("|")]
    for row in rows:
        told = dict(zip(columns, (word.strip() for word in row.strip("|").split("|")), strict=True))
        layers, slots = int(told["layers x experts"].split(" x ")[0]), int(told["slots"])
        assert told["k"] == str(slots) and told["k - l + 1"] == (str(slots - layers + 1) if slots >= layers else "-")


@pytest.mark.parametrize("name", ["llru", "arc", "marking"])
def test_a_policy_has_its_page(name: str) -> None:
    trace = lp.load_trace(SAMPLE)
    (entry,) = [e for e in catalog.collect() if e.kind == "policy" and e.name == name]
    facts = policies.facts_of(entry, trace)
    assert facts.curve == {slots: lp.replay(trace, name, slots).misses for slots in policies.CAPACITIES}
    page = policies.page(facts, {"optimum": facts.curve, "lru": facts.curve}, trace, policies.exact_rows())
    assert f"{facts.curve[24]:,}" in page and page.startswith(f"# {name}\n")
    if name == "llru":
        assert facts.worst.ratio == lp.competitive_ratio("llru", layers=2, experts=3, slots=3).value == Fraction(3)
    if name == "marking":
        assert (
            facts.worst.ratio == lp.competitive_ratio("marking", layers=2, experts=3, slots=3).value == Fraction(8, 3)
        )
        assert "expected ratio is exactly 8/3" in page and "the run of seed 0" in page
    if name == "arc":
        assert facts.worst.ratio is None and "not proved to be the worst" in page and "exactly" not in facts.worst.words
    assert page.count('<figure class="board"') == 3
    assert page == policies.page(
        policies.facts_of(entry, trace), {"optimum": facts.curve, "lru": facts.curve}, trace, policies.exact_rows()
    )


def test_the_gallery_has_all_policies() -> None:
    entries = [e for e in catalog.collect() if e.kind == "policy"]
    line = dict.fromkeys(policies.CAPACITIES, 100)
    every = [policies.Facts(entry, line, "", worst.Worst("", "", None), "") for entry in entries]
    page = policies.gallery(every, {"optimum": line, "lru": line}, lp.load_trace(SAMPLE))
    assert re.findall(r'class="card" href="(.+?)\.html"', page) == [entry.name for entry in entries]


def test_a_sequence_that_a_search_found_costs_what_is_said() -> None:
    (entry,) = [e for e in catalog.collect() if e.kind == "policy" and e.name == "blind-oracle"]
    found = worst.worst_of(entry)
    paid, least = map(int, re.findall(r"costs (\d+) misses and the optimum (\d+)", found.words)[0])
    text = re.findall(r"<title>.*?: 3 slots, (.+?)</title>", found.svg)[0]
    rows = [[int(expert) for expert in row.split(",")] for row in text.split(" ")]
    length = next(n for n in (1, 2, 3) if rows == (rows[:n] * len(rows))[: len(rows)])
    trace = lp.Trace(rows[:length] * worst.REPEATED, n_experts=3)
    assert lp.replay(trace, "blind-oracle(predictions='markov')", 3).misses == paid
    assert lp.optimum(trace, 3, admission="forced").misses == least < paid


def test_the_optimum_has_no_bad_sequence() -> None:
    (entry,) = [e for e in catalog.collect() if e.kind == "policy" and e.name == "belady"]
    assert worst.worst_of(entry).svg == "" and "its ratio is 1" in worst.worst_of(entry).words


def test_names_stand_inside_the_picture() -> None:
    svg = drawing.curve_svg({"optimum": {1: 0.5, 9: 0.1}, "a-policy-of-a-long-name": {1: 0.6, 9: 0.2}})
    width = int(re.findall(r'viewBox="0 0 (\d+)', svg)[0])
    for x, name in re.findall(r'<text x="([\d.]+)"[^>]*font-size="11">([^<]+)<', svg):
        assert float(x) + 6.2 * len(name) <= width


def test_pictures_of_the_first_page() -> None:
    made = home.pictures()
    text = (DOCS / "index.md").read_text()
    assert set(re.findall(r"pictures/(\w+\.svg)", text)) == set(made)
    assert all(svg.startswith("<svg") and "currentColor" not in svg for svg in made.values())
