"""What a contribution must declare when it registers, for each kind; checked by the decorator, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["EVIDENCE", "SCOPES", "problems"]

# levels of evidence, the strongest first
EVIDENCE = ("theorem", "certificate", "exhaustive", "step", "statistical", "none")
SCOPES = ("small", "full")
_ADVERSARIES = ("adaptive", "oblivious", "random", "offline")


def problems(kind: str, name: str, facts: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the declaration of a contribution; an empty list if it may be registered.

    Parameters
    ----------
    kind : {"policy", "adversary", "claim", "result"}
    name : str
    facts : mapping
        What was given to ``register`` beside kind and name.
    """
    cites = facts.get("cites", ())
    found = [] if isinstance(cites, tuple) else [f"cites must be a tuple of keys of the bibliography; got {cites!r}"]
    return found + {"claim": _claim, "adversary": _adversary, "result": _result}.get(kind, _nothing)(name, facts)


def _nothing(name: str, facts: Mapping[str, Any]) -> list[str]:
    return []


def _lacks(facts: Mapping[str, Any], *names: str) -> list[str]:
    return [f"lacks {name!r}" for name in names if name not in facts]


def _claim(name: str, facts: Mapping[str, Any]) -> list[str]:
    found = _lacks(facts, "statement", "latex", "status", "evidence", "cites")
    evidence, scope = facts.get("evidence"), facts.get("scope", {})
    if evidence not in EVIDENCE:
        found.append(f"evidence must be one of {', '.join(EVIDENCE)}; got {evidence!r}")
    if evidence == "none" and ("control" in facts or "scope" in facts):
        found.append("a claim without evidence has neither scope nor control")
    if evidence == "theorem" and "theorem" not in facts:
        found.append("evidence 'theorem' needs theorem='NAME', a theorem of proofs/theorems.toml")
    if evidence != "theorem" and "theorem" in facts:
        found.append(f"a claim that names a theorem has evidence 'theorem'; got {evidence!r}")
    if evidence != "none" and not facts.get("control"):
        found.append("a claim with evidence needs a control")
    if evidence not in ("none", "theorem") and not (isinstance(facts.get("breaks"), str) and facts["breaks"]):
        found.append("a claim with a control says which step it breaks: breaks='words of that counterexample'")
    if evidence != "none" and not (isinstance(scope, Mapping) and set(scope) == set(SCOPES)):
        found.append(f"scope must describe {' and '.join(SCOPES)}, as in {{'small': ..., 'full': ...}}; got {scope!r}")
    if "[open]" in str(facts.get("status")) and evidence != "none":
        found.append("an open question has evidence none")
    return found


def _adversary(name: str, facts: Mapping[str, Any]) -> list[str]:
    found = _lacks(facts, "kind", "forces", "cites")
    if "kind" in facts and facts["kind"] not in _ADVERSARIES:
        found.append(f"kind must be one of {', '.join(_ADVERSARIES)}; got {facts['kind']!r}")
    if facts.get("bound") is not None and len(facts.get("sizes", ())) < 3:
        found.append("an adversary with a bound needs at least 3 sizes (layers, experts, slots) to try it at")
    return found


def _result(name: str, facts: Mapping[str, Any]) -> list[str]:
    found = _lacks(facts, "reported", "status", "agrees_when")
    if name.count("/") != 1:
        found.append("a result is named PAPER/NAME")
    return found
