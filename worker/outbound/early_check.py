"""A URL looked at as it is asked for, so that one that is never called is refused at once. Whoever calls it checks it
again: what a name means may change."""

from __future__ import annotations

from worker.outbound.addresses import AddressBook, Policy, Resolve, Unresolved, resolve
from worker.outbound.name_threads import NameThreads
from worker.outbound.target import Target
from worker.runtime.timing import Timing


class EarlyCheck:
    """what: the URLs are, for messages. patience: seconds for a name to be resolved."""

    def __init__(
        self, policy: Policy, what: str, patience: float = Timing().names, resolver: Resolve = resolve
    ) -> None:
        self._what = what
        self._threads = NameThreads(patience)
        self._book = AddressBook(policy, resolver)

    async def check(self, url: str) -> None:
        """Raises Refused. A name that cannot be resolved in time passes."""
        target = Target.parse(url, self._what)
        try:
            await self._threads.run(lambda: self._book.addresses(target))
        except (Unresolved, TimeoutError):
            return
