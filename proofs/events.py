"""Lower bounds for events of m experts a layer, forced and with bypass, and where they are attained.

Claim.    Let every event ask for m < n of the n experts of its layer, lm <= k and k + 1 <= ln.  Every deterministic policy has
          ratio at least k - lm + 1 if all members must stay until their event ends, and k - lm + 2 with bypass.
Proof.    Only k + 1 pages are used, so some page is always absent.  Visiting a layer that holds an absent page, ask for
          it and for the m - 1 other pages of the layer that were asked for last; otherwise for the m asked for last.
          *Forced*: cut into k-phases, maximal runs of events with at most k distinct pages.  Since k >= lm, a phase that ends is at
          least l events long, so it asked for whatever a layer was asked for last; the next phase begins with a page
          that it did not ask for, which is then the absent one: a miss.  The first visits to the l layers bring at most lm new pages of the phase; each of the other k - lm comes with a miss of its own.  So a phase has at
          least k - lm + 1 misses.  The optimum misses once a phase: it evicts the page needed last, and the next
          miss is not before all k + 1 pages were asked for.
          *Bypass*: cut into segments, minimal runs in which all k + 1 pages are asked for.  The page that is absent when a segment begins is
          asked for at the first visit to its layer, unless a miss came before: so the first l events, with at most lm new
          pages, have a miss, and each of the other k + 1 - lm new pages comes with one.  The optimum lacks the
          page that the segment asks for last, loads it then, and drops the one that the next segment asks for last: one miss.
          If phases or segments never end, the policy misses for ever and the optimum does not.
Evidence. The exact ratio of the best deterministic policy at each size, with a certificate that the trusted checker accepts.
Control.  One more is refuted at a size where the bound is the exact value.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from layered_paging.claims import certified_optimal, certified_ratio
from layered_paging.core.registry import register

PAPER = "angelopoulos-marchal-obrecht-simon-2025"
SIZES = {
    "small": ((1, 4, 2), (1, 5, 3), (2, 2, 1), (2, 3, 2), (3, 2, 1)),
    "full": (
        (1, 4, 2),
        (1, 5, 3),
        (1, 6, 2),
        (2, 2, 1),
        (2, 3, 1),
        (2, 3, 2),
        (2, 4, 2),
        (2, 4, 3),
        (3, 2, 1),
        (3, 3, 2),
    ),
}
SCOPE = {
    "small": "l x n, m = 1x4, 2; 1x5, 3; 2x2, 1; 2x3, 2; 3x2, 1; every k from lm to ln - 1",
    "full": "also 1x6, 2; 2x3, 1; 2x4, 2; 2x4, 3; 3x3, 2",
}


def sizes(scope: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield (layers, experts, members, slots)."""
    for layers, experts, members in SIZES[scope]:
        for slots in range(layers * members, layers * experts):
            yield layers, experts, members, slots


def _below(scope: str, admission: str, extra: int) -> str | None:
    for layers, experts, members, slots in sizes(scope):
        found = certified_optimal(layers=layers, experts=experts, slots=slots, top_k=members, admission=admission)
        if found.lower < slots - layers * members + extra:
            return f"l = {layers}, n = {experts}, m = {members}, k = {slots}: the best policy has {found.upper}"
    return None


@register(
    "claim",
    "events-lower",
    cites=(PAPER,),
    statement="Forced events of m experts: every deterministic policy has ratio at least k - lm + 1 (certified at the sizes of the scope; at all sizes a theorem):",
    latex=r"m < n,\; l m \le k,\; k + 1 \le l n \Rightarrow r \ge k - l m + 1",
    status="[derived]",
    evidence="certificate",
    scope=SCOPE,
    control={"extra": 2},
    breaks="the best policy has",
    tight="events-best where k > lm; lru for l = 1",
)
def events_lower(scope: str = "small", *, extra: int = 1) -> str | None:
    """Return a size at which the best policy is below the bound."""
    return _below(scope, "forced", extra)


@register(
    "claim",
    "events-lower-bypass",
    cites=(PAPER,),
    statement="Events of m experts with bypass, for policy and optimum: every deterministic policy has ratio at least k - lm + 2 (certified at the sizes of the scope; at all sizes a theorem):",
    latex=r"m < n,\; l m \le k,\; k + 1 \le l n \Rightarrow r \ge k - l m + 2",
    status="[derived]",
    evidence="certificate",
    scope=SCOPE,
    control={"extra": 3},
    breaks="the best policy has",
    tight="events-best; lru for l = 1",
)
def events_lower_bypass(scope: str = "small", *, extra: int = 2) -> str | None:
    """Return a size at which the best policy is below the bound."""
    return _below(scope, "bypass", extra)


@register(
    "claim",
    "events-best",
    cites=(PAPER,),
    statement="At the sizes of the scope the best deterministic ratio is k - lm + 1 (forced, k > lm), 2 - 1/l (forced, k = lm), k - lm + 2 (bypass); LRU has it for l = 1:",
    latex=r"r^*_{\mathrm{forced}} = k - l m + 1,\quad r^*_{\mathrm{forced}}(k = l m) = 2 - \tfrac{1}{l},\quad r^*_{\mathrm{bypass}} = k - l m + 2",
    status="[computed]",
    evidence="certificate",
    scope=SCOPE,
    control={"shift": 1},
    breaks="not the stated ratio",
)
def events_best(scope: str = "small", *, shift: int = 0) -> str | None:
    """Return a size at which the best ratio, or LRU's in one layer, is another number."""
    for layers, experts, members, slots in sizes(scope):
        spare = slots - layers * members
        wanted = {
            "forced": spare + 1 + shift if spare else 2 - Fraction(1, layers) + shift,
            "bypass": spare + 2 + shift,
        }
        for admission, value in wanted.items():
            size = {"layers": layers, "experts": experts, "slots": slots, "top_k": members, "admission": admission}
            found = certified_optimal(**size)
            mine = certified_ratio("lru", **size).value if layers == 1 else value
            if not found.lower == found.upper == value == mine:
                return f"not the stated ratio: l = {layers}, n = {experts}, m = {members}, k = {slots}, {admission}: {found}, LRU {mine}"
    return None
