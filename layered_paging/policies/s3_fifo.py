"""S3-FIFO: a small queue on trial, a main queue, and a ghost queue of what left the small one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..core.instance import Instance
from ..core.registry import register
from ..errors import ParameterError
from .spec import Time


@register(
    "policy",
    "s3-fifo",
    cites=("yang-et-al-2023",),
    aka=("S3FIFO",),
    stack=False,
    lazy=True,
    marking=False,
    conservative=False,
)
class S3FIFO:
    """Evict from the small queue if it has its share or more, otherwise from the main queue.

    A loaded page enters the main queue if the ghost queue knows it (and leaves the ghost queue), else
    the small one, with no uses.  From the small queue, oldest first: a page with two uses or more moves to the
    main queue with its uses forgotten; another is evicted and enters the ghost queue.  From the main
    queue, oldest first: a used page goes to the end with one use less (at most three count), another is evicted.

    Parameters
    ----------
    instance : Instance
    small : float
        Share of the slots for the small queue: max(1, floor(small * slots)) pages.
    ghost : float
        Length of the ghost queue: floor(ghost * slots) pages, the oldest leave.
    filling : {"small", "main"}
        Where pages go, until the first eviction, when the small queue has its share: the paper's
        rule is "small"; libCacheSim has "main".

    Notes
    -----
    This differs from Algorithm 1 of the paper in four points, in which the authors' libCacheSim counts as we do:

    - There a page that moves to a full main queue makes that queue evict at once.  Then the
      small queue goes on until it too evicts a page.  Here the main queue may exceed its share. One page leaves,
      from the small queue unless all of it moves. The small queue is then below its share, so the main queue gives the next.
    - There the ghost queue is asked after the evictions, here before: they may push the requested page out of it.
    - A page found in the ghost queue leaves it; the paper's listing does not say.
    - There the small queue gives while it has at least the share itself, here the share rounded down, at least one page.

    Pages loaded by the present event enter after its evictions, in ascending page number, and do not count
    until then.  Members that must stay keep their places and their uses; if nothing in the queue may go,
    the other one gives a page.
    """

    def __init__(self, instance: Instance, *, small: float = 0.1, ghost: float = 0.9, filling: str = "small") -> None:
        for name, share in (("small", small), ("ghost", ghost)):
            if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
                raise ParameterError(f"s3-fifo: {name} must be a share from 0 to 1; got {share!r}")
        if filling not in ("small", "main"):
            raise ParameterError(f"s3-fifo: filling must be 'small' or 'main'; got {filling!r}")
        self.small_room = max(1, int(Fraction(str(small)) * instance.slots))
        self.ghost_room = int(Fraction(str(ghost)) * instance.slots)
        self.fills_main = filling == "main"
        self._small: list[int] = []
        self._main: list[int] = []
        self._ghost: list[int] = []
        self._uses: dict[int, int] = {}
        self._waiting: list[tuple[int, int, bool]] = []
        self._evicted = False

    def hit(self, page: int, time: Time) -> None:
        """Count the use."""
        self._uses[page] += 1

    def miss(self, page: int, time: Time) -> None:
        """Let the page wait until the event's evictions are over."""
        known = page in self._ghost
        if known:
            self._ghost.remove(page)
        self._waiting.append((time.clock, page, known))
        self._uses[page] = 0

    def victim(self, candidates: Sequence[int], time: Time) -> int:
        """Return the page that leaves."""
        allowed = set(candidates)
        self._enter(time.clock)
        self._evicted = True
        if allowed.isdisjoint(self._small) and allowed.isdisjoint(self._main):
            self._enter(None)  # only what the event itself loaded is left
        if len(self._small) < self.small_room and not allowed.isdisjoint(self._main):
            return self._from_main(allowed)
        page = self._from_small(allowed)
        return self._from_main(allowed) if page is None else page

    def clear(self, time: Time) -> None:
        """Empty the small and the main queue."""
        self._small, self._main, self._waiting, self._evicted = [], [], [], False

    def _from_small(self, allowed: set[int]) -> int | None:
        for page in [p for p in self._small if p in allowed]:
            self._small.remove(page)
            if self._uses[page] < 2:
                self._ghost = ([*self._ghost, page])[-self.ghost_room :] if self.ghost_room else []
                return page
            self._uses[page] = 0
            self._main.append(page)
        return None

    def _from_main(self, allowed: set[int]) -> int:
        while True:
            page = next(p for p in self._main if p in allowed)
            self._main.remove(page)
            if self._uses[page] == 0:
                return page
            self._uses[page] = min(self._uses[page], 3) - 1
            self._main.append(page)

    def _enter(self, before: int | None) -> None:
        entering = [w for w in self._waiting if before is None or w[0] < before]
        self._waiting = self._waiting[len(entering) :]
        for _, page, known in entering:
            filling = self.fills_main and not self._evicted and len(self._small) >= self.small_room
            (self._main if known or filling else self._small).append(page)
