"""The claims on one page: each with an anchor, and shown or hidden by its level of evidence."""

from __future__ import annotations

from pathlib import Path

from layered_paging.claims import all_claims
from layered_paging.core.declarations import EVIDENCE

_LEVELS = {
    "theorem": "proved in a proof kernel, for all sizes",
    "certificate": "certificates that a small checker accepts",
    "exhaustive": "every case of a finite scope",
    "step": "a step of a proof, by a solver or by computer algebra",
    "statistical": "drawn, with an interval",
    "none": "stated only",
}


def page() -> str:
    """Return the page, in MyST."""
    claims = all_claims()
    count = {level: sum(entry.properties["evidence"] == level for entry in claims) for level in EVIDENCE}
    levels = [level for level in EVIDENCE if count[level]]
    boxes = "".join(
        f'<label><input type="checkbox" checked value="{level}"> {level} ({count[level]})</label> ' for level in levels
    )
    text = (
        f"# Claims\n\n{len(claims)} statements, each with the evidence that `layered-paging verify` runs and a control "
        "that shows that the check can fail. A link to a claim is the page's address, `#claim-` and its name.\n\n"
        "| evidence | what it is | claims |\n|---|---|---:|\n"
    )
    text += "".join(f"| {level} | {_LEVELS[level]} | {count[level]} |\n" for level in levels)
    text += f'\n```{{raw}} html\n<p class="levels" hidden>Show: {boxes}</p>\n```\n'
    for entry in claims:
        facts = entry.properties
        cites = ", ".join(f"{{cite:t}}`{key}`" for key in facts["cites"])
        file = Path(entry.source).name if entry.source else ""
        scope = "; ".join(f"{size}: {what}" for size, what in facts.get("scope", {}).items())
        control = ", ".join(f"{name} = {value}" for name, value in facts.get("control", {}).items())
        lines = [
            f"\n(claim-{entry.name})=\n::::{{container}} claim evidence-{facts['evidence']}\n",
            f"**[{entry.name}](#claim-{entry.name})** *{facts['evidence']}*, {_status(facts['status'])}\n",
            f"{facts['statement']}\n",
            f"$$\n{facts['latex']}\n$$\n",
        ]
        said = {"Scope": scope, "Control": control, "Source": cites, "File": f"`{file}`" if file else ""}
        lines.append("; ".join(f"{name}: {what}" for name, what in said.items() if what) + ".\n\n::::\n")
        text += "\n".join(lines)
    return text + "\n```{raw} html\n<script>" + _FILTER + "</script>\n```\n"


def _status(text: str) -> str:
    return text.replace("[", "").replace("]", "")


_FILTER = """
{
  const bar = document.querySelector(".levels");
  bar.hidden = false;
  bar.addEventListener("change", () => {
    for (const box of bar.querySelectorAll("input"))
      for (const claim of document.querySelectorAll(".evidence-" + box.value)) claim.hidden = !box.checked;
  });
}
"""
