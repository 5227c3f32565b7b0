"""Quick tests of a trace, each for one mistake of logging that people made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.trace import DECODE, PREFILL, Trace, layer_names, transformed
from ..core.words import counted
from . import shape
from .models import stated_experts, stated_top_k

__all__ = ["BITS", "CHECKS", "Check", "event_sizes"]

BITS = 40  # what is less likely than 2^-BITS by chance is no chance
SURE = 1e-9  # the same for sums: tail probability
SKEW = 0.2  # coefficient of variation of the uses of a layer's experts that the test of uniformity must be able to see
POWER = 0.999
PART = 8192
RIGID = 0.9  # share by chance from which on layers hardly change, so that a copy means nothing
BLOCKS = 24  # of a trace, to see whether ids change places
LONG = 64  # rounds of a block at the least: shorter ones differ by what a sentence is about
ALIKE, APART = 0.6, 0.1  # correlations of uses between blocks
TURNS, SHORT = 4, 16  # turns back to prefill in a session; rounds of a decode run
ROUNDS = 4  # equal rounds at the start, and how many times longer than any later run of equal rounds they must be

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """What one test found.

    Attributes
    ----------
    name : str
    outcome : {"warning", "fine", "cannot tell"}
    sentence : str
        What was found, or why the test cannot tell.
    evidence : dict
        The numbers it rests on.
    """

    name: str
    outcome: str
    sentence: str
    evidence: Numbers = field(default_factory=dict)


def event_sizes(trace: Trace) -> npt.NDArray[np.int64]:
    """Return the number of experts of each event, shape (rounds, layers)."""
    found = np.empty((trace.rounds, trace.layers), np.int64)
    for at in range(0, trace.rounds, PART):
        found[at : at + PART] = (trace.experts[at : at + PART] >= 0).sum(axis=2)
    return found


def _check(name: str, warns: bool, sentence: str, otherwise: str, **evidence: Any) -> Check:
    return Check(name, "warning" if warns else "fine", sentence if warns else otherwise, evidence)


def _unions(trace: Trace) -> str | None:
    """Return the transformation that made events unions of several tokens, or None."""
    return transformed(trace, "batch", "merge_prefill")


def _bits(trace: Trace, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return log2 of the number of sets that each layer's event could be, for sizes of shape (..., layers)."""
    most = int(sizes.max(initial=0))
    table = np.array(
        [[math.log2(math.comb(n, m)) if m <= n else 0.0 for m in range(most + 1)] for n in trace.n_experts]
    )
    found: npt.NDArray[np.float64] = table[np.arange(trace.layers), sizes]
    return found


def cut_off(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether events hold fewer experts than the model chooses."""
    stated, source = stated_top_k(trace.meta)
    largest = int(sizes.max())
    if stated is None:
        said = "nothing states how many experts a token takes, so that a cut cannot be seen"
        return Check("top_k cut off", "cannot tell", said, {"largest event": largest})
    warns = largest < stated
    return _check(
        "top_k cut off",
        warns,
        f"No event has more than {counted(largest, 'expert')}, but {source} says {stated}: the log cuts events off.",
        f"the largest event has {largest}, and {source} says {stated}",
        **{"largest event": largest, "stated": stated, "events": int((sizes > 0).sum())},
    )


def sorted_by_id(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether the members of every event of a stage ascend, or descend."""
    name = "sorted by id"
    if _unions(trace):
        return Check(name, "cannot tell", f"events are unions ({_unions(trace)}), which have no router order")
    found: list[str] = []
    best: Numbers = {"events": 0, "bits": 0.0}
    for stage, word in ((DECODE, "decode"), (PREFILL, "prefill")):
        rows = np.flatnonzero(trace.stage == stage)
        up = down = True
        for at in range(0, len(rows), PART):
            ids = trace.experts[rows[at : at + PART]]
            both = (ids[:, :, 1:] >= 0) & (ids[:, :, :-1] >= 0)
            up = up and not ((ids[:, :, 1:] < ids[:, :, :-1]) & both).any()
            down = down and not ((ids[:, :, 1:] > ids[:, :, :-1]) & both).any()
            if not up and not down:
                break
        if len(rows) and (up or down):
            events, bits = _orders(trace, rows[:PART])
            if events and bits > best["bits"]:
                best = {"events": events, "bits": round(bits, 1)}
            if bits > BITS:
                found.append(word)
    if not found and trace.top_k < 2:
        return Check(name, "cannot tell", "events have one expert")
    if not found and best["events"]:
        said = f"all events are sorted, but by chance so are {counted(best['events'], 'event')} with probability 2^-{best['bits']}"
        return Check(name, "cannot tell", said, best)
    return _check(
        name,
        bool(found),
        f"The experts of every {' and every '.join(found)} event stand in order of their ids: the router's order is lost, "
        "and nothing that depends on ranks can be trusted.",
        "some events are not in order of their ids",
        **(best if found else {}),
    )


def _orders(trace: Trace, rows: npt.NDArray[np.int64]) -> tuple[int, float]:
    """Return the distinct events of two or more, and log2 of the number of orders that they could have."""
    events, bits = 0, 0.0
    for layer in range(trace.layers):
        ids = trace.experts[rows, layer]
        distinct = np.unique(ids[(ids >= 0).sum(axis=1) > 1], axis=0)
        members, number = np.unique((distinct >= 0).sum(axis=1), return_counts=True)
        events += len(distinct)
        bits += sum(n * (math.lgamma(m + 1) / math.log(2) - 1) for m, n in zip(members.tolist(), number.tolist(), strict=True) if m > 2)  # fmt: skip
        bits += sum(n for m, n in zip(members.tolist(), number.tolist(), strict=True) if m == 2) * 1.0
    return events, bits


def physical_slots(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether ids exceed the experts of the model, or change places in all layers at once."""
    name = "physical slots"
    stated, source = stated_experts(trace.meta)
    most = 1 + max(int(trace.experts[at : at + PART].max()) for at in range(0, trace.rounds, PART))
    if stated is not None and most > stated:
        said = f"Ids go up to {most - 1}, but {source} says {counted(stated, 'expert')}: they look like slots of an engine."
        return Check(name, "warning", said, {"largest id": most - 1, "stated": stated})
    place = _moved(trace)
    if place is None:
        said = "too few rounds, or too little skew, to see whether ids change places"
        return Check(name, "cannot tell", said, {"largest id": most - 1, "stated": stated})
    before, across, after, at = place
    return _check(
        name,
        across <= APART,
        f"Near round {at} the hot experts of all layers change places at once: the ids look like slots that an engine "
        "fills anew.",
        "no id beyond the stated number, and hot experts keep their ids",
        **{
            "largest id": most - 1,
            "stated": stated,
            "round": at,
            "correlation before": before,
            "correlation across": across,
            "correlation after": after,
        },
    )


def _moved(trace: Trace) -> tuple[float, float, float, int] | None:
    """Return the correlations of uses before, across and after the place where they differ most, and that round.

    Blocks b - 1 and b, b and b + 2, b + 2 and b + 3 are compared; only places with both sides at least ``ALIKE`` count.
    """
    if trace.rounds < BLOCKS * LONG:
        return None
    edges = np.arange(BLOCKS + 1) * trace.rounds // BLOCKS
    layers = [j for j in np.flatnonzero(trace.asked).tolist() if trace.n_experts[j] > 2]
    uses = [_uses(trace, a, b) for a, b in pairwise(edges.tolist())]

    def alike(one: int, other: int) -> float:
        values = []
        for j in layers:
            first = int(trace.first_page[j])
            a, b = (uses[n][first : first + trace.n_experts[j]].astype(float) for n in (one, other))
            a, b = a - a.mean(), b - b.mean()
            size = math.sqrt(float((a * a).sum() * (b * b).sum()))
            values.append(float((a * b).sum()) / size if size else 0.0)
        return float(np.mean(values)) if values else 0.0

    places = []
    for b in range(1, BLOCKS - 3):
        before, after = alike(b - 1, b), alike(b + 2, b + 3)
        if before >= ALIKE and after >= ALIKE:
            places.append((alike(b, b + 2), before, after, int(edges[b + 1] + edges[b + 2]) // 2))
    if not places:
        return None
    across, before, after, at = min(places)
    return round(before, 3), round(across, 3), round(after, 3), at


def _uses(trace: Trace, begin: int, end: int) -> npt.NDArray[np.int64]:
    uses = np.zeros(trace.pages, np.int64)
    for at in range(begin, end, PART):
        part = trace.experts[at : min(end, at + PART)]
        uses += np.bincount((part + trace.first_page[:, None])[part >= 0], minlength=trace.pages)
    return uses


def copied_layers(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether a layer repeats what the layer before it asked for, in the same round or in the round before.

    It does where the share of its requests that are repeated is at least half way from chance to all.
    """
    uses, events = _uses(trace, 0, trace.rounds), (sizes > 0).sum(axis=0)
    same, late = np.zeros(trace.layers, np.int64), np.zeros(trace.layers, np.int64)
    last: npt.NDArray[Any] | None = None
    for at in range(0, trace.rounds, PART // 2):
        ids = trace.experts[at : at + PART // 2]
        now, before = ids[:, 1:], ids[:, :-1]
        hit = (now[:, :, :, None] == before[:, :, None, :]).any(axis=3) & (now >= 0)
        same[1:] += hit.sum(axis=(0, 2))
        older = before[:-1] if last is None else np.concatenate((last, before[:-1]))
        late_now = now[1:] if last is None else now
        hit = (late_now[:, :, :, None] == older[:, :, None, :]).any(axis=3) & (late_now >= 0)
        late[1:] += hit.sum(axis=(0, 2))
        last = before[-1:]
    found: list[tuple[float, float, int, str]] = []
    for j in range(1, trace.layers):
        width, requests = min(trace.n_experts[j - 1 : j + 1]), int(sizes[:, j].sum())
        if width < 2 or not events[j] or not events[j - 1]:
            continue
        a, b = (uses[trace.first_page[i] :][:width] / events[i] for i in (j - 1, j))
        chance = float((a * b).sum()) * int(events[j]) / requests
        for count, word in ((same, "the same round"), (late, "the round before")):
            found.append((int(count[j]) / requests, chance, j, word))
    if not found:
        return Check("copied layers", "cannot tell", "no two layers follow one another")
    names = layer_names(trace)
    odd = [one for one in found if one[0] >= (1 + one[1]) / 2 and one[1] < RIGID and trace.rounds >= ROUNDS]
    share, chance, j, word = max(odd or found, key=lambda one: one[0] - one[1])
    where = ", ".join(dict.fromkeys(names[one[2]] for one in odd[:12]))
    return _check(
        "copied layers",
        bool(odd),
        f"Layers that repeat the layer before them: {where}. Layer {names[j]} asks for {100 * share:.1f} % of what that layer "
        f"asked for in {word}; chance gives {100 * chance:.1f} %. The log was read with a wrong stride, or shifted.",
        "no layer repeats the layer before it",
        **{
            "layer": names[j],
            "repeated": round(share, 6),
            "by chance": round(chance, 6),
            "layers": len({o[2] for o in odd}),
        },
    )


def strided(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether consecutive tokens share fewer experts than chance gives, as slices of one token's ranking do."""
    from scipy.stats import poisson

    name = "strided tokens"
    if _unions(trace):
        return Check(name, "cannot tell", f"events are unions ({_unions(trace)})")
    share, chance = shape.repeated(trace)
    expected, seen = chance * trace.requests, round(share * trace.requests)
    tail = float(poisson.cdf(seen, expected))
    if poisson.cdf(0, expected) > SURE:
        return Check(name, "cannot tell", "too few requests to see less overlap than chance", {"by chance": chance})
    return _check(
        name,
        tail < SURE and 2 * seen < expected,
        f"Consecutive tokens share {100 * share:.1f} % of their experts, and chance alone gives {100 * chance:.1f} %: these look "
        "like slices of one token's ranking, read with a wrong stride.",
        f"consecutive tokens share {100 * share:.1f} %, and chance gives {100 * chance:.1f} %",
        **{"shared": share, "by chance": chance, "tail": tail},
    )


def dummy_prefix(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether the first rounds are equal, or name the first experts of every layer.

    One token that is repeated, such as a blank, also makes equal rounds: then later runs of them are long too.
    """
    name = "dummy rounds"
    asked = np.flatnonzero((sizes > 0).any(axis=1))
    first = int(asked[0])
    whole = float(_bits(trace, sizes[first]).sum())
    same, later = _equal_runs(trace, first)
    low = np.where(trace.experts[first] >= 0, np.arange(trace.top_k), -1)
    plain = whole > BITS and bool((np.sort(trace.experts[first], axis=1) == np.sort(low, axis=1)).all())
    warns = plain or (same >= ROUNDS * later and (same - 1) * whole > BITS)
    what = "name the first experts of every layer" if plain else "ask for the same experts in every layer"
    return _check(
        name,
        warns,
        f"The first {counted(same, 'round')} {what}: they look like the dummy batch of an engine that profiles itself.",
        "the first rounds differ" if same == 1 else "equal rounds at the start are no longer than later ones",
        **{"equal rounds": same, "from round": first, "longest later": later, "bits a round": round(whole, 1)},
    )


def _equal_runs(trace: Trace, first: int) -> tuple[int, int]:
    """Return the length of the run of equal rounds that begins at ``first``, and of the longest later one."""
    equal = np.zeros(trace.rounds, bool)
    for at in range(1, trace.rounds, PART):
        ids = np.sort(trace.experts[at - 1 : at + PART], axis=2)
        equal[at : at + PART] = (ids[1:] == ids[:-1]).all(axis=(1, 2)) & (ids[1:].max(axis=(1, 2)) >= 0)
    heads = np.append(np.flatnonzero(~equal[first:]), trace.rounds - first)
    if heads[0]:
        heads = np.insert(heads, 0, 0)
    runs = np.diff(heads)
    return int(runs[0]), int(runs[1:].max(initial=1))


def uniform(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether the experts of all layers are used alike, as no trained router does (chi-square, all layers)."""
    from scipy.stats import chi2, ncx2

    uses = _uses(trace, 0, trace.rounds)
    statistic = least = 0.0
    degrees = 0
    for j in np.flatnonzero(trace.asked).tolist():
        n, m = trace.n_experts[j], sizes[:, j]
        spread = int((m * (n - m)).sum()) / (n * (n - 1)) if n > 1 else 0.0
        if spread > 0:
            mean = int(m.sum()) / n
            mine = uses[trace.first_page[j] :][:n]
            statistic += float(((mine - mean) ** 2).sum()) / spread
            least += n * (SKEW * mean) ** 2 / spread
            degrees += n - 1
    if not degrees:
        return Check("uniform routing", "cannot tell", "no layer has a choice")
    limit = float(chi2.isf(0.001, degrees))
    power = float(ncx2.sf(limit, degrees, least))
    numbers = {"chi-square": round(statistic, 1), "degrees": degrees, "p": float(chi2.sf(statistic, degrees)),
               "power": round(power, 6)}  # fmt: skip
    if power < POWER and statistic <= limit:
        said = f"too few requests: a skew of {100 * SKEW:.0f} % would be seen with probability {power:.3f}"
        return Check("uniform routing", "cannot tell", said, numbers)
    return _check(
        "uniform routing",
        statistic <= limit,
        f"All experts of a layer are used alike, as far as chance can tell (chi-square {statistic:,.1f} on {degrees:,} degrees of "
        "freedom): no trained router does that.",
        "experts are not used alike",
        **numbers,
    )


def repeated_sessions(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether sessions, or the prompts of sessions, are equal."""
    import hashlib

    begins = np.zeros(trace.rounds, bool)
    begins[trace.sessions] = True
    bits = _bits(trace, sizes).sum(axis=1)

    def copies(heads: npt.NDArray[np.bool_], only: int | None) -> tuple[int, int]:
        starts = np.flatnonzero(heads)
        seen: dict[bytes, int] = {}
        for a, b in zip(starts.tolist(), [*starts[1:].tolist(), trace.rounds], strict=True):
            if (only is None or trace.stage[a] == only) and float(bits[a:b].sum()) > BITS:
                key = hashlib.sha256(np.ascontiguousarray(trace.experts[a:b]).tobytes() + trace.stage[a:b].tobytes())
                seen[key.digest()] = seen.get(key.digest(), 0) + 1
        return sum(seen.values()), sum(n - 1 for n in seen.values())

    sessions, again = copies(begins, None)
    turned = begins.copy()
    turned[1:] |= trace.stage[1:] != trace.stage[:-1]
    prompts, prompts_again = copies(turned, PREFILL)
    parts = [f"{again} of {counted(sessions, 'session')}"] if again else []
    parts += [f"{prompts_again} of {counted(prompts, 'prompt')}"] if prompts_again > again else []
    if not sessions and not prompts:
        return Check("repeated sessions", "cannot tell", "sessions are too short to tell copies from chance")
    return _check(
        "repeated sessions",
        bool(parts),
        f"Repeated exactly: {' and '.join(parts)}. A cache that stays warm hits copies, and they are no further evidence.",
        "no session and no prompt is a copy of another",
        **{"sessions": sessions, "copies": again, "prompts": prompts, "copies of prompts": prompts_again},
    )


def constant(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether a layer asks for the same experts in every round."""
    found = []
    bits = _bits(trace, sizes)
    single = set(shape.constant_layers(trace))
    for j in np.flatnonzero(trace.asked).tolist():
        rows = np.flatnonzero(sizes[:, j])
        first = np.sort(trace.experts[rows[0], j])
        if float(bits[rows[1:], j].sum()) > BITS and all(
            (np.sort(trace.experts[rows[at : at + PART], j], axis=1) == first).all() for at in range(0, len(rows), PART)
        ):
            single.add(j)
    names = layer_names(trace)
    found = [names[j] for j in sorted(single)]
    return _check(
        "constant layers",
        bool(found),
        f"Always the same experts in layer {', '.join(found[:12])}: a dense layer, or a buffer that was never filled.",
        "no layer asks for the same in every round",
        layers=found,
    )


def missing(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether rounds, or events of rounds, are missing, other than tokens from a prefix cache."""
    empty: npt.NDArray[np.bool_] = ~np.any(sizes > 0, axis=1)
    prefix = 0
    for a, b in zip(trace.sessions.tolist(), [*trace.sessions[1:].tolist(), trace.rounds], strict=True):
        there = np.flatnonzero(~empty[a:b])
        prefix += int(there[0]) if len(there) else b - a
    rounds = int(empty.sum()) - prefix
    partial = (sizes == 0)[:, trace.asked] & ~empty[:, None]
    events = int(partial.sum())
    last = events and int(partial[trace.stage == PREFILL, -1].sum()) == events
    why = "; an engine that computes the last layer of a prompt for its last token only does that" if last else ""
    said = [f"{counted(rounds, 'round')} without any request after a session's first" if rounds else "",
            f"{counted(events, 'event')} of rounds that have others{why}" if events else ""]  # fmt: skip
    return _check(
        "missing tokens",
        bool(rounds or events),
        f"Missing: {', and '.join(filter(None, said))}.",
        "nothing is missing but tokens at the start of a session" if prefix else "nothing is missing",
        **{"rounds": rounds, "events": events, "at the start": prefix},
    )


def mixed_stages(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether the stage alternates in a session, as it does where several requests were logged as one."""
    most, short, where = 0, 0.0, 0
    for number, (a, b) in enumerate(
        zip(trace.sessions.tolist(), [*trace.sessions[1:].tolist(), trace.rounds], strict=True)
    ):
        stage = trace.stage[a:b]
        turns = np.flatnonzero(np.diff(stage)) + 1
        runs = np.diff(np.concatenate(([0], turns, [len(stage)])))
        kinds = stage[np.concatenate(([0], turns))]
        back = int((kinds[1:] == PREFILL).sum())
        decode = runs[kinds == DECODE]
        if back > most and len(decode) and float(np.median(decode)) < SHORT:
            most, short, where = back, float(np.median(decode)), number
    return _check(
        "mixed stages",
        most >= TURNS,
        f"In session {where} the stage turns back to prefill {counted(most, 'time')}, after decode runs of {short:g} rounds: "
        "several requests were logged as one.",
        "no session turns back to prefill again and again",
        **{"turns": most, "median decode run": short},
    )


CHECKS: tuple[Callable[[Trace, npt.NDArray[np.int64]], Check], ...] = (
    cut_off,
    sorted_by_id,
    physical_slots,
    copied_layers,
    strided,
    dummy_prefix,
    uniform,
    repeated_sessions,
    constant,
    missing,
    mixed_stages,
)
