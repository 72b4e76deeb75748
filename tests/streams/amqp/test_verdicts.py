"""Whatever a broker may answer, each message is settled once, and never before it is confirmed."""

import struct
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel
from pamqp.header import ContentHeader

from ackflow.streams.amqp.outgoing import Outgoing, properties
from ackflow.streams.amqp.unconfirmed import Sent, Unconfirmed
from ackflow.streams.amqp.verdicts import Refused, Verdicts
from ackflow.streams.amqp.wire import HEARTBEAT, Wire
from tests.streams.amqp.test_wire import framed

FRAME_MAX = 4096


class Ends:
    """A channel on which messages are published, and what comes out of its verdicts."""

    def __init__(self, count: int = 0) -> None:
        self.unconfirmed = Unconfirmed()
        self.taken: list[str] = []
        self.refused: dict[str, str] = {}
        self.runs: list[int] = []
        self.closed: list[str] = []
        self.now = -1.0
        self.wire = Wire(lambda: self.now)
        self.wire.tap(1, Verdicts(self.unconfirmed, self._settle, self.closed.append), FRAME_MAX)
        for _ in range(count):
            self.publish()

    def publish(self, *, known: bool = True) -> None:
        name: Any = str(self.unconfirmed.last + 1)
        outgoing = Outgoing(b"", "", "words", properties({}))
        self.unconfirmed.add((name, outgoing, name.encode() if known else b""))

    def _settle(self, taken: list[Sent], refused: list[Refused]) -> None:
        self.runs.append(len(taken) + len(refused))
        self.taken += [str(message) for message, _, _ in taken]
        for (message, _, _), said in refused:
            assert str(message) not in self.refused
            self.refused[str(message)] = said

    def feed(self, *data: bytes) -> bytes:
        return self.wire.feed(b"".join(data))


def ack(tag: int, *, multiple: bool = False) -> bytes:
    return frame.marshal(Basic.Ack(tag, multiple), 1)


def nack(tag: int, *, multiple: bool = False) -> bytes:
    return frame.marshal(Basic.Nack(tag, multiple), 1)


def returned(
    message_id: str, body: bytes = b"body", *, channel: int = 1, **more: Any
) -> list[bytes]:
    given = properties({"delivery_mode": 2, "message_id": message_id, **more}, {"deep": {"n": 1}})
    method = Basic.Return(312, "NO_ROUTE", "", "nowhere")
    header = frame.marshal(ContentHeader(0, len(body), given), channel)
    parts = [
        frame.marshal(ContentBody(body[at : at + 50]), channel) for at in range(0, len(body), 50)
    ]
    return [frame.marshal(method, channel), header, *parts]


# -- a model of a broker --------------------------------------------------------------------------


@st.composite
def answers(draw: st.DrawFn) -> tuple[int, list[bytes], dict[str, str]]:
    """Draw how many are published, what is answered in a legal order, and what is to become of each.

    A confirm answers any open message, or all up to one; what is returned is so before that.
    """
    count = draw(st.integers(1, 12))
    fates = {
        tag: draw(st.sampled_from(["taken", "taken", "nacked", "returned"]))
        for tag in range(1, count + 1)
    }
    sent: list[bytes] = []
    waiting, returned_already = set(fates), set[int]()
    while waiting and draw(st.integers(0, 20)):
        tag = draw(st.sampled_from(sorted(waiting)))
        refused = fates[tag] == "nacked"
        below = {other for other in waiting if other <= tag}
        together = draw(st.booleans()) and all((fates[o] == "nacked") == refused for o in below)
        settled = below if together else {tag}
        early = draw(st.sets(st.sampled_from(sorted(waiting))))
        for other in sorted(settled | early):
            if fates[other] == "returned" and other not in returned_already:
                returned_already.add(other)
                sent += returned(str(other), b"x" * draw(st.sampled_from([0, 1, 120])))
        last = together and tag == count and draw(st.booleans())
        sent.append((nack if refused else ack)(0 if last else tag, multiple=together))
        sent += draw(st.lists(st.just(HEARTBEAT), max_size=1))
        waiting -= settled
    done = {str(tag): fate for tag, fate in fates.items() if tag not in waiting}
    return count, sent, done


CUTS = st.lists(st.integers(0, 10_000), max_size=20)


@given(answers(), CUTS)
def test_each_message_is_settled_once_as_the_broker_says_however_its_answers_are_cut(
    answered: tuple[int, list[bytes], dict[str, str]], cuts: list[int]
) -> None:
    count, sent, fates = answered
    ends, data = Ends(count), b"".join(sent)
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    rest = b"".join(ends.feed(data[a:b]) for a, b in pairwise(bounds))
    assert rest == HEARTBEAT * (len(rest) // len(HEARTBEAT))
    assert not ends.wire.error
    assert Counter(ends.taken) == Counter(tag for tag, fate in fates.items() if fate == "taken")
    said = {"nacked": "", "returned": "NO_ROUTE"}
    assert ends.refused == {tag: said[fate] for tag, fate in fates.items() if fate != "taken"}
    assert len(ends.unconfirmed) == count - len(fates)
    assert {str(message) for message, _, _ in ends.unconfirmed.rest()} == {
        str(tag) for tag in range(1, count + 1)
    } - set(fates)


@given(answers())
def test_nothing_is_settled_before_the_last_byte_of_its_confirm(
    answered: tuple[int, list[bytes], dict[str, str]],
) -> None:
    count, sent, _ = answered
    ends = Ends(count)
    for each in sent:
        is_confirm = each != HEARTBEAT and each[7:11] in (b"\0\x3c\0\x50", b"\0\x3c\0\x78")
        before = len(ends.taken) + len(ends.refused)
        for byte in each[:-1]:
            ends.feed(bytes([byte]))
        assert len(ends.taken) + len(ends.refused) == before
        ends.feed(each[-1:])
        assert (len(ends.taken) + len(ends.refused) > before) == is_confirm


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.booleans()), max_size=10))
def test_confirms_in_any_order_even_an_illegal_one_settle_nothing_twice(
    confirms: list[tuple[int, bool, bool]],
) -> None:
    ends = Ends(6)
    for tag, multiple, refused in confirms:
        ends.feed((nack if refused else ack)(tag, multiple=multiple))
    everything = Counter([*ends.taken, *ends.refused])
    assert all(times == 1 for times in everything.values())
    assert everything.total() + len(ends.unconfirmed) == 6


# -- runs -----------------------------------------------------------------------------------------


def test_what_one_read_confirms_is_one_run() -> None:
    ends = Ends(10)
    ends.feed(ack(3, multiple=True), ack(5), nack(4), ack(6))
    assert ends.runs == [6]
    assert (ends.taken, ends.refused) == (["1", "2", "3", "5", "6"], {"4": ""})


def test_a_message_that_came_back_fails_when_it_is_confirmed_among_others() -> None:
    ends = Ends(5)
    ends.feed(*returned("2"), *returned("4"))
    assert ends.runs == []
    ends.feed(ack(3, multiple=True))
    assert (ends.taken, ends.refused) == (["1", "3"], {"2": "NO_ROUTE"})
    ends.feed(ack(0, multiple=True))
    assert (ends.taken, ends.refused) == (["1", "3", "5"], {"2": "NO_ROUTE", "4": "NO_ROUTE"})


def test_a_message_id_is_found_whatever_stands_before_it() -> None:
    before: dict[str, Any] = {
        "content_type": "text/plain", "content_encoding": "gzip", "priority": 1,
        "correlation_id": "c", "reply_to": "r", "expiration": 60.0, "app_id": "a",
    }  # fmt: skip
    ends = Ends(2)
    ends.feed(*returned("1", **before), *returned("2", b""), ack(2, multiple=True))
    assert ends.refused == {"1": "NO_ROUTE", "2": "NO_ROUTE"}


def test_numbers_go_on_behind_what_is_settled() -> None:
    ends = Ends(3)
    ends.feed(ack(0, multiple=True))
    ends.publish()
    ends.feed(ack(4))
    assert ends.taken == ["1", "2", "3", "4"]


# -- what else comes ------------------------------------------------------------------------------


def test_frames_that_are_no_verdicts_pass() -> None:
    others = [
        HEARTBEAT, ack(1)[:1] + b"\0\3" + ack(1)[3:], *returned("1", channel=3),
        frame.marshal(Basic.CancelOk("t"), 1), frame.marshal(Channel.FlowOk(True), 1),
    ]  # fmt: skip
    ends = Ends(1)
    assert ends.feed(*others) == b"".join(others)
    assert (ends.runs, ends.wire.error) == ([], "")


def test_confirms_are_a_heartbeat_a_second_to_whoever_reads_the_rest() -> None:
    ends = Ends(5)
    heard = []
    for tag, ends.now in enumerate([0.0, 0.5, 1.0, 1.5, 5.0], 1):
        heard.append(ends.feed(ack(tag)))
    assert heard == [HEARTBEAT, b"", HEARTBEAT, b"", HEARTBEAT]


@pytest.mark.parametrize(
    ("closing", "said"),
    [
        (Channel.Close(404, "NOT_FOUND - no exchange 'x'", 60, 40), "NOT_FOUND - no exchange 'x'"),
        (Channel.Close(404, "", 60, 40), ""),
        (Channel.CloseOk(), ""),
    ],
)
def test_a_close_is_told_behind_the_confirms_before_it_and_goes_on_to_aiormq(
    closing: Any, said: str
) -> None:
    ends = Ends(2)
    closes = frame.marshal(closing, 1)
    assert ends.feed(ack(1), closes, ack(2)) == closes + ack(2)
    assert (ends.taken, ends.closed) == (["1"], [said])
    assert len(ends.unconfirmed) == 1


def test_a_close_that_is_cut_short_has_no_text() -> None:
    for payload in (b"\0\x14\0\x28", b"\0\x14\0\x28\1\x94\x09gone"):
        ends = Ends()
        ends.feed(framed(1, 1, payload))
        assert ends.closed == [""]


METHOD, HEADER, BODY = returned("1")
BAD: dict[str, tuple[Sequence[bytes], str]] = {
    "a message that was not sent": ([ack(4)], "message 4 was confirmed where 3 were sent"),
    "all up to one that was not sent": ([nack(9, multiple=True)], "message 9 was confirmed"),
    "no message": ([ack(0)], "message 0 was confirmed"),
    "a confirm that is cut": ([framed(1, 1, b"\0\x3c\0\x50" + bytes(8))], "a confirm came that is"),
    "a confirm that goes on": ([framed(1, 1, b"\0\x3c\0\x78" + bytes(10))], "a confirm came that is"),
    "a confirm in a return": ([METHOD, ack(1)], "in the middle of a message that is returned"),
    "a confirm in a body": ([METHOD, HEADER, ack(1)], "in the middle of a message that is returned"),
    "a return in a return": ([METHOD, METHOD], "before the one before it had ended"),
    "a header alone": ([HEADER], "header of a message came where none"),
    "a body alone": ([BODY], "more of a body came"),
    "a return of another message": (returned("9"), "returned that is not under way"),
    "a return of a settled message": ([ack(1), *returned("1")], "returned that is not under way"),
    "a return without an id": (returned(""), "returned that is not under way"),
    "a return that is cut": ([framed(1, 1, METHOD[7:14]), HEADER, BODY], "shorter than it says"),
    "an id that is cut": (
        [METHOD, framed(2, 1, struct.pack(">HHQHB", 60, 0, 0, 1 << 7, 9) + b"1")],
        "shorter than it says",
    ),
    "headers that are cut": (
        [METHOD, framed(2, 1, struct.pack(">HHQHI", 60, 0, 0, 5 << 13 & 0xFFFF | 1 << 7, 2**31))],
        "shorter than it says",
    ),
    "a frame that does not end": ([ack(1)[:-1] + b"\0"], "does not end where its length says"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_no_broker_may_say_is_one_clear_error_and_settles_nothing(name: str) -> None:
    data, said = BAD[name]
    ends = Ends(3)
    ends.feed(ack(2))
    ends.feed(*data)
    assert said in ends.wire.error
    assert ends.feed(ack(3, multiple=True)) == b""
    assert len(ends.taken) == 1 + (name == "a return of a settled message")
    assert ends.refused == {}
