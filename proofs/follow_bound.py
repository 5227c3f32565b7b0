"""FOLLOW never misses much more often than the better of the two policies that it follows.

Claim.    With patience g, k slots, atomic events of at most m <= k members, and M the fewer misses of the two policies:
          FOLLOW <= (2 + 1/g) M + (1 + 1/g)(g k + m).
Evidence. ``follow-accounting``: let X be the policy followed, Y the other, R the misses of FOLLOW, P the pages that X holds
          and FOLLOW does not, and h the members of an event among them.  An event costs FOLLOW at most x + h, where x is what
          it costs X, and leaves at most P - h: what FOLLOW evicts X does not hold.  So R + P grows by at most x.  A
          change of the leader makes P at most k, and happens at the end of an event that leaves X - Y >= g k; until
          then X - Y < g k + m.  The invariants I1: g (R + P) <= g X + (g + 1) Y and I2: g (R + P) <= (2 g + 1) X + (g + 1)(g k + m)
          are inductive over events and changes, and give the bound for X and for Y: z3, for all integers, for each patience in the scope.
          Beyond it, by hand: at a change I1 for the new leader needs g k <= X - Y, which is when it happens, and I2 follows from
          X - Y <= g k + m - 1, as (2 g + 1) Y + g (g k + m) - g + g k <= (2 g + 1) Y + (g + 1)(g k + m).
          ``follow-bound``: the step "R + P grows by at most x" and the bound itself on every event sequence in the scope,
          played by the reference classes, with llru and lru in the roles.
Control.  The bound with (1 + 1/g) M; a cost of x - 1 an event.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from layered_paging.claims import counter_model, solver
from layered_paging.core.instance import Instance
from layered_paging.core.registry import register
from layered_paging.policies.follow import Follow
from layered_paging.policies.spec import Time
from layered_paging.policies.step import Pool

FOLLOW = "fiat-karp-luby-mcgeoch-sleator-young-1991"


@register(
    "claim",
    "follow-accounting",
    cites=(FOLLOW, "blum-burch-2000"),
    statement="FOLLOW with patience g against the better of its two policies, events of at most m members: the counting, for all k and m and the patience in the scope (beyond it by hand):",
    latex=r"\mathrm{FOLLOW} \le (2 + \tfrac1g) \min(X, Y) + (1 + \tfrac1g)(g k + m)",
    status="[derived]",
    evidence="step",
    scope={"small": "all k, m; g = 1, 2, 4", "full": "all k, m; g = 1 to 12"},
    control={"less": 1},
    breaks="end, g = ",
)
def follow_accounting(scope: str = "small", *, less: int = 0) -> str | None:
    """Return a model that breaks the induction, or None."""
    z3 = solver()
    r, p, x, y, k, m = z3.Ints("R P X Y k m")
    r2, p2, x2, y2, cost, common = z3.Ints("R2 P2 X2 Y2 x h")
    for g in (1, 2, 4) if scope == "small" else range(1, 13):
        slack = (g + 1) * (g * k + m)

        def invariant(r_: Any, p_: Any, x_: Any, y_: Any, g: int = g, slack: Any = slack) -> Any:
            return z3.And(
                g * (r_ + p_) <= g * x_ + (g + 1) * y_,
                g * (r_ + p_) <= (2 * g + 1) * x_ + slack,
                x_ - y_ < g * k,
                p_ >= 0,
                x_ >= 0,
                y_ >= 0,
            )

        sizes = [k >= 1, m >= 1, m <= k]
        start = z3.substitute(invariant(r, p, x, y), *[(one, z3.IntVal(0)) for one in (r, p, x, y)])
        event = [
            *sizes, invariant(r, p, x, y), common >= 0, common <= p, cost >= 0, cost <= m,
            x2 == x + cost, y2 >= y, y2 <= y + m, r2 <= r + cost + common, p2 <= p - common, p2 >= 0,
        ]  # fmt: skip
        stays = [*event, x2 - y2 < g * k]
        changes = [*event, x2 - y2 >= g * k]  # then Y is followed, and P is anything up to k
        after = z3.Int("P3")
        end = z3.If(x <= y, x, y)
        found = (
            counter_model(f"start, g = {g}", sizes, start)
            or counter_model(f"step, g = {g}", stays, invariant(r2, p2, x2, y2))
            or counter_model(f"change, g = {g}", [*changes, after >= 0, after <= k], invariant(r2, after, y2, x2))
            or counter_model(
                f"end, g = {g}", [*sizes, invariant(r, p, x, y)], g * r <= (2 * g + 1 - less * g) * end + slack
            )
        )
        if found:
            return found
    return None


@register(
    "claim",
    "follow-bound",
    cites=(FOLLOW, "blum-burch-2000"),
    statement="FOLLOW with patience g = 1, event by event: its misses and the pages that it lacks of the cache followed grow by no more than the misses of the policy followed, so",
    latex=r"R + P \le R' + P' + x,\qquad \mathrm{FOLLOW} \le 3 \min(X, Y) + 2 (k + m)",
    status="[derived]",
    evidence="exhaustive",
    scope={
        "small": "every sequence: l = 1, n = 4, k = 2, 6 events; l = 2, n = 3, k = 3, 3 rounds; l = 1, n = 4, k = 3, pairs, 4 events",
        "full": "every sequence: l = 1, n = 4, k = 2, 8 events; l = 2, n = 3, k = 3, 4 rounds; l = 1, n = 4, k = 3, pairs, 5 events",
    },
    control={"less": 1},
    breaks="pages lacking",
)
def follow_bound(scope: str = "small", *, less: int = 0) -> str | None:
    """Return a sequence that breaks the step or the bound."""
    more = scope == "full"
    pairs = [(a, b) for a in range(4) for b in range(a)]
    for layers, experts, slots, events, length in (
        (1, 4, 2, [(e,) for e in range(4)], 8 if more else 6),
        (2, 3, 3, [(e,) for e in range(3)], 8 if more else 6),
        (1, 4, 3, pairs, 5 if more else 4),
    ):
        for roles in ({"first": "llru", "second": "lru"}, {"first": "lru", "second": "lifo"}):
            for sequence in product(events, repeat=length):
                found = _play(Instance(layers, experts, slots), sequence, roles, less)
                if found:
                    return f"{roles}, l = {layers}, n = {experts}, k = {slots}, {list(sequence)}: {found}"
    return None


def _play(instance: Instance, sequence: tuple[tuple[int, ...], ...], roles: dict[str, str], less: int) -> str | None:
    """Return what breaks, in words."""
    policy, misses, width = Follow(instance, **roles), 0, max(map(len, sequence))
    pool = Pool(policy, instance.slots)
    for n, event in enumerate(sequence):
        time = Time(n, *divmod(n, instance.layers))
        members = sorted(instance.page(time.layer, expert) for expert in event)
        lead = policy._shadows[policy._lead]
        before, cost = misses + len(lead.cache - pool.cache), lead.misses
        misses += len(pool.serve(members, time).misses)
        policy._settle()
        lacking = len(lead.cache - pool.cache)
        if policy._shadows[policy._lead] is lead and misses + lacking > before + lead.misses - cost - less:
            return f"event {n}: {misses} misses and {lacking} pages lacking"
        fewest = min(shadow.misses for shadow in policy._shadows)
        if misses > 3 * fewest + 2 * (instance.slots + width):
            return f"event {n}: {misses} misses, the better policy {fewest}"
    return None
