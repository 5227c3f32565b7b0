"""What a policy keeps and does, in a sentence, for whoever has to build it."""

from __future__ import annotations

from ..policies.names import resolve

__all__ = ["COSTS", "about"]

COSTS = {
    "lru": "a linked list of the cached pages; constant time per request",
    "llru": "the last round of each cached page; an eviction looks for the oldest round, then for the layer furthest ahead",
    "similar-rounds": "the experts of some hundred earlier rounds; each round is compared with all of them",
    "classlru": "a fading counter for every page, cached or not, and a linked list for each of some eight classes; constant time per request",
    "lru-hits-first": "a linked list of the cached pages; constant time per request",
    "heat-protected": "two linked lists of the cached pages and a counter each; constant time per request",
    "sampled-lfru": "a counter and a time for each slot; an eviction looks at some slots drawn",
    "lfru": "a counter for every page; an eviction looks at all cached pages",
    "lfu": "a counter for every page, cached or not, and a heap of the cached ones; logarithmic time per request",
    "lfu-decay": "a fading counter for every page, cached or not, and a heap of the cached ones; logarithmic time per request",
    "slru": "two linked lists; constant time per request",
    "sieve": "a queue and a bit for each cached page; constant time per request on average",
    "s3-fifo": "three queues and two bits for each page; constant time per request on average",
    "arc": "four linked lists of up to twice the slots; constant time per request",
    "least-stale": "the last use of each cached page; an eviction looks through the layers that were passed first",
    "fifo": "a queue; constant time per request",
}


def about(policy: str) -> str:
    """Return idea and cost of a policy; the cost is left out where it is not known."""
    spec = resolve(policy)
    idea = " ".join((spec.cls.__doc__ or "").strip().split("\n\n")[0].split())
    cost = COSTS.get(spec.base)
    return f"Its idea: {idea[:1].lower()}{idea[1:]}" + ("" if cost is None else f" Its cost: {cost}.")
