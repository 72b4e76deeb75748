"""What a scenario's pipeline has stored: in an index, in a second queue, or in its own log."""

import orjson

from tests.chaos.account import Calls
from tests.chaos.scenarios import Scenario
from tests.chaos.world import World


class Stored:
    """What a scenario's pipeline has stored so far."""

    def __init__(self, world: World, scenario: Scenario, stem: str, calls: Calls) -> None:
        self.index, self.target, self.dead = f"chaos-{stem}", f"{stem}-target", f"{stem}-dead"
        self._world = world
        self._store = scenario.store
        self._calls = calls
        self._kept: dict[str, list[int]] = {}
        """What was taken so far out of the queues that a pipeline writes to."""

    async def parts(self) -> set[str]:
        """Return the parts that are stored."""
        match self._store:
            case "index":
                return await self._world.documents(self.index)
            case "queue":
                return set(map(str, await self._keep(self.target)))
        self._calls.read()
        return self._calls.stored

    async def dead_letters(self) -> list[int]:
        """Return the numbers of the messages that became dead letters."""
        return await self._keep(self.dead)

    @property
    def twice(self) -> int:
        """How many messages were found in the second queue more than once."""
        kept = self._kept.get(self.target, [])
        return len(kept) - len(set(kept))

    async def _keep(self, queue: str) -> list[int]:
        """Take out what a pipeline has written to a queue; return all that was ever in it."""
        kept = self._kept.setdefault(queue, [])
        kept += await numbers_in(self._world, queue)
        return kept


async def numbers_in(world: World, queue: str) -> list[int]:
    """Take all messages out of a queue; return their numbers, in order."""
    return [orjson.loads(body)["n"] for body in await world.take(queue)]
