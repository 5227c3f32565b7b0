"""Tests of ids: each for one mistake that makes them something else than a router's choices."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.trace import DECODE, PREFILL, Trace, layer_names
from ..core.words import counted
from . import shape
from .checks import BITS, PART, Check, Numbers, decided, unions
from .losses import uses_of
from .models import stated_experts, stated_top_k

__all__ = ["copied_layers", "cut_off", "physical_slots", "sorted_by_id", "strided", "uniform"]

SURE = 1e-9  # the same for sums: tail probability
SKEW = 0.2  # coefficient of variation of the uses of a layer's experts that the test of uniformity must be able to see
POWER = 0.999
RIGID = 0.9  # share by chance from which on layers hardly change, so that a copy means nothing
BLOCKS = 24  # of a trace, to see whether ids change places
LONG = 64  # rounds of a block at the least: shorter ones differ by what a sentence is about
ALIKE, APART = 0.6, 0.1  # correlations of uses between blocks
ROUNDS = 4  # rounds that copied layers must have at the least


def cut_off(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether events hold fewer experts than the model chooses."""
    stated, source = stated_top_k(trace.meta)
    largest = int(sizes.max())
    if stated is None:
        said = "nothing states how many experts a token takes, so that a cut cannot be seen"
        return Check("top_k cut off", "cannot tell", said, {"largest event": largest})
    warns = largest < stated
    return decided(
        "top_k cut off",
        warns,
        f"No event has more than {counted(largest, 'expert')}, but {source} says {stated}: the log cuts events off.",
        f"the largest event has {largest}, and {source} says {stated}",
        **{"largest event": largest, "stated": stated, "events": int((sizes > 0).sum())},
    )


def sorted_by_id(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether the members of every event of a stage ascend, or descend."""
    name = "sorted by id"
    if unions(trace):
        return Check(name, "cannot tell", f"events are unions ({unions(trace)}), which have no router order")
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
    return decided(
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
    return decided(
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

    Blocks b - 1 and b, b and b + 2, b + 2 and b + 3 are compared. Only places with both sides at least ``ALIKE`` count.
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
    uses, events = uses_of(trace), (sizes > 0).sum(axis=0)
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
    return decided(
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
    from scipy.special import pdtr  # scipy.stats, which calls it, takes half a second to load

    name = "strided tokens"
    if unions(trace):
        return Check(name, "cannot tell", f"events are unions ({unions(trace)})")
    share, chance = shape.repeated(trace)
    expected, seen = chance * trace.requests, round(share * trace.requests)
    tail = float(pdtr(seen, expected))
    if pdtr(0, expected) > SURE:
        return Check(name, "cannot tell", "too few requests to see less overlap than chance", {"by chance": chance})
    return decided(
        name,
        tail < SURE and 2 * seen < expected,
        f"Consecutive tokens share {100 * share:.1f} % of their experts, and chance alone gives {100 * chance:.1f} %: these look "
        "like slices of one token's ranking, read with a wrong stride.",
        f"consecutive tokens share {100 * share:.1f} %, and chance gives {100 * chance:.1f} %",
        **{"shared": share, "by chance": chance, "tail": tail},
    )


def uniform(trace: Trace, sizes: npt.NDArray[np.int64]) -> Check:
    """Test whether the experts of all layers are used alike, as no trained router does (chi-square, all layers)."""
    from scipy.special import chdtrc, chdtri, chndtr  # scipy.stats, which calls them, takes half a second to load

    uses = uses_of(trace)
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
    limit = float(chdtri(degrees, 0.001))
    power = 1 - float(chndtr(limit, degrees, least))
    numbers = {"chi-square": round(statistic, 1), "degrees": degrees, "p": float(chdtrc(degrees, statistic)),
               "power": round(power, 6)}  # fmt: skip
    if power < POWER and statistic <= limit:
        said = f"too few requests: a skew of {100 * SKEW:.0f} % would be seen with probability {power:.3f}"
        return Check("uniform routing", "cannot tell", said, numbers)
    return decided(
        "uniform routing",
        statistic <= limit,
        f"All experts of a layer are used alike, as far as chance can tell (chi-square {statistic:,.1f} on {degrees:,} degrees of "
        "freedom): no trained router does that.",
        "experts are not used alike",
        **numbers,
    )
