"""What is logged: nothing when all is well, never a body, and what docs/monitoring.md says."""

import ast
import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Unavailable, testing
from ackflow.streams.running import Status
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, fill, unique
from tests.test_architecture import ROOT, modules

LEVELS = ("debug", "info", "warning", "error", "exception", "log")
ROW = re.compile(
    r"^\| `(ackflow\.\w+)` \| `(\w+)` \| ([A-Z, ]+) \| ?(.*?) ?\| .+ \|$", re.MULTILINE
)
OWN = re.compile(r'^logger = logging\.getLogger\("([^"]*)"\)$', re.MULTILINE)
RESERVED = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
BODY = "body-of-a-message-e7c1"

Row = tuple[str, str, str, tuple[str, ...]]


def documented() -> list[Row]:
    page = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    table = page[page.index("<!-- logs: begin -->") : page.index("<!-- logs: end -->")]
    return [
        (logger, event, level, tuple(re.findall(r"`(\w+)`", fields)))
        for logger, event, level, fields in ROW.findall(table)
    ]


def in_code() -> Iterator[Row]:
    for _, path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        names = [call for call in calls if ast.unparse(call.func) == "logging.getLogger"]
        for call in calls:
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "logger":
                (name,) = (ast.literal_eval(each.args[0]) for each in names)
                yield from rows(path, name, call, calls)


def rows(path: Path, logger: str, call: ast.Call, calls: list[ast.Call]) -> Iterator[Row]:
    assert isinstance(call.func, ast.Attribute)
    assert call.func.attr in LEVELS, f"{path}:{call.lineno}"
    extra = next((each.value for each in call.keywords if each.arg == "extra"), None)
    assert isinstance(extra, ast.Dict), f"{path}:{call.lineno}: a record needs extra={{…}}"
    keys = [ast.literal_eval(key) if key else "host, port" for key in extra.keys]
    fields = tuple(field for key in keys for field in key.split(", "))
    assert fields[0] == "event", f"{path}:{call.lineno}"
    assert not set(fields) & RESERVED, f"{path}:{call.lineno}"
    level = {"exception": "ERROR", "log": "WARNING, ERROR"}.get(call.func.attr)
    events = [extra.values[0]]
    if isinstance(events[0], ast.Name):  # the ladder's: one call for all that is said once
        events = [each.args[0] for each in calls if ast.unparse(each.func) == "self._warn"]
    for event in events:
        yield logger, ast.literal_eval(event), level or call.func.attr.upper(), fields[1:]


def test_every_record_has_an_event_and_stands_in_the_documentation_as_it_is() -> None:
    found = list(in_code())
    assert len(found) >= 20
    assert sorted(found) == sorted(documented())


def test_each_package_has_one_logger_for_a_part_and_all_are_children_of_one() -> None:
    loggers: dict[str, set[str]] = {}
    for module, path in modules():
        for name in OWN.findall(path.read_text(encoding="utf-8")):
            assert name.startswith("ackflow."), module
            loggers.setdefault(name, set()).add(module.rpartition(".")[0])
    assert all(len(packages) == 1 for packages in loggers.values()), loggers
    assert {row[0] for row in documented()} == set(loggers)


async def good_run(tmp_path: Path) -> None:
    queue = streams.memory.queue([f"{n}" for n in range(500)], prefetch=50, until_idle=0.05)
    insert = sinks.sqlite.insert(str(tmp_path / "numbers.db"), table="numbers", key="number")

    async def document(text: str) -> dict[str, int]:
        return {"number": int(text)}

    pipeline = queue | op.map_async(document) | op.chunk(20) | insert
    async with Status("127.0.0.1:0").serve() as board:
        board.show(handle := pipeline.start(measure=True))
        summary: Any = await handle
    assert summary.accepted == 500


def test_a_good_run_logs_nothing_at_info_or_above(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        asyncio.run(good_run(tmp_path))
        handle = streams.files.lines(__file__) | sinks.count()
        handle.run()
    assert [record.getMessage() for record in caplog.records] == []


async def fails(value: str) -> str:
    raise ValueError(f"can't read {value}")


class Away(streams.Sink[str, Any]):
    """A sink that is away at first."""

    name = "away"

    def __init__(self) -> None:
        self.tries = 0

    async def write(self, items: Any) -> None:
        self.tries += 1
        if self.tries < 3:
            raise Unavailable("the service answers 503")


async def test_an_outage_is_logged_once_with_fields_and_without_a_body(
    caplog: pytest.LogCaptureFixture, virtual_clock: testing.VirtualClock
) -> None:
    caplog.set_level(logging.DEBUG)
    queue = streams.memory.queue([BODY, BODY], until_idle=1)
    await (queue | Away())
    told = [vars(record) for record in caplog.records]
    assert [(each["name"], each["event"], each["part"]) for each in told] == [
        ("ackflow.session", "halted", "away"),
        ("ackflow.session", "resumed", "away"),
    ]
    assert told[0]["reason"] == "Unavailable: the service answers 503"
    assert BODY not in str(told)


async def test_a_message_that_fails_for_good_is_told_without_what_is_in_it(
    caplog: pytest.LogCaptureFixture, virtual_clock: testing.VirtualClock
) -> None:
    caplog.set_level(logging.DEBUG)
    queue = streams.memory.queue([BODY] * 200, prefetch=100, attempts=2)
    handle = (queue | op.map_async(fails) | sinks.to_list()).start(timeout=60)
    await handle
    told = [vars(record) for record in caplog.records]
    assert {each["event"] for each in told} == {"message_kept", "intake_pauses"}
    assert "ValueError" in caplog.text
    assert BODY not in str(told)
    assert BODY in handle.stats().failures["ValueError"].example, "it is told where it is asked for"


async def test_a_lost_connection_is_told_without_what_is_in_messages(
    caplog: pytest.LogCaptureFixture, virtual_clock: testing.VirtualClock
) -> None:
    caplog.set_level(logging.DEBUG)
    queue = streams.memory.queue([BODY] * 20, prefetch=10, until_idle=5)

    async def slow(value: str) -> str:
        await asyncio.sleep(1)
        return value

    handle = (queue | op.map_async(slow) | sinks.count()).start()
    await asyncio.sleep(0.5)
    queue.disconnect()
    await handle
    told = [vars(record) for record in caplog.records]
    assert [each["event"] for each in told] == ["halted", "resumed"]
    assert told[0]["part"] == "memory.queue"
    assert BODY not in str(told)


async def test_a_good_run_over_a_broker_logs_nothing_and_at_no_level_a_body_or_password(
    rabbitmq: RabbitMQ, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "ackflow")
    first, second, url = unique("logged"), unique("logged"), rabbitmq.url
    await declare(url, first)
    await declare(url, second)
    await fill(url, first, [BODY.encode()] * 100)
    source = streams.amqp.queue(first, url=url, prefetch=20, until_idle=0.3)
    summary = await (source | sinks.amqp.publish(url, routing_key=second))
    assert summary.accepted == 100
    ours = [record for record in caplog.records if record.name.startswith("ackflow")]
    assert [record for record in ours if record.levelno >= logging.INFO] == []
    password = urlsplit(url).password
    assert password
    told = str([vars(record) for record in ours])
    assert BODY not in told
    assert f":{password}@" not in told
