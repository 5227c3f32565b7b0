"""Checks bounds on the least stall time: plays the schedule on a clock, and evaluates the Lagrangian bound in fractions."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from fractions import Fraction
from math import ceil
from typing import Any

from ..certificate import Certificate
from ..core.trace import Trace
from ..errors import CertificateRejected
from .meter import hold, spend
from .reading import need

__all__ = ["check"]

_FRACTION = re.compile(r"[0-9]{1,20}(/([1-9][0-9]{0,2}|1000))?")  # sums of these keep small denominators
STATED = ("trace", "slots", "compute", "load", "unit_ns", "lower", "upper")
LONGEST = 1_000_000  # units of time, and options of loads, that are looked at


def check(certificate: Certificate, trace: Any = None) -> None:
    """Return if no schedule stalls for less than ``lower`` units and the one given stalls for ``upper``."""
    said, evidence = certificate.statement, certificate.evidence
    if not isinstance(trace, Trace):
        raise CertificateRejected("a certificate of kind 'stall' is about a trace, which must be given")
    need(set(said) == set(STATED), f"the statement must have the keys {', '.join(STATED)}, and no others")
    need(said["trace"] == trace.digest(), "it is about another trace")
    slots, load, compute = said["slots"], said["load"], said["compute"]
    numbers = [slots, load, said["lower"], said["upper"], said["unit_ns"], *compute]
    need(all(type(x) is int and x >= 0 for x in numbers), "its numbers must be integers of at least 0")
    need(slots >= 1 and load >= 1 and min(compute) >= 1 and said["unit_ns"] >= 1, "load and compute must be positive")
    need(len(compute) == trace.layers, "a compute time is needed for each layer")
    first = trace.first_page.tolist()
    events = [
        [first[layer] + e for e in row if e >= 0] for token in trace.experts.tolist() for layer, row in enumerate(token)
    ]
    need(trace.rounds * sum(compute) <= LONGEST, f"at most {LONGEST} units of time are looked at")
    begin = [0]
    for n in range(len(events)):
        begin.append(begin[-1] + compute[n % trace.layers])
    requests: list[
        tuple[int, int, bool]
    ] = []  # earliest begin of a load, begin of the event, whether it was there before
    last: dict[int, int] = {}
    for n, members in enumerate(events):
        for page in sorted(members):
            requests.append((last.get(page, 0), begin[n], page in last))
            last[page] = begin[n + 1]
    _schedule(evidence["loads"], requests, events, begin, load, slots, said["upper"])
    _lower(evidence["multipliers"], requests, events, begin, load, slots, said["lower"])


def _schedule(loads: Any, requests: Any, events: Any, begin: list[int], load: int, slots: int, stated: int) -> None:
    """Play the schedule: slots, one disk, and the clock."""
    need(isinstance(loads, list) and len(loads) == len(requests), "a load or null is needed for each request")
    change = [0] * (begin[-1] + 1)  # in the pages held beside the event's own
    starting: dict[int, list[int]] = {}
    ending: dict[int, list[int]] = {}
    for number, ((since, due, before), at) in enumerate(zip(requests, loads, strict=True)):
        if at is None:
            need(before, "a page cannot be kept before its first load")
            held = since
        else:
            a, b = at
            need(type(a) is int and type(b) is int and since <= a <= b <= due, "a load must lie between two uses")
            starting.setdefault(a, []).append(number)
            ending.setdefault(b, []).append(number)
            held = a
        change[held] += 1
        change[due] -= 1
    extra = 0
    unit = 0
    for n, members in enumerate(events):
        while unit < begin[n + 1]:
            extra += change[unit]
            need(extra + len(members) <= slots, f"more than {slots} slots are held")
            unit += 1
    clock = disk = 0  # in units; the clock counts computing and stalls
    done: dict[int, int] = {}
    bounds = set(begin)
    for unit in range(begin[-1] + 1):
        wait = clock
        for number in ending.get(unit, []):
            if loads[number][0] < unit:
                wait = max(wait, done[number])
        for number in starting.get(unit, []):
            if loads[number][1] == unit:  # asked for by the event that begins here
                disk = done[number] = max(wait, disk) + load
                wait = disk
        need(wait == clock or unit in bounds, "only the begin of an event can wait")
        clock = wait
        for number in starting.get(unit, []):
            if loads[number][1] > unit:
                need(disk <= clock, "the disk loads one page at a time")
                disk = done[number] = clock + load
        clock += 1
    need(clock - 1 - begin[-1] == stated, f"the schedule stalls for {clock - 1 - begin[-1]} units, not for {stated}")


def _lower(multipliers: Any, requests: Any, events: Any, begin: list[int], load: int, slots: int, stated: int) -> None:
    """Every schedule takes one option a request; capacities are priced by the multipliers, whatever they are.

    The capacities: slots beside an event's own in each unit; one load in each unit; and for each request one of: a load when it is
    asked for, a load on its way at that moment (it would have to end first, and then ends there).
    """
    units = begin[-1]
    hold(5 * units + len(requests), "the prices of every unit of time")
    price = [Fraction(0)] * (2 * units + len(requests))
    for t, x in multipliers:
        need(type(t) is int and 0 <= t < len(price) and isinstance(x, str), "a multiplier is out of place")
        need(_FRACTION.fullmatch(x) is not None, "multipliers must be fractions of at least 0, such as 7/4")
        price[t] = Fraction(x)
    value = -sum(price[2 * units :], Fraction(0))
    for n, members in enumerate(events):
        for t in range(begin[n], begin[n + 1]):
            value -= price[t] * (slots - len(members)) + price[units + t]
    slot_sums, disk_sums = _sums(price[:units]), _sums(price[units : 2 * units])
    # what a load pays for being on its way when an event begins, summed over the begins before a unit
    crossing = [Fraction(0)] * (units + 1)
    for number, (_, due, _) in enumerate(requests):
        crossing[due] += price[2 * units + number]
    cross_sums = _sums(crossing)
    looked = 0
    for number, (since, due, before) in enumerate(requests):
        best = load + price[2 * units + number]  # loaded when asked for
        if before:
            best = min(best, slot_sums[due] - slot_sums[since])
        spend(20 * (due - since), "the options of loads")
        for a in range(since, due):
            slot = slot_sums[due] - slot_sums[a]
            ends = begin[bisect_right(begin, a) : bisect_left(begin, min(a + load, due + 1))]
            if a + load <= due:
                ends = [*ends, a + load]
            looked += len(ends)
            need(looked <= LONGEST, f"at most {LONGEST} options of loads are looked at")
            for b in ends:
                across = cross_sums[b] - cross_sums[a + 1]
                best = min(best, load - (b - a) + slot + disk_sums[b] - disk_sums[a] + across)
        value += best
    need(stated <= max(0, ceil(value)), f"the multipliers prove {float(value):.3f} units, not {stated}")


def _sums(values: list[Fraction]) -> list[Fraction]:
    found = [Fraction(0)]
    for x in values:
        found.append(found[-1] + x)
    return found
