"""Queues, messages and dead letters on a command line, without a broker."""

import json
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ackflow import sinks, streams
from ackflow.streams.core import Delivery, Reject
from ackflow.streams.memory import MemoryQueue
from ackflow.streams.running.commands.checks import Requirement, installed
from ackflow.streams.running.commands.letters import Letter, Wanted, copy, target
from ackflow.streams.running.commands.peek import as_line, as_text, body_lines
from ackflow.streams.running.commands.problems import Code, Problem
from ackflow.streams.running.commands.queues import Place, looked_at
from ackflow.streams.running.commands.replaying import Replay
from ackflow.streams.running.commands.times import moment
from tests.running.commands.conftest import Shell

WITHIN = 0.05
NOON = "2026-02-01T12:00:00Z"
WILD = "a\x1b]0;owned\x07\nb\u202e\x9b2J\x00"


@pytest.mark.parametrize(
    ("text", "url", "queue"),
    [
        ("amqp://broker/words", "amqp://broker/", "words"),
        ("amqp://a:b@broker:1/shop/words", "amqp://a:b@broker:1/shop", "words"),
        ("amqp://broker//words", "amqp://broker/", "words"),
        ("amqp://broker/%2F/a%2Fb", "amqp://broker/%2F", "a/b"),
        ("amqps://broker/words?heartbeat=5", "amqps://broker/?heartbeat=5", "words"),
        ("words", "amqp://guest:guest@localhost/", "words"),
        ("a/b c", "amqp://guest:guest@localhost/", "a/b c"),
    ],
)
def test_a_queue_is_named_behind_its_vhost_or_alone(text: str, url: str, queue: str) -> None:
    assert Place.of(text) == Place(url, queue)


def test_a_queue_that_is_named_alone_is_at_the_broker_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACKFLOW_AMQP_URL", "amqp://ana:s3cret@broker/shop")
    assert Place.of("words") == Place("amqp://ana:s3cret@broker/shop", "words")


@pytest.mark.parametrize("command", ["peek", "replay"])
@pytest.mark.parametrize(
    ("queue", "text"),
    [
        ("amqp://a:s3cret@broker", "a queue is named as"),
        ("amqp://a:s3cret@broker/", "a queue is named as"),
        ("amqp://a:s3cret@broker/shop/", "a queue is named as"),
        ("amqp://a:s3cret@broker/a/b/c", "/ inside a name is written %2F"),
        ("http://a:s3cret@broker/words", "must begin with amqp://"),
        ("amqp://a:s3cret@broker:port/words", "can't be taken apart"),
        ("amqp://a:s3cret@[broker/words", "can't be taken apart"),
        ("amqp://a:s3cret@broker/words?speed=9", "may follow the ?"),
        ("", "1 to 255 bytes"),
        ("w" * 256, "1 to 255 bytes"),
    ],
)
def test_a_queue_that_can_not_be_meant_is_one_line_without_the_password(
    shell: Shell, command: str, queue: str, text: str
) -> None:
    result = shell.run(command, queue)
    assert result.exit_code == Code.WRONG
    assert text in result.stderr
    assert result.stderr.count("\n") == 1
    assert "s3cret" not in result.stderr


@pytest.mark.parametrize("command", ["peek", "replay"])
def test_a_broker_that_is_away_has_a_code_of_its_own(shell: Shell, command: str) -> None:
    result = shell.run(command, "amqp://a:s3cret@127.0.0.1:1/words")
    assert result.exit_code == Code.AWAY
    assert result.stderr.count("\n") == 1
    assert "nothing listens on port 1" in result.stderr
    assert "s3cret" not in result.output


def test_nothing_in_a_message_reaches_the_terminal_but_printable_characters() -> None:
    delivery = Delivery(
        WILD.encode(),
        properties={"message_id": WILD, "timestamp": datetime(2026, 2, 1, tzinfo=UTC)},
        headers={WILD: WILD, "nested": {"a": [WILD]}, "bytes": b"\x1b\xff"},
        exchange=WILD,
        routing_key=WILD,
        redelivered=True,
        delivery_count=3,
    )
    for line in as_text(1, delivery, 500):
        assert line.removeprefix("\x1b[1m1\x1b[0m").isprintable(), line
    assert as_line(delivery).isascii()
    assert as_line(delivery).isprintable()
    assert json.loads(as_line(delivery))["headers"]["nested"] == {"a": [WILD]}


@pytest.mark.parametrize(
    ("body", "most", "lines"),
    [
        (b"", 10, []),
        (b"abc", 0, []),
        ("olá\n{}".encode(), 10, ["olá", "{}"]),
        (b"abcdef", 3, ["abc…"]),
        (b"\xff\x00", 11, [r"b'\xff\x00'"]),
        (b"a\r\x1b[2J", 10, [r"a\r\x1b[2J"]),
    ],
)
def test_a_body_is_shown_in_lines(body: bytes, most: int, lines: list[str]) -> None:
    assert body_lines(body, most) == lines


def test_a_body_that_is_no_text_is_in_json_as_base64() -> None:
    assert json.loads(as_line(Delivery(b"\xff")))["body_base64"] == "/w=="


def ours(source: str = "words", error: str = "ValueError", time: str = NOON) -> dict[str, Any]:
    return {
        "lang": "pt",
        "x-ackflow-attempts": 5,
        "x-ackflow-error-type": error,
        "x-ackflow-error": f"{error}: no JSON",
        "x-ackflow-source": source,
        "x-ackflow-time": time,
        "es.error.type": "mapper_parsing_exception",
        "es.status": "400",
    }


BROKERS = {
    "lang": "pt",
    "x-first-death-queue": "words",
    "x-first-death-reason": "rejected",
    "x-first-death-exchange": "",
    "x-last-death-queue": "words",
    "x-death": [{"queue": "words", "time": datetime(2026, 2, 1, 12, tzinfo=UTC)}],
}


@pytest.mark.parametrize(
    ("headers", "letter"),
    [
        (ours(), Letter("words", "ValueError", "ValueError: no JSON", moment(NOON))),
        (BROKERS, Letter("words", "rejected", "", moment(NOON))),
        ({}, Letter("", "", "", None)),
        ({"x-ackflow-source": 7, "x-ackflow-time": "soon"}, Letter("", "", "", None)),
        ({"x-death": [7], "x-first-death-queue": b"w"}, Letter("w", "", "", None)),
    ],
)
def test_a_letter_says_where_it_came_from_by_our_headers_or_the_brokers(
    headers: dict[str, Any], letter: Letter
) -> None:
    assert Letter.of(Delivery(b"", headers=headers)) == letter


@pytest.mark.parametrize("headers", [ours(), BROKERS])
def test_a_copy_is_as_the_message_was_before_it_died(headers: dict[str, Any]) -> None:
    letter = Delivery(b"body", {"message_id": "1"}, headers, exchange="x", routing_key="words.dead")
    again = copy(letter, "words")
    assert again.headers == {"lang": "pt"}
    assert (again.body, again.properties, target(again)) == (b"body", {"message_id": "1"}, "words")


def test_a_copy_to_nowhere_is_refused() -> None:
    with pytest.raises(Reject, match="names no queue"):
        target(Delivery(b""))


@pytest.mark.parametrize(
    ("wanted", "takes"),
    [
        (Wanted(), True),
        (Wanted(errors=["ValueError"]), True),
        (Wanted(errors=["KeyError"]), False),
        (Wanted(sources=["words", "texts"]), True),
        (Wanted(sources=["word"]), False),
        (Wanted(since=moment("2026-02-01T12:00Z")), True),
        (Wanted(since=moment("2026-02-01T12:00:01Z")), False),
        (Wanted(until=moment("2026-02-01T14:00+02:00")), True),
        (Wanted(until=moment("2026-02-01T11:59")), False),
        (Wanted(errors=["ValueError"], sources=["texts"]), False),
    ],
)
def test_letters_are_chosen_by_error_source_and_time(wanted: Wanted, takes: bool) -> None:
    assert wanted.takes(Letter.of(Delivery(b"", headers=ours()))) is takes


def test_a_letter_without_a_time_is_in_no_span() -> None:
    assert not Wanted(since=moment("1d")).takes(Letter.of(Delivery(b"")))


def test_a_number_and_a_unit_are_a_time_ago() -> None:
    before = datetime.now(UTC)
    assert before <= moment("90m") + timedelta(minutes=90) <= datetime.now(UTC)


@pytest.mark.parametrize("text", ["", "soon", "1y", "2026-13-01", "-1h", "999999999d", "2 h"])
def test_what_is_no_time_is_refused(shell: Shell, text: str) -> None:
    result = shell.run("replay", "words", f"--since={text}")
    assert result.exit_code == Code.WRONG
    assert "is no time; 2026-02-01T12:00Z is one" in result.stderr


def letters(*sources: str) -> MemoryQueue[Delivery]:
    found = [
        Delivery(str(number).encode(), headers=ours(source))
        for number, source in enumerate(sources)
    ]
    return streams.memory.queue(found, prefetch=100)


def bodies(deliveries: "list[Delivery]") -> list[bytes]:
    return [delivery.body for delivery in deliveries]


async def test_a_dry_run_says_what_would_go_back_and_changes_nothing() -> None:
    queue = letters("words", "texts", "words", "")
    report = await Replay(queue, Wanted(), None).run(4, WITHIN)
    assert {key: group.count for key, group in report.groups.items()} == {
        ("words", "ValueError"): 2,
        ("texts", "ValueError"): 1,
    }
    assert (report.looked, report.meant, report.lost, report.copied) == (4, 3, 1, 0)
    assert not queue.acked
    assert len(queue.ready) == 4


async def test_what_is_meant_is_copied_and_acked_and_the_rest_is_given_back() -> None:
    queue, sent = letters("words", "texts", "words", ""), list[Delivery]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = await Replay(
            queue, Wanted(sources=["words"]), lambda: sinks.each(sent.append)
        ).run(4, WITHIN)
    assert report.copied == 2
    assert bodies(sent) == bodies(queue.acked) == [b"0", b"2"]
    assert bodies(list(queue.ready)) == [b"1", b"3"]
    assert all(each.headers == {"lang": "pt"} for each in sent)


async def test_a_letter_whose_copy_is_refused_stays() -> None:
    def refuse(delivery: Delivery) -> None:
        if delivery.body == b"1":
            raise Reject("no such queue")

    queue = letters("words", "words", "words")
    report = await Replay(queue, Wanted(), lambda: sinks.each(refuse)).run(3, WITHIN)
    assert (report.copied, report.failures) == (2, ["Reject: no such queue"])
    assert bodies(queue.acked) == [b"0", b"2"]
    assert bodies(list(queue.ready)) == [b"1"]


async def test_no_letter_is_acked_before_its_copy_was_taken() -> None:
    queue, acked = letters("words", "words"), list[int]()
    sink = sinks.each(lambda delivery: acked.append(len(queue.acked)))
    await Replay(queue, Wanted(), lambda: sink).run(2, WITHIN)
    assert acked == [0, 0]
    assert len(queue.acked) == 2


async def test_a_limit_and_a_queue_for_all_are_kept() -> None:
    queue, sent = letters("", "words", "texts"), list[Delivery]()
    sink = sinks.each(sent.append)
    report = await Replay(queue, Wanted(), lambda: sink, to="again", limit=2).run(3, WITHIN)
    assert report.copied == 2
    assert [target(each) for each in sent] == ["again", "again"]
    assert bodies(list(queue.ready)) == [b"2"]


async def test_looking_ends_when_nothing_more_comes() -> None:
    queue = letters("words", "words")
    assert len(await looked_at(queue, 2, WITHIN)) == 2
    queue.close()
    assert len(await looked_at(queue, 3, WITHIN)) == 2
    assert len(queue.ready) == 2


def test_requirements_are_read_as_packages_write_them() -> None:
    assert Requirement.of("orjson>=3.10") == Requirement("orjson", "3.10", "")
    assert Requirement.of('isal>=1.7; extra == "gzip"') == Requirement("isal", "1.7", "gzip")
    assert Requirement.of("elasticsearch[async]>=9.0").name == "elasticsearch"
    assert Requirement("click", "999", "").lack.endswith("is older than 999")
    assert Requirement("no-such-package", "", "").lack == "no-such-package is not installed"
    assert Requirement("click", "8.2", "").lack == ""


def test_a_dashboard_is_written_as_grafana_reads_it(shell: Shell) -> None:
    result = shell.run("dashboard")
    assert (result.exit_code, result.stderr) == (Code.WELL, "")
    board = json.loads(result.stdout)
    assert (board["title"], len(board["templating"]["list"])) == ("ackflow", 3)


def test_a_doctor_finds_the_packages_and_extras(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(finding.state == "ok" for finding in installed())
    monkeypatch.setattr(
        Requirement, "lack", property(lambda self: "isal is away" * (self.name == "isal"))
    )
    result = shell.run("doctor")
    assert result.exit_code == Code.WELL
    assert (
        'absent   extra gzip: isal is away\n         pip install "ackflow[gzip]"' in result.stdout
    )
    assert "extra dev" not in result.stdout
    monkeypatch.setattr(
        Requirement, "lack", property(lambda self: "orjson is away" * (self.name == "orjson"))
    )
    result = shell.run("doctor")
    assert result.exit_code == Code.FAILED
    assert "MISSING  required packages: orjson is away" in result.stdout


@pytest.mark.parametrize(
    ("option", "url", "text"),
    [
        ("--amqp", "amqp://a:s3cret@127.0.0.1:1/", "nothing listens on port 1"),
        ("--amqp", "http://a:s3cret@127.0.0.1/", "must begin with amqp://"),
        ("--elasticsearch", "http://a:s3cret@127.0.0.1:1", "is not there"),
        ("--elasticsearch", "ftp://a:s3cret@127.0.0.1:1", "ftp"),
    ],
)
def test_a_server_that_does_not_answer_is_missing_and_no_password_shows(
    shell: Shell, option: str, url: str, text: str
) -> None:
    result = shell.run("doctor", option, url)
    assert result.exit_code == Code.FAILED
    assert text in result.stdout
    assert "starts one here" in result.stdout
    assert "s3cret" not in result.output


def test_a_problem_is_one_line_whatever_is_in_it() -> None:
    with pytest.raises(Problem) as raised:
        raise Problem("amqp://a:s3cret@h/ is\naway")
    assert raised.value.message == "amqp://a:***@h/ is\naway"
