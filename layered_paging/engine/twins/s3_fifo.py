"""Twin of s3-fifo: a small, a main and a ghost queue."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..hooks import Now, inlined
from ..lists import empty, new_lists, oldest, push, unlink
from ..task import Task
from . import twin

# places in ``n``: pages that wait, the event that loaded them, pages of the small queue, whether anything was evicted, ghosts
WAITS, EVENT, SMALL, BEGUN, GHOSTS = range(5)


@twin(waits=True)
class S3Fifo(NamedTuple):
    """Lists 0 small, 1 main, 2 ghost; ``where`` is the list of a page (-1: none), also of waiting ones."""

    pages: int
    small_room: int
    ghost_room: int
    fills_main: bool
    after: Any
    before: Any
    where: Any
    uses: Any
    waiting: Any
    n: Any

    @classmethod
    def begin(cls, task: Task) -> S3Fifo:
        """Return a state for a pool."""
        policy: Any = task.spec.make(task.instance)
        pages, width = task.grid.pages, task.grid.shape[2]
        rooms = policy.small_room, policy.ghost_room, policy.fills_main
        where, uses = np.full(pages, -1, np.int8), np.zeros(pages, np.int64)
        return cls(pages, *rooms, *new_lists(pages, 3), where, uses, np.zeros(width, np.int32), np.zeros(5, np.int64))

    def reset(self, session: int) -> None:
        """Empty all queues."""
        for i in range(3):
            empty(self.after, self.before, self.pages + i)
        self.where[:] = -1
        self.n[:] = 0
        self.n[EVENT] = -1

    def clear(self, now: Now) -> None:
        """Empty the small and the main queue; ghosts stay."""
        for i in range(2):
            empty(self.after, self.before, self.pages + i)
        for page in range(self.pages):
            if self.where[page] < 2:
                self.where[page] = -1
        self.n[WAITS] = 0
        self.n[SMALL] = 0
        self.n[BEGUN] = 0
        self.n[EVENT] = -1

    def hit(self, page: int, now: Now) -> None:
        """Count a use."""
        self.uses[page] += 1

    def miss(self, page: int, now: Now) -> None:
        """Let the page wait until its event is over: for the main queue if it was a ghost, else for the small one."""
        n = self.n
        if n[EVENT] != now.event:
            _enter(self)
            n[EVENT] = now.event
        if self.where[page] == 2:
            unlink(self.after, self.before, page)
            n[GHOSTS] -= 1
            self.where[page] = 1
        else:
            self.where[page] = 0
        self.waiting[n[WAITS]] = page
        n[WAITS] += 1
        self.uses[page] = 0

    def victim(self, resident: Any, guard: Any, now: Now) -> int:
        """Take a page from the main queue while the small one is within its room, else from the small one."""
        n = self.n
        if n[EVENT] != now.event:
            _enter(self)
        n[BEGUN] = 1
        if now.stamp == -2:
            _enter(self)
        page: int = -1
        if n[SMALL] < self.small_room:
            page = _from_main(self, guard, now.stamp)
        if page < 0:
            page = _from_small(self, guard, now.stamp)
        if page < 0:
            page = _from_main(self, guard, now.stamp)
        return page


@inlined
def _enter(state: Any) -> None:
    """Let the waiting pages enter their queues."""
    for i in range(state.n[WAITS]):
        page = state.waiting[i]
        if state.fills_main and state.n[BEGUN] == 0 and state.n[SMALL] >= state.small_room:
            state.where[page] = 1
        push(state.after, state.before, state.pages + state.where[page], page)
        state.n[SMALL] += state.where[page] == 0
    state.n[WAITS] = 0


@inlined
def _from_small(state: Any, guard: Any, stamp: Any) -> Any:
    """Take the first page used less than twice, which becomes a ghost; others move to the main queue.  -1: none may go."""
    n = state.n
    while True:
        page = oldest(state.after, guard, stamp, state.pages)
        if page < 0:
            return page
        unlink(state.after, state.before, page)
        n[SMALL] -= 1
        # used once: it leaves, as a ghost if there is room for ghosts; the oldest ghost makes room
        if state.uses[page] < 2:
            state.where[page] = -1
            if state.ghost_room > 0:
                state.where[page] = 2
                push(state.after, state.before, state.pages + 2, page)
                n[GHOSTS] += 1
                if n[GHOSTS] > state.ghost_room:
                    old = state.after[state.pages + 2]
                    unlink(state.after, state.before, old)
                    state.where[old] = -1
                    n[GHOSTS] -= 1
            return page
        # used again: on to the main queue
        state.uses[page] = 0
        state.where[page] = 1
        push(state.after, state.before, state.pages + 1, page)


@inlined
def _from_main(state: Any, guard: Any, stamp: Any) -> Any:
    """Take the first page without uses left; others go around with one less, of at most three.  -1: none may go."""
    while True:
        page = oldest(state.after, guard, stamp, state.pages + 1)
        if page < 0:
            return page
        unlink(state.after, state.before, page)
        if state.uses[page] == 0:
            state.where[page] = -1
            return page
        state.uses[page] = min(state.uses[page], 3) - 1
        push(state.after, state.before, state.pages + 1, page)
