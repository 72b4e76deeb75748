"""What a measure happens in: what is there before a contender starts, and what has to be afterwards."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

import orjson

from benchmarks.contenders.memory import WARM
from benchmarks.contenders.task import Task
from benchmarks.contenders.wire import Wire, fill
from benchmarks.fake_elasticsearch import FakeElasticsearch
from benchmarks.running import ContenderFailed
from benchmarks.warming import warm_up
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ

FLAGS = "+hmbs 16777216"
"""Words of binaries up to which a process of the broker's does not collect garbage: see README.md."""


class Servers:
    """Real servers, and the fake one, started when first asked for.

    `warm`: whether they are to be as fast as they become, which takes a minute and a half.
    """

    def __init__(self, stack: ExitStack, *, warm: bool = True) -> None:
        self._stack = stack
        self._warm = warm

    @cached_property
    def rabbitmq(self) -> RabbitMQ:
        """A RabbitMQ node of our own."""
        return self._stack.enter_context(RabbitMQ(flags=FLAGS))

    @cached_property
    def elasticsearch(self) -> Elasticsearch:
        """An Elasticsearch node of our own."""
        elasticsearch = self._stack.enter_context(Elasticsearch())
        if self._warm:
            warm_up(elasticsearch)
        return elasticsearch

    @cached_property
    def fake(self) -> FakeElasticsearch:
        """The fake Elasticsearch, on the second processor."""
        return self._stack.enter_context(FakeElasticsearch(processor=1))

    def versions(self) -> dict[str, str]:
        """Return the versions of the real servers that were started, and of what runs them."""
        found: dict[str, str] = {}
        if "rabbitmq" in vars(self):
            with Wire(self.rabbitmq.url) as wire:
                said = wire.server
            found |= {"RabbitMQ": said["version"], "Erlang": said["platform"].split()[-1]}
        if "elasticsearch" in vars(self):
            nodes = self.elasticsearch.request("GET", "/_nodes/jvm")["nodes"]
            [node] = nodes.values()
            found |= {"Elasticsearch": node["version"], "Java": node["jvm"]["version"]}
        return found


class World:
    """Nothing but the contender's own process."""

    processor: int | None = None
    """Where contenders have to stay."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers

    def prepare(self, task: Task) -> Task:
        """Get ready what the task needs, and say where it is."""
        return task

    def check(self, task: Task) -> None:
        """Raise ContenderFailed unless all of the work was done; clean up."""


class Queued(World):
    """A queue with the messages in it, which has to be empty afterwards."""

    def prepare(self, task: Task) -> Task:
        url = self.servers.rabbitmq.url
        fill(url, task.queue, self.bodies(task))
        return replace(task, amqp=url)

    def bodies(self, task: Task) -> Iterator[bytes]:
        """Yield the bodies of the messages."""
        return (b"%0*d" % (task.size, number) for number in range(task.messages))

    def check(self, task: Task) -> None:
        with Wire(task.amqp) as wire:
            left = wire.declare(task.queue)
            wire.delete(task.queue)
        _hold(left == 0, f"{left} of {task.messages} messages are left in {task.queue}")


class Words(Queued):
    """The same, with words that have to be in Elasticsearch afterwards."""

    def prepare(self, task: Task) -> Task:
        self.servers.elasticsearch.request("PUT", f"/{task.index}")
        return replace(super().prepare(task), elasticsearch=self.servers.elasticsearch.url)

    def bodies(self, task: Task) -> Iterator[bytes]:
        numbers = range(task.messages)
        return (orjson.dumps({"word": f"word{number}", "n": number}) for number in numbers)

    def check(self, task: Task) -> None:
        super().check(task)
        found = self.servers.elasticsearch.count(task.index)
        self.servers.elasticsearch.request("DELETE", f"/{task.index}")
        _hold(found == task.messages, f"{found} of {task.messages} documents are in {task.index}")


class Empty(World):
    """An empty queue, which has to hold every message afterwards."""

    def prepare(self, task: Task) -> Task:
        url = self.servers.rabbitmq.url
        with Wire(url) as wire:
            wire.declare(task.queue)
        return replace(task, amqp=url)

    def check(self, task: Task) -> None:
        with Wire(task.amqp) as wire:
            found = wire.declare(task.queue)
            wire.delete(task.queue)
        _hold(found == task.messages, f"{found} of {task.messages} messages are in {task.queue}")


class Merged(Queued):
    """The messages in several queues, evenly."""

    def prepare(self, task: Task) -> Task:
        for each in self.parts(task):
            super().prepare(each)
        return replace(task, amqp=self.servers.rabbitmq.url)

    def parts(self, task: Task) -> Iterator[Task]:
        """Yield what is in each queue."""
        for number in range(task.queues):
            count = len(range(number, task.messages, task.queues))
            yield replace(task, queue=f"{task.queue}.{number}", messages=count)

    def check(self, task: Task) -> None:
        for each in self.parts(task):
            super().check(each)


class Declared(Empty):
    """An empty queue, which has to be empty afterwards."""

    def check(self, task: Task) -> None:
        super().check(replace(task, messages=0))


class Warm(Queued):
    """Beside the queue one with a few messages, to warm up with."""

    def prepare(self, task: Task) -> Task:
        warm = replace(task, queue=f"{task.queue}.warm", messages=WARM)
        super().prepare(warm)
        return super().prepare(task)

    def check(self, task: Task) -> None:
        super().check(replace(task, queue=f"{task.queue}.warm", messages=WARM))
        super().check(task)


class Faked(World):
    """The fake Elasticsearch on the second processor, which has to have got every document."""

    processor = 0

    def prepare(self, task: Task) -> Task:
        self.servers.fake.count()
        return replace(task, elasticsearch=self.servers.fake.url)

    def check(self, task: Task) -> None:
        found = self.servers.fake.count()
        _hold(found == task.messages, f"{found} of {task.messages} documents arrived")


def _hold(done: bool, otherwise: str) -> None:
    if not done:
        raise ContenderFailed(otherwise)
