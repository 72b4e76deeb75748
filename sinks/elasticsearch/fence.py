"""The fence: writes that name the same document go one after the other, in the order they came.

Without it, a document that waits for its next attempt would overwrite a newer one that another
bulk has written meanwhile. A write waits for earlier ones only, so nobody waits in a circle.
"""

import asyncio
from collections.abc import Collection, Hashable, Iterable


class Ticket:
    """One write's place in the order.

    `behind` has the keys it has to wait for, `repeats` says that it names a document twice.
    """

    __slots__ = ("behind", "followers", "given_up", "order", "repeats")

    def __init__(self, order: int) -> None:
        self.order = order
        self.behind: dict[Hashable, asyncio.Future[None]] = {}
        self.followers: dict[Hashable, asyncio.Future[None]] = {}
        self.given_up: set[Hashable] = set()
        self.repeats = False

    async def wait(self) -> None:
        """Wait until earlier writes are done with all the keys."""
        while places := [place for place in self.behind.values() if not place.done()]:
            await asyncio.wait(places)  # leaves them alone when this write is cancelled
        self.behind.clear()


class Fence:
    """Keeps the order of writes per document.

    Example:
        ticket = Ticket(fence.next_order())
        fence.enter(ticket, keys)
        ...                                    # write all but what is in ticket.behind
        await ticket.wait()
        ...                                    # write the rest
        fence.leave(ticket, keys)

    """

    def __init__(self) -> None:
        self._lined_up: dict[Ticket, set[Hashable]] = {}
        """The keys that writes are not done with, in order: few writes of many keys, so as sets."""
        self._held_up: dict[Hashable, dict[int, bool]] = {}
        self._orders = 0

    def next_order(self) -> int:
        """Return the place of a write that begins; it keeps it when it is halted and comes back."""
        self._orders += 1
        return self._orders

    def enter(self, ticket: Ticket, keys: Collection[Hashable]) -> None:
        """Line up behind the writes that name the same keys."""
        own = set(keys)
        ticket.repeats = len(own) < len(keys)
        for before, others in reversed(self._lined_up.items()):
            # Nearly never anything in common, and that is found without a step for each.
            for key in () if own.isdisjoint(others) else (own & others).difference(ticket.behind):
                place = before.followers[key] = asyncio.get_running_loop().create_future()
                ticket.behind[key] = place
        if own:
            self._lined_up[ticket] = own

    def leave(self, ticket: Ticket, keys: Collection[Hashable]) -> None:
        """Be done with keys, and let the next write have them; leaving twice does nothing."""
        own = self._lined_up.get(ticket, set())
        if not (ticket.behind or ticket.followers):
            own.difference_update(keys)
        for key in own.intersection(keys):
            if (place := ticket.behind.get(key)) and not place.done():
                self._give_up(ticket, key, place)
                continue
            own.remove(key)
            if follower := ticket.followers.pop(key, None):
                follower.set_result(None)
        if not own:
            self._lined_up.pop(ticket, None)

    def _give_up(self, ticket: Ticket, key: Hashable, place: "asyncio.Future[None]") -> None:
        """Leave before one's turn: the next one still has to wait for those before."""
        if key not in ticket.given_up:
            ticket.given_up.add(key)
            place.add_done_callback(lambda _: self.leave(ticket, [key]))

    def watch(self, order: int, keys: Iterable[Hashable]) -> None:
        """Note from now on whether newer writes overtake this one, which an outage holds up."""
        for key in keys:
            self._held_up.setdefault(key, {}).setdefault(order, False)

    def written(self, order: int, keys: Iterable[Hashable]) -> None:
        """Note that whole documents were written, which overtakes older writes."""
        for key in keys if self._held_up else ():
            for older in self._held_up.get(key, ()):
                if older < order:
                    self._held_up[key][older] = True

    def overtaken(self, order: int, keys: Iterable[Hashable]) -> set[Hashable]:
        """Return the keys in which newer writes have overtaken this one, and watch no longer."""
        overtaken = set()
        for key in set(keys) if self._held_up else ():
            orders = self._held_up.get(key, {})
            if orders.pop(order, False):
                overtaken.add(key)
            if not orders:
                self._held_up.pop(key, None)
        return overtaken
