"""FOLLOW never misses much more than twice as often as the better of the two policies that it follows.

Claim.    With patience g, k slots, atomic events of at most k members, and M the fewer misses of the two policies:
          FOLLOW <= 2 M + g k - 1.
Evidence. ``follow-accounting``: let X be the misses of the policy followed after an event, Y those of the other, R those of
          FOLLOW, P and Q the pages that X's and Y's cache holds and FOLLOW's does not.  Let h members of the event be among
          the pages of P.  FOLLOW misses at most x + h of them, where x is what the event costs X.  What FOLLOW evicts X
          does not hold, so P falls by h.  FOLLOW evicts no more pages than it misses.  So Q grows by at most the members
          that neither FOLLOW nor Y held, which cost Y as much.  Either policy may be followed: R + P + Q never grows by more than
          both miss, and X - Y < g k after each event.  So J1: R + P + Q <= X + Y, J2: R + P <= 2 X + g k - 1.  At a
          change J2 of the new leader follows from J1 before the event.  J1 gives R <= 2 Y + g k - 1, J2 the same of X:
          z3, for all integers and all patiences at once.
          ``follow-bound``: both steps and the bound itself on every event sequence in the scope, played by the reference
          classes, with llru and lru in the roles.
Attained. The factor 2: the largest ratio over all cycles of two arbitrary policies is exactly 2 at l = 1 and (n, k, g) = (3, 2, 1),
          (4, 2, 1), (5, 2, 1), (3, 2, 2), (4, 2, 2), (3, 2, 3), (4, 3, 1), (5, 3, 1), (4, 3, 2), (5, 4, 1).
Control.  The bound with a factor of 1; steps that cost one less.
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
    statement="FOLLOW with patience g against the better of its two policies, atomic events: the counting, for all k and g:",
    latex=r"\mathrm{FOLLOW} \le 2 \min(X, Y) + g k - 1",
    status="[derived]",
    evidence="step",
    scope={"small": "all k and g", "full": "all k and g"},
    control={"less": 1},
    breaks="end",
)
def follow_accounting(scope: str = "small", *, less: int = 0) -> str | None:
    """Return a model that breaks the induction, or None."""
    z3 = solver()
    r, p, q, x, y, late = z3.Ints("R P Q X Y gk")
    r2, p2, q2, x2, y2, cost, other, common = z3.Ints("R2 P2 Q2 X2 Y2 x y h")

    def invariant(r_: Any, p_: Any, q_: Any, x_: Any, y_: Any) -> Any:
        counts = z3.And(*(one >= 0 for one in (r_, p_, q_, x_, y_)))
        return z3.And(counts, r_ + p_ + q_ <= x_ + y_, r_ + p_ <= 2 * x_ + late - 1, x_ - y_ <= late - 1)

    zero = [z3.IntVal(0)] * 5
    before = [late >= 1, invariant(r, p, q, x, y), *(one >= 0 for one in (common, cost, other, p2, q2))]
    # what an event costs and leaves if X is followed after it, and if Y is
    stays = [x2 == x + cost, y2 == y + other, r2 <= r + cost + common, r2 >= r, p2 <= p - common, q2 <= q + other]
    changes = [x2 == x + cost, y2 == y + other, r2 <= r + other + common, r2 >= r, q2 <= q - common, p2 <= p + cost]
    end = z3.If(x <= y, x, y)
    return (
        counter_model("start", [late >= 1], invariant(*zero))
        or counter_model("step", [*before, *stays, x2 - y2 < late], invariant(r2, p2, q2, x2, y2))
        or counter_model("change", [*before, *changes, x2 - y2 >= late], invariant(r2, q2, p2, y2, x2))
        or counter_model("end", [late >= 1, invariant(r, p, q, x, y)], r <= (2 - less) * end + late - 1)
    )


@register(
    "claim",
    "follow-bound",
    cites=(FOLLOW, "blum-burch-2000"),
    statement="FOLLOW with patience g = 1, event by event: its misses and the pages that it lacks of the cache followed grow by no more than the misses of the policy followed; what it lacks of the other cache grows by no more than the misses of the other; so",
    latex=r"R + P \le R' + P' + x,\quad Q \le Q' + y,\quad \mathrm{FOLLOW} \le 2 \min(X, Y) + k - 1",
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
    policy, misses = Follow(instance, **roles), 0
    pool = Pool(policy, instance.slots)
    for n, event in enumerate(sequence):
        time = Time(n, *divmod(n, instance.layers))
        members = sorted(instance.page(time.layer, expert) for expert in event)
        lacked = [len(shadow.cache - pool.cache) for shadow in policy._shadows]
        missed = [shadow.misses for shadow in policy._shadows]
        mine = len(pool.serve(members, time).misses)
        policy._settle()
        misses += mine
        lacking = [len(shadow.cache - pool.cache) for shadow in policy._shadows]
        cost = [shadow.misses - was for shadow, was in zip(policy._shadows, missed, strict=True)]
        lead, other = policy._lead, 1 - policy._lead
        if mine + lacking[lead] > lacked[lead] + cost[lead] - less or lacking[other] > lacked[other] + cost[other]:
            return f"event {n}: {misses} misses and {lacking} pages lacking"
        fewest = min(shadow.misses for shadow in policy._shadows)
        if misses > 2 * fewest + instance.slots - 1:
            return f"event {n}: {misses} misses, the better policy {fewest}"
    return None
