"""The command line on real servers."""

import asyncio
import json

import pytest
from pamqp.commands import Basic

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.running.commands.problems import Code
from tests.running.commands.conftest import Shell
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, fill, ready, take, unique


class Queues:
    """Two queues of one test: where messages come from, and where they go when they fail."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.words, self.dead = unique("words"), unique("dead")
        for queue in (self.words, self.dead):
            asyncio.run(declare(url, queue, **{"x-queue-type": "quorum"}))

    @property
    def counts(self) -> tuple[int, int]:
        """How many wait in each."""
        return self.count(self.words), self.count(self.dead)

    def count(self, queue: str) -> int:
        return asyncio.run(ready(self.url, queue))

    def fill(self, queue: str, *bodies: bytes) -> None:
        properties = Basic.Properties(delivery_mode=2, headers={"lang": "pt"})
        asyncio.run(fill(self.url, queue, bodies, properties))

    def named(self, queue: str) -> str:
        return f"{self.url}{queue}"

    async def fail(self) -> None:
        """Have all words fail, so that they become dead letters."""

        def broken(body: bytes) -> None:
            raise (KeyError if body.startswith(b"k") else ValueError)(body.decode())

        letters = sinks.amqp.publish(self.url, routing_key=self.dead)
        words = streams.amqp.queue(self.words, url=self.url, dead_letter=letters, until_idle=0.2)
        await (words | op.map(broken) | sinks.count())


@pytest.fixture
def queues(rabbitmq: RabbitMQ) -> Queues:
    return Queues(rabbitmq.url)


def test_peek_shows_the_first_messages_and_leaves_them(shell: Shell, queues: Queues) -> None:
    queues.fill(queues.words, b"one\x1b[2J", b"two", b"three")
    result = shell.run("peek", queues.named(queues.words), "-n", "2")
    assert result.exit_code == Code.WELL
    assert f"routing key '{queues.words}'" in result.stdout
    assert "header lang: pt" in result.stdout
    assert r"one\x1b[2J" in result.stdout
    assert "three" not in result.stdout
    assert result.stderr == "ackflow: 2 of 3 messages that wait\n"
    assert queues.counts == (3, 0)
    lines = shell.run("peek", queues.named(queues.words), "--json").stdout.splitlines()
    assert [json.loads(line)["body"] for line in lines] == ["one\x1b[2J", "two", "three"]


def test_peek_at_an_empty_queue_and_at_none(shell: Shell, queues: Queues) -> None:
    empty = shell.run("peek", queues.named(queues.words))
    assert (empty.exit_code, empty.stdout) == (Code.WELL, "")
    assert empty.stderr == "ackflow: the queue is empty\n"
    for command in ("peek", "replay"):
        none = shell.run(command, queues.named("nowhere"))
        assert none.exit_code == Code.AWAY
        assert "there is no queue 'nowhere' in vhost '/'" in none.stderr
        assert none.stderr.count("\n") == 1


def test_a_wrong_password_is_one_line_without_it(shell: Shell, queues: Queues) -> None:
    wrong = queues.named(queues.words).replace("guest:guest", "guest:s3cret")
    result = shell.run("peek", wrong)
    assert result.exit_code == Code.AWAY
    assert "the broker refuses user 'guest': wrong user name or password" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "s3cret" not in result.stderr


def test_dead_letters_go_back_where_they_came_from_and_begin_anew(
    shell: Shell, queues: Queues
) -> None:
    queues.fill(queues.words, b"v1", b"k2", b"v3")
    asyncio.run(queues.fail())
    assert queues.counts == (0, 3)
    only = (queues.named(queues.dead), "--error", "ValueError", "--since", "1h")

    said = shell.run("replay", *only)
    assert said.exit_code == Code.WELL
    assert f"2 → {queues.words}  ValueError" in said.stdout
    assert "2 of 3 letters would go back; --run does it" in said.stdout
    assert queues.counts == (0, 3)

    done = shell.run("replay", *only, "--run")
    assert done.exit_code == Code.WELL
    assert "2 of 3 letters went back" in done.stdout
    assert queues.counts == (2, 1)
    for message in asyncio.run(take(queues.url, queues.words)):
        assert message.body in (b"v1", b"v3")
        assert message.header.properties.headers == {"lang": "pt"}
        assert message.header.properties.delivery_mode == 2


def test_what_rabbitmq_dead_lettered_goes_back_too(shell: Shell, queues: Queues) -> None:
    source = unique("source")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queues.dead}
    asyncio.run(declare(queues.url, source, **arguments))
    queues.fill(source, b"one", b"two")

    async def reject() -> None:
        words = streams.amqp.queue(source, url=queues.url, dead_letter="exchange", until_idle=0.2)
        await (words | op.map(int) | sinks.count())

    asyncio.run(reject())
    assert queues.count(queues.dead) == 2
    done = shell.run("replay", queues.named(queues.dead), "--run", "--limit", "1")
    assert done.exit_code == Code.WELL
    assert f"1 → {source}  rejected" in done.stdout
    assert (queues.count(source), queues.count(queues.dead)) == (1, 1)
    (message,) = asyncio.run(take(queues.url, source))
    assert message.header.properties.headers == {"lang": "pt"}


def test_a_letter_that_no_queue_takes_stays(shell: Shell, queues: Queues) -> None:
    queues.fill(queues.words, b"v1")
    asyncio.run(queues.fail())
    result = shell.run("replay", queues.named(queues.dead), "--run", "--to", "nowhere")
    assert result.exit_code == Code.FAILED
    assert "0 of 1 letters went back" in result.stdout
    assert "ackflow: 1 could not be copied, and stay: PublishRefused" in result.stderr
    assert queues.counts == (0, 1)


def test_more_letters_than_one_batch_go_back_once_each(shell: Shell, queues: Queues) -> None:
    queues.fill(queues.words, *(b"v%d" % number for number in range(1_200)))
    asyncio.run(queues.fail())
    part = shell.run("replay", queues.named(queues.dead), "--run", "--look", "700")
    assert "700 of 1,200 letters went back" in part.stdout
    assert "--look 1200 looks at more" in part.stdout
    assert queues.counts == (700, 500)
    assert shell.run("replay", queues.named(queues.dead), "--yes").exit_code == Code.WELL
    assert queues.counts == (1_200, 0)
    found = {message.body for message in asyncio.run(take(queues.url, queues.words))}
    assert len(found) == 1_200


def test_doctor_names_the_servers_that_answer(
    shell: Shell, rabbitmq: RabbitMQ, elasticsearch: Elasticsearch
) -> None:
    asked = ("--amqp", rabbitmq.url, "--elasticsearch", elasticsearch.url)
    result = shell.run("doctor", *asked)
    assert result.exit_code == Code.WELL, result.stdout
    assert "ok       broker: RabbitMQ " in result.stdout
    assert f"ok       Elasticsearch at {elasticsearch.url.rstrip('/')}" in result.stdout


def test_run_works_on_a_queue_until_its_limit(shell: Shell, queues: Queues) -> None:
    queues.fill(queues.words, b"one", b"two")
    shell.write(
        "words.py",
        f"""
        from ackflow import sinks, streams
        pipeline = streams.amqp.queue({queues.words!r}, url={queues.url!r}) | sinks.count()
        """,
    )
    result = shell.run("run", "words:pipeline", "--limit", "2")
    assert result.exit_code == Code.WELL
    assert result.stdout.startswith("2 delivered, 2 accepted")
    assert queues.counts == (0, 0)
