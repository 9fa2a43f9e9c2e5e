"""Places of which no owner takes all while others may want one."""

from __future__ import annotations

import asyncio
from collections import Counter

from worker.jobs.shares import has_share


class Places:
    """most: places in all. is_shared: no owner has more than their share, see `has_share`."""

    def __init__(self, most: int, *, is_shared: bool) -> None:
        self._free = most
        self._is_shared = is_shared
        self._held: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    @property
    def taken(self) -> int:
        """By all owners."""
        return self._held.total()

    def held(self, owner: str) -> int:
        return self._held[owner]

    async def take(self, owner: str) -> None:
        """Waits for its turn; give it back with `release`."""
        if self._has_one(owner):
            self._give(owner)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((owner, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came in the same moment
                self.release(owner)
            else:
                self._waiting.remove((owner, turn))
            raise

    def take_now(self, owner: str) -> bool:
        """Whether there is one, which is the owner's then. Not for places that others wait for."""
        if not self._has_one(owner):
            return False
        self._give(owner)
        return True

    def release(self, owner: str) -> None:
        self._free += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        for row in list(self._waiting):
            if not row[1].done() and self._has_one(row[0]):
                self._waiting.remove(row)
                self._give(row[0])
                row[1].set_result(None)

    def _has_one(self, owner: str) -> bool:
        return has_share(self._free, self._held[owner] if self._is_shared else 0)

    def _give(self, owner: str) -> None:
        self._free -= 1
        self._held[owner] += 1
