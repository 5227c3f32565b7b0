"""The replay page: several policies side by side, step by step, with the reason of every eviction."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.arguments import kinds
from ..core.cutting import window
from ..core.instance import integer
from ..core.layout import Event, lay_out
from ..core.trace import Trace
from ..core.words import counted
from ..engine.run import history
from ..errors import ParameterError
from ..policies.names import resolve
from ..policies.spec import PolicySpec
from .html import fill

__all__ = ["MOST_STEPS", "SHOWN", "headline", "parse_sequence", "replay_page", "shown_as", "window"]

MOST_STEPS = 20_000  # of one page
SHOWN = 5_000  # steps of a page that nobody limits
MOST_PAGES = 100_000
MOST_POLICIES = 8
_ALIASES = {"opt": "belady"}


def parse_sequence(text: str, experts: int | Sequence[int] | None = None) -> Trace:
    """Read a sequence that fits on a slide.

    Parameters
    ----------
    text : str
        Rounds separated by blanks, the layers of a round by commas, several experts of a layer by ``+``;
        ``-`` where a layer asks for none: ``"0,0 1,1 0+2,-"``.
    experts : int or sequence of int, optional
        Experts of each layer; by default one more than the largest of the layer.

    Raises
    ------
    ParameterError
        Something that is not a sequence, with the round and layer.
    """
    rounds: list[list[list[int]]] = []
    for n, part in enumerate(text.split()):
        row = []
        for layer, event in enumerate(part.split(",")):
            if not re.fullmatch(r"-|[0-9]{1,6}(\+[0-9]{1,6})*", event):
                raise ParameterError(
                    f"sequence, round {n}, layer {layer}: write experts as numbers joined by +, or -; got {event!r}"
                )
            row.append([] if event == "-" else [int(expert) for expert in event.split("+")])
        if rounds and len(row) != len(rounds[0]):
            raise ParameterError(f"sequence, round {n}: every round must have {len(rounds[0])} layers; got {len(row)}")
        rounds.append(row)
    if not rounds:
        raise ParameterError("sequence: must hold at least one round, such as '0,0 1,1'")
    widest = max((len(event) for row in rounds for event in row), default=1) or 1
    padded = [[event + [-1] * (widest - len(event)) for event in row] for row in rounds]
    if experts is None:
        experts = [max([0, *(e for row in rounds for e in row[layer])]) + 1 for layer in range(len(rounds[0]))]
    return Trace(padded, experts)


@kinds()
def replay_page(
    trace: Trace,
    policies: Sequence[str | type | PolicySpec],
    slots: int,
    *,
    pool: str = "shared",
    reset: str = "never",
    admission: str = "forced",
    seed: int = 0,
    title: str = "",
    note: str = "",
    progress: Callable[[int], object] | None = None,
) -> str:
    """Return a self-contained HTML page that replays a trace under several policies.

    Parameters
    ----------
    trace : Trace
        At most ``MOST_STEPS`` events with members and ``MOST_PAGES`` pages: cut a long one by ``window``.
    policies : sequence of str, class or PolicySpec
        Names as for ``replay``; ``opt`` stands for ``belady``, the optimum where pages weigh the same.
    slots, pool, reset, admission, seed
        As for ``replay``.
    title, note : str
        Shown above; any text.  By default the title names the policies and the slots.
    progress : callable, optional
        Called with the number of policies replayed so far.

    Raises
    ------
    ParameterError
        Too many steps, pages or policies; what ``replay`` raises.

    Notes
    -----
    The page holds the sequence, and for each policy which members missed and what was evicted. Everything
    else (contents, totals, R and D, next uses) is computed from these in the browser.
    """
    slots = integer("slots", slots, 1)
    names = each_once(policies)
    if not 1 <= len(names) <= MOST_POLICIES:
        raise ParameterError(f"a replay page shows 1 to {MOST_POLICIES} policies; got {len(names)}")
    options = {"pool": pool, "reset": reset, "admission": admission}
    events = events_of(trace)
    shown = []
    for done, name in enumerate(names, start=1):
        shown.append(played(trace, name, slots, **options, seed=seed))
        if progress is not None:
            progress(done)
    title = title or headline(names, slots, admission=admission)
    return assemble(trace, events, shown, {"slots": slots, **options, "note": note}, title)


def each_once(policies: Sequence[str | type | PolicySpec]) -> list[str | type | PolicySpec]:
    """Return the policies in their order, each once; specs are equal but have no hash."""
    found: list[str | type | PolicySpec] = []
    for policy in policies:
        if policy not in found:
            found.append(policy)
    return found


def events_of(trace: Trace) -> list[Event]:
    """Return the events with members; a page holds a limited number of them."""
    if trace.pages > MOST_PAGES:
        raise ParameterError(f"a replay page holds at most {MOST_PAGES:,} pages; this trace has {trace.pages:,}")
    grid = lay_out(trace)
    events = [event for event in grid.events() if event.pages]
    if not 1 <= len(events) <= MOST_STEPS:
        raise ParameterError(
            f"a replay page holds 1 to {MOST_STEPS:,} steps; got {len(events):,} "
            f"({trace.rounds:,} rounds of {grid.shape[1]} layers: choose fewer rounds)"
        )
    return events


def assemble(
    trace: Trace, events: Sequence[Event], shown: Sequence[Mapping[str, Any]], about: Mapping[str, Any], title: str
) -> str:
    """Return the page of policies that were ``played``; ``about`` holds slots, pool, reset, admission and note."""
    data = {
        **about,
        "experts": [int(n) for n in trace.n_experts],
        "layers": trace.layers,
        "rounds": [event.time.round for event in events],
        "at": [event.time.layer for event in events],
        "steps": [list(event.pages) for event in events],
        "sessions": [n for n in range(1, len(events)) if events[n].session != events[n - 1].session],
        "policies": list(shown),
    }
    return fill("replay.html", title=title, data=data)


def shown_as(policy: str | type | PolicySpec, admission: str = "forced") -> str:
    """Return how pages write a policy: its name in capitals, its parameters as they are, and OPT for the optimum."""
    spec = resolve(_ALIASES.get(policy, policy) if isinstance(policy, str) else policy)
    if spec.base == "belady" and admission == "forced":
        return "OPT"
    if spec.base == "strategy":
        return f"strategy of {Path(spec.name.removeprefix('strategy:')).name}"
    return spec.base.upper() + spec.name.removeprefix(spec.base) if spec.name.startswith(spec.base) else spec.name


def headline(
    policies: Sequence[str | type | PolicySpec], slots: int, source: str = "", admission: str = "forced"
) -> str:
    """Return what a page shows, in one line.

    Examples
    --------
    >>> headline(["lru", "llru", "opt"], 24, "sample.npz")
    'LRU, LLRU and OPT with 24 slots on sample.npz'
    """
    names = [shown_as(policy, admission) for policy in policies]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{listed} with {counted(slots, 'slot')}" + (f" on {source}" if source else "")


def played(trace: Trace, name: str | type | PolicySpec, slots: int, **options: Any) -> dict[str, Any]:
    """Return what the page needs of one policy: what it is, and what each step misses and evicts."""
    spec = resolve(_ALIASES.get(name, name) if isinstance(name, str) else name)
    missed, evicted = [], []
    for step in history(trace, spec, slots, **options):
        if step.event.pages:
            gone = set(step.misses)
            missed.append(sum(1 << q for q, page in enumerate(step.event.pages) if page in gone))
            evicted.append(list(step.evicted))
    if max(missed).bit_length() > 52:
        raise ParameterError("a replay page holds events of at most 52 experts")
    return {
        "name": spec.name,
        "label": shown_as(spec, options["admission"]),
        "rule": spec.base,
        "slots": slots,
        "pool": options["pool"],
        "params": {key: value for key, value in spec.params.items() if isinstance(value, (str, int, float))},
        "about": " ".join((spec.cls.__doc__ or "").strip().split("\n")[0].split()),
        "missed": missed,
        "evicted": evicted,
    }
