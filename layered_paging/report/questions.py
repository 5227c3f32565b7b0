"""The three questions of a report, and their answers in words."""

from __future__ import annotations

from typing import Any

from ..core.words import counted
from ..plan.engines import to_write
from ..plan.words import size_words

__all__ = ["Question", "even_share", "questions", "today"]

STANDS_OUT = 1.5  # times its even share: what a share must be to be called a finding
Question = tuple[str, str, list[str]]  # question, answer, what is beside it


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in percent; a dash for None."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def questions(told: dict[str, Any]) -> list[Question]:
    """Return the questions, each with its answer and what is beside it."""
    found = told["diagnosis"]
    memory = told["budgets"]["sentences"] or ["More memory saves nothing here."]
    advice, idea, rest = found["recommendation"].partition(" Its idea: ")
    more = [f"{idea}{rest}".strip()] if idea else []
    much = "how many tokens per second" if "rate" in told["budgets"]["columns"] else "how much"
    return [
        ("Is it the policy or the memory?", found["sentences"][0], [*_instead(told), *found["warnings"]]),
        ("What can I switch on today?", advice, [*today(told), *more]),
        (f"How much memory buys {much}?", memory[0], memory[1:]),
    ]


def _instead(told: dict[str, Any]) -> list[str]:
    """Say what memory would do in the place of a policy."""
    found, table = told["diagnosis"], told["budgets"]
    best, policy = found["best"], found["policy"]
    if best == policy or best not in table["same_as"]:
        return []
    same, sized = table["same_as"][best], table["unit"] == "bytes"
    cost = "tokens per second" if "rate" in table["columns"] else "loads"
    if same is None:
        return [f"Memory instead: no budget that was counted gives {policy} the {cost} that {best} has here."]
    return [
        f"Memory instead: of the budgets counted, {policy} needs {size_words(same, sized)} for the {cost} that {best} has here."
    ]


def today(told: dict[str, Any]) -> list[str]:
    """Say what engines ship, chosen on some sessions and judged on others."""
    found, chosen, shipped = told["diagnosis"], told["chosen"], told["shipped"]
    said = []
    if chosen is not None and chosen["in_use"]:
        same = chosen["policy"] == found["policy"]
        how = (
            f"stay {chosen['policy']}"
            if same
            else f"be {chosen['policy']}, with {_less(chosen)} than {found['policy']} on the rest"
        )
        said.append(f"Cross-check: chosen on every other distinct session, the policy would {how}.")
    if shipped is not None and shipped["in_use"]:
        if shipped["policy"] == found["policy"]:
            said.append(
                f"Of what engines ship, nothing that was tried misses less than {found['policy']} on every other distinct session."
            )
        else:
            where = "; ".join(f"{one['engine']}: {one['knob']}" for one in shipped["engines"][:2])
            said.append(
                f"Of what engines ship, chosen on every other distinct session: {shipped['policy']}, with {_less(shipped)} than "
                f"{found['policy']} on the rest ({where})."
            )
            said += [
                f"How near {shipped['policy']} here is to that of {one['engine']}: {one['faithful']}."
                for one in shipped["engines"][:2]
            ]
    if found["best"] != found["policy"] and not told["ships"].get(found["best"]):
        said.append(f"No engine that is listed ships {found['best']}: {to_write(found['best'])}.")
    return said


def _less(chosen: dict[str, Any]) -> str:
    less = (chosen["in_use"] - chosen["misses"]) / chosen["in_use"]
    return f"{percent(abs(less))} {'fewer' if less >= 0 else 'more'} misses"


def even_share(told: dict[str, Any]) -> str:
    """Say where the policy in use loses most, beside what an even share would be."""
    rows, found = told["layers"], told["diagnosis"]
    lost = [row["misses"] - row["optimum"] for row in rows]
    total, asked = sum(lost), sum(row["requests"] > 0 for row in rows)
    best = "the optimum" if found["optimum_how"] == "exact" else "furthest next use, which knows the future"
    if total <= 0:
        return f"{found['policy']} loses nothing to {best}."
    worst = [j for j in sorted(range(len(rows)), key=lambda j: -lost[j])[:3] if lost[j] > 0]
    names = ", ".join(f"{told['layer_names'][j]} ({percent(lost[j] / total)})" for j in worst)
    mine, even = sum(lost[j] for j in worst) / total, len(worst) / asked
    which = f"layer{'s' if len(worst) > 1 else ''} {names}"
    share = f"{percent(mine)} together; an even share of {counted(len(worst), 'layer')} would be {percent(even)}"
    lead = f"Of what {found['policy']} loses to {best}, the largest parts fall on {which}: {share}."
    if mine >= STANDS_OUT * even:
        return f"{lead} They stand out." if len(worst) > 1 else f"{lead} It stands out."
    return f"{lead} So no layer stands out."
