"""Which faults, how many of each, in which order."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

SIGTERM = "sigterm"
CUT = "cut amqp"
CONNECTION = ("cut amqp", "cut elasticsearch", "halve amqp", "halve elasticsearch",
              "corrupt amqp", "corrupt elasticsearch", "close connections")  # fmt: skip
SLOW = ("delay amqp", "delay elasticsearch", "stall amqp", "stall elasticsearch")
SERVER = ("restart rabbitmq", "kill rabbitmq", "pause rabbitmq",
          "restart elasticsearch", "kill elasticsearch", "pause elasticsearch")  # fmt: skip
PROCESS = ("sigkill",)
QUEUE = ("delete queue",)
FAULTS = (*CONNECTION, *SLOW, *SERVER, *PROCESS, *QUEUE)
KILL = "kill rabbitmq"
REPEATING = {CUT, "halve amqp", "corrupt amqp", "close connections", "restart rabbitmq", KILL,
             "sigkill", "delete queue"}  # fmt: skip
"""What takes channels away: only what was unacked on these may come again."""
FORGOTTEN = 32_768
"""Acks for a classic queue that a killed broker may forget: it writes them down by itself only when so
many have come (queue_index_max_journal_entries of RabbitMQ), or when something is published."""

LONG: Mapping[str, int] = {
    "cut amqp": 110, "cut elasticsearch": 40, "halve amqp": 40, "halve elasticsearch": 10,
    "corrupt amqp": 20, "corrupt elasticsearch": 10, "close connections": 10,
    "delay amqp": 5, "delay elasticsearch": 5, "stall amqp": 5, "stall elasticsearch": 5,
    "restart rabbitmq": 10, "kill rabbitmq": 10, "pause rabbitmq": 5,
    "restart elasticsearch": 10, "kill elasticsearch": 10, "pause elasticsearch": 5,
    "sigkill": 50, "delete queue": 5, SIGTERM: 50,
}  # fmt: skip
SHORT: Mapping[str, int] = {
    "cut amqp": 6, "cut elasticsearch": 2, "halve amqp": 2, "halve elasticsearch": 1,
    "corrupt amqp": 2, "corrupt elasticsearch": 1, "close connections": 1,
    "delay amqp": 1, "delay elasticsearch": 1, "stall amqp": 1, "stall elasticsearch": 1,
    "restart rabbitmq": 1, "kill rabbitmq": 1, "pause rabbitmq": 1,
    "restart elasticsearch": 1, "kill elasticsearch": 1, "pause elasticsearch": 1,
    "sigkill": 5, "delete queue": 1, SIGTERM: 5,
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What is done to one scenario: signals that drain first, and then everything else."""

    drains: int
    faults: tuple[str, ...]


def plans(counts: Mapping[str, int], searches: Sequence[bool], seed: int) -> Iterator[Plan]:
    """Deal the faults out to scenarios, each in a random order of its own.

    `searches`: for each scenario, whether Elasticsearch is a part of it; its faults go to no other. Who
    gets one more than others is up to the seed, among those with the fewest.
    """
    chance = random.Random(seed)
    dealt: list[Counter[str]] = [Counter() for _ in searches]
    for fault, count in counts.items():
        hands = [
            hand
            for hand, search in zip(dealt, searches, strict=True)
            if search or "elasticsearch" not in fault
        ]
        for _ in range(count):
            fewest = min(map(Counter.total, hands))
            chance.choice([hand for hand in hands if hand.total() == fewest])[fault] += 1
    for hand in dealt:
        drains = hand.pop(SIGTERM, 0)
        faults = sorted(hand.elements())
        chance.shuffle(faults)
        yield Plan(drains, tuple(faults))
