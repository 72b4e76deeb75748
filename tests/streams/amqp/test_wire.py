"""The wire gives the same deliveries however its bytes are cut, and passes all others on untouched."""

import struct
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Connection
from pamqp.header import ContentHeader

from ackflow.streams.amqp.peeled import Peeled
from ackflow.streams.amqp.tap import Tap
from ackflow.streams.amqp.wire import HEARTBEAT, LARGEST_FRAME, Wire

FRAME_MAX = 40
LIMIT = 60
TAPPED = (1, 2)
NEVER = -1.0
"""A time at which no heartbeat is due yet."""


@dataclass
class Ends:
    """A wire, and what comes out of both of its ends."""

    frame_max: int = FRAME_MAX
    limit: int = LIMIT
    channels: Sequence[int] = TAPPED
    runs: list[list[Peeled]] = field(default_factory=list)
    now: float = NEVER

    def __post_init__(self) -> None:
        self.wire = Wire(lambda: self.now)
        for channel in self.channels:
            self.tap(channel)

    def tap(self, channel: int) -> None:
        self.wire.tap(channel, Tap(self.runs.append, self.limit), self.frame_max)

    def feed(self, data: bytes, cuts: Sequence[int] = ()) -> bytes:
        bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
        return b"".join(self.wire.feed(data[a:b]) for a, b in pairwise(bounds))

    @property
    def deliveries(self) -> list[Peeled]:
        return [each for run in self.runs for each in run]

    @property
    def held(self) -> int:
        """Bytes that are held back."""
        return sum(map(len, self.wire._held))


# -- what brokers send --------------------------------------------------------------------------


def framed(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def content(body: bytes, channel: int, frame_max: int = FRAME_MAX) -> list[bytes]:
    """Return the frames of a message's header and body."""
    properties = Basic.Properties(delivery_mode=2, message_id="m")
    header = frame.marshal(ContentHeader(body_size=len(body), properties=properties), channel)
    step = frame_max - 8
    parts = [body[at : at + step] for at in range(0, len(body), step)]
    return [header, *(frame.marshal(ContentBody(part), channel) for part in parts)]


def delivery(
    tag: int, body: bytes, channel: int = 1, *, frame_max: int = FRAME_MAX, again: bool = False
) -> list[bytes]:
    """Return the frames of a delivery."""
    method = Basic.Deliver("t", tag, again, "x", "key")
    return [frame.marshal(method, channel), *content(body, channel, frame_max)]


def shown(each: Peeled) -> tuple[object, ...]:
    """Return all that a delivery says of itself."""
    method, properties = each.method, each.header.properties
    return (
        *(each.tag, each.redelivered, each.body, each.size, properties.message_id),
        *(method.consumer_tag, method.delivery_tag, method.exchange, method.routing_key),
    )


def expected(tag: int, body: bytes, again: bool) -> tuple[object, ...]:
    return (tag, again, body[:LIMIT], len(body), "m", "t", tag, "x", "key")


OTHERS = (
    HEARTBEAT,
    frame.marshal(Connection.Blocked("low on memory"), 0),
    frame.marshal(Channel.OpenOk(), 3),
    b"".join(delivery(7, b"\xce" * 50, channel=3)),
    frame.marshal(Basic.GetEmpty(), 3),
    frame.marshal(Basic.CancelOk("t"), 1),
    frame.marshal(Basic.Cancel("t"), 2),
)
"""What is for aiormq: of channels that are not tapped, and of tapped ones what is no delivery."""


@dataclass
class Sent:
    """A stream of frames, and what is to become of it."""

    data: bytes
    deliveries: dict[int, list[tuple[object, ...]]]
    others: bytes


@st.composite
def streams(draw: st.DrawFn) -> Sent:
    """Draw deliveries on two channels, their frames interleaved with each other and with others."""
    deliveries: dict[int, list[tuple[object, ...]]] = {channel: [] for channel in TAPPED}
    waiting: dict[int, list[bytes]] = {channel: [] for channel in TAPPED}
    for channel in TAPPED:
        for tag, body in enumerate(draw(st.lists(st.binary(max_size=100), max_size=5)), 1):
            again = draw(st.booleans())
            waiting[channel] += delivery(tag, body, channel, again=again)
            deliveries[channel].append(expected(tag, body, again))
    waiting[0] = draw(st.lists(st.sampled_from(OTHERS), max_size=5))
    others = b"".join(waiting[0])
    data = b""
    while any(waiting.values()):
        data += waiting[draw(st.sampled_from([c for c, frames in waiting.items() if frames]))].pop(
            0
        )
    return Sent(data, deliveries, others)


# -- every split --------------------------------------------------------------------------------

CUTS = st.lists(st.integers(0, 10_000), max_size=40)


@given(streams(), CUTS)
def test_every_split_into_reads_gives_the_same_deliveries_and_the_same_rest(
    sent: Sent, cuts: list[int]
) -> None:
    runs: dict[int, list[Peeled]] = {channel: [] for channel in TAPPED}
    wire = Wire(lambda: NEVER)
    for channel in TAPPED:
        wire.tap(channel, Tap(runs[channel].extend, LIMIT), FRAME_MAX)
    bounds = [0, *sorted(cut % (len(sent.data) + 1) for cut in cuts), len(sent.data)]
    rest = b"".join(wire.feed(sent.data[a:b]) for a, b in pairwise(bounds))
    assert {channel: list(map(shown, run)) for channel, run in runs.items()} == sent.deliveries
    assert rest == sent.others
    assert not wire.error


@given(streams())
def test_byte_by_byte_is_as_good_and_no_more_than_a_frame_is_held_back(sent: Sent) -> None:
    ends = Ends()
    rest = b""
    for byte in sent.data:
        rest += ends.wire.feed(bytes([byte]))
        assert ends.held < FRAME_MAX
    assert rest == sent.others
    assert len(ends.deliveries) == sum(map(len, sent.deliveries.values()))


@given(streams())
def test_what_one_read_completes_is_one_run_per_channel(sent: Sent) -> None:
    ends = Ends()
    ends.feed(sent.data)
    assert sorted(map(len, ends.runs)) == sorted(filter(None, map(len, sent.deliveries.values())))


@given(st.binary(max_size=300), CUTS)
def test_without_a_tap_all_bytes_pass_as_they_are_whatever_they_are(
    data: bytes, cuts: list[int]
) -> None:
    ends = Ends(channels=())
    rest = ends.feed(data, cuts)
    assert data.startswith(rest)
    assert ends.held == len(data) - len(rest) < 7
    assert not ends.wire.error


def test_a_frame_that_comes_in_many_reads_is_put_together_once() -> None:
    """Once for every read would take the square of the time."""
    ends = Ends(frame_max=131_072, limit=2**20)
    frames = b"".join(delivery(1, b"x" * 131_000, frame_max=131_072))
    reads = [frames[at : at + 100] for at in range(0, len(frames), 100)]
    for number, read in enumerate(reads[:-1], 1):
        ends.feed(read)
        assert len(ends.wire._held) == number
    ends.feed(reads[-1])
    assert [len(each.body) for each in ends.deliveries] == [131_000]


# -- garbage ------------------------------------------------------------------------------------


@given(streams(), st.binary(max_size=200), st.integers(0, 10_000), CUTS)
def test_garbage_is_one_error_or_is_passed_on_and_never_held_back(
    sent: Sent, garbage: bytes, at: int, cuts: list[int]
) -> None:
    at %= len(sent.data) + 1
    ends = Ends()
    rest = ends.feed(sent.data[:at] + garbage + sent.data[at:], cuts)
    assert ends.held < FRAME_MAX
    if ends.wire.error:
        assert ends.feed(sent.data) == b""
    assert len(rest) <= len(sent.data) + len(garbage)
    for each in ends.deliveries:
        assert len(shown(each)) == 9


@given(streams(), st.integers(0, 10_000), st.integers(1, 255), CUTS, CUTS)
def test_a_byte_that_is_wrong_gives_the_same_error_in_every_split(
    sent: Sent, at: int, change: int, some: list[int], others: list[int]
) -> None:
    data = bytearray(sent.data or HEARTBEAT)
    data[at % len(data)] ^= change
    one, two = Ends(), Ends()
    one.feed(bytes(data), some)
    two.feed(bytes(data), others)
    assert one.wire.error == two.wire.error
    assert sorted(map(repr, map(shown, one.deliveries))) == sorted(
        map(repr, map(shown, two.deliveries))
    )


METHOD, HEADER, BODY = delivery(1, b"body")
BAD = {
    "a frame that does not end": (METHOD[:-1] + b"\0", "does not end where its length says"),
    "a frame above frame_max": (framed(3, 1, b"x" * (FRAME_MAX - 7)), "41 bytes came, 40 are"),
    "the promise of a large frame": (struct.pack(">BHI", 3, 1, 2**32 - 1), "4,294,967,303 bytes"),
    "two methods": (METHOD + METHOD, "before the one before it had ended"),
    "two headers": (METHOD + HEADER + HEADER, "header of a message came where none"),
    "a header alone": (HEADER, "header of a message came where none"),
    "a header that is cut": (METHOD + framed(2, 1, b"\0\x3c\0\0"), "none of class basic"),
    "a header of another class": (METHOD + framed(2, 1, b"\0\x3d" + bytes(12)), "of class basic"),
    "a body alone": (BODY, "more of a body came"),
    "a body without a header": (METHOD + BODY, "more of a body came"),
    "an empty body alone": (framed(3, 1, b""), "more of a body came"),
    "an empty body without a header": (METHOD + framed(3, 1, b""), "more of a body came"),
    "a body that is too long": (METHOD + HEADER + framed(3, 1, b"bodies"), "more of a body came"),
    "a body behind the end": (METHOD + HEADER + BODY + BODY, "more of a body came"),
    "a method that is cut": (framed(1, 1, METHOD[7:-2]), "shorter or longer than it says"),
    "a method that goes on": (framed(1, 1, METHOD[7:-1] + b"\0"), "shorter or longer than it"),
    "a method without texts": (framed(1, 1, b"\0\x3c\0\x3c"), "shorter or longer than it says"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_no_broker_may_send_is_one_clear_error(name: str) -> None:
    data, said = BAD[name]
    ends = Ends()
    before = b"".join(delivery(1, b"before"))
    assert ends.feed(HEARTBEAT + before + data) == b""
    assert said in ends.wire.error
    assert [each.body for each in ends.deliveries][:1] == [b"before"]
    assert ends.feed(HEARTBEAT + before) == b""
    assert ends.held == 0


def header(size: int, *, channel: int = 1, class_id: int = 60, more: bytes = b"\0\0") -> bytes:
    return framed(2, channel, struct.pack(">HHQ", class_id, 0, size) + more)


def deliver(consumer: str, *, again: bool = False, key: str = "key") -> bytes:
    return frame.marshal(Basic.Deliver(consumer, 1, again, "x", key), 1)


ONE_READ = {
    "as usual": METHOD + header(4) + BODY,
    "a body in two frames": METHOD + header(4) + framed(3, 1, b"bo") + framed(3, 1, b"dy"),
    "a body in two frames that could be one": (
        METHOD + header(12) + framed(3, 1, b"bo") + framed(3, 1, b"xx\xcexxxxxxx")
    ),
    "a body above the limit": METHOD + header(30) + framed(3, 1, b"x" * 30),
    "a body at the limit": METHOD + header(20) + framed(3, 1, b"x" * 20),
    "no body": METHOD + header(0),
    "no body, and a frame for it": METHOD + header(0) + framed(3, 1, b""),
    "another frame between": METHOD + HEARTBEAT + header(4) + HEARTBEAT + BODY,
    "a method that does not end": METHOD[:-1] + b"\0" + header(4) + BODY,
    "a method that is cut": framed(1, 1, METHOD[7:-2]) + header(4) + BODY,
    "a method that is no delivery": framed(1, 1, b"\0\x3c\0\x32" + METHOD[11:-1])
    + header(4)
    + BODY,
    "a header of another channel": METHOD + header(4, channel=2) + BODY,
    "a header of another class": METHOD + header(4, class_id=61) + BODY,
    "a header of another kind": METHOD + b"\x08" + header(4)[1:] + BODY,
    "a header that does not end": METHOD + header(4)[:-1] + b"\0" + BODY,
    "a header without flags": METHOD + header(4, more=b"") + BODY,
    "a header above frame_max": METHOD + header(4, more=bytes(FRAME_MAX)) + BODY,
    "a body of another channel": METHOD + header(4) + framed(3, 2, b"body"),
    "a body of another kind": METHOD + header(4) + framed(8, 1, b"body"),
    "a body that does not end": METHOD + header(4) + BODY[:-1] + b"\0",
    "a body above frame_max": METHOD + header(34) + framed(3, 1, b"x" * 34),
    "a method of another channel": framed(1, 2, METHOD[7:-1]) + header(4) + BODY,
    "a method of another kind": b"\x08" + METHOD[1:] + header(4) + BODY,
    "handed out again": deliver("t", again=True) + header(4) + BODY,
    "another consumer": deliver("u") + header(4) + BODY,
    "another routing key": deliver("t", key="yek") + header(4) + BODY,
    "other properties": METHOD + header(4, more=b"\x10\0\x02") + BODY,
    "a body that is shorter than announced": METHOD + header(5) + BODY,
    "a body that is longer than announced": METHOD + header(3) + BODY,
    "a body of which the end is missing": METHOD + header(4) + BODY[:-1],
}
USUAL = METHOD + header(4) + BODY


def assert_the_same_byte_by_byte(data: bytes, limit: int) -> None:
    at_once, by_bytes = Ends(limit=limit), Ends(limit=limit)
    rest = at_once.feed(data)
    assert rest == by_bytes.feed(data, range(len(data))) or at_once.wire.error
    assert at_once.wire.error == by_bytes.wire.error
    assert list(map(shown, at_once.deliveries)) == list(map(shown, by_bytes.deliveries))


@pytest.mark.parametrize("before", [b"", USUAL, 2 * USUAL], ids=["first", "second", "third"])
@pytest.mark.parametrize("name", ONE_READ)
def test_a_delivery_in_one_read_becomes_what_it_becomes_byte_by_byte(
    name: str, before: bytes
) -> None:
    data = before + ONE_READ[name] + b"".join(delivery(2, b"next"))
    for limit in (20, 60):
        assert_the_same_byte_by_byte(data, limit)


@given(st.lists(st.tuples(st.sampled_from(sorted(ONE_READ)), st.integers(1, 3)), max_size=6))
def test_any_deliveries_in_one_read_become_what_they_become_byte_by_byte(
    named: list[tuple[str, int]],
) -> None:
    assert_the_same_byte_by_byte(b"".join(ONE_READ[name] * times for name, times in named), 20)


def test_where_no_largest_frame_is_agreed_upon_there_is_one_all_the_same() -> None:
    ends = Ends(frame_max=0)
    ends.feed(b"".join(delivery(1, b"x" * 200_000, frame_max=200_008)))
    assert len(ends.deliveries) == 1
    ends.feed(struct.pack(">BHI", 3, 1, LARGEST_FRAME))
    assert "536,870,928 bytes came, 536,870,920 are the most" in ends.wire.error


# -- bodies -------------------------------------------------------------------------------------


def test_empty_and_large_bodies_are_whole() -> None:
    bodies = [b"", b"x", bytes(range(256)) * 4000]
    ends = Ends(limit=2**21, frame_max=4096)
    for tag, body in enumerate(bodies, 1):
        ends.feed(b"".join(delivery(tag, body, frame_max=4096)), [5, 11, 4000])
    assert [each.body for each in ends.deliveries] == bodies


def test_a_body_above_the_limit_is_not_held_in_memory() -> None:
    ends = Ends(limit=1000, frame_max=131_072)
    size, part = 64 * 2**20, framed(3, 1, b"x" * 65_536)
    header = frame.marshal(ContentHeader(body_size=size), 1)
    tracemalloc.start()
    try:
        ends.feed(METHOD + header)
        for _ in range(size // 65_536):
            ends.feed(part)
        ends.feed(b"".join(delivery(2, b"after")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [(len(each.body), each.size) for each in ends.deliveries] == [(1000, size), (5, 5)]
    assert peak < 2**20


# -- channels and heartbeats --------------------------------------------------------------------


@pytest.mark.parametrize("close", [Channel.Close(404, "gone", 0, 0), Channel.CloseOk()])
def test_a_closed_channel_is_let_go_of_for_its_number_is_used_again(close: object) -> None:
    ends = Ends()
    frames = b"".join(delivery(1, b"first"))
    closing = frame.marshal(close, 1)  # type: ignore[arg-type]
    assert ends.feed(frames + closing + frames) == closing + frames
    assert [each.body for each in ends.deliveries] == [b"first"]
    assert ends.feed(b"".join(delivery(1, b"second", channel=2))) == b""


def test_a_channel_that_ends_in_the_middle_of_a_body_leaves_nothing_to_the_next() -> None:
    ends = Ends()
    ends.feed(METHOD + HEADER + frame.marshal(Channel.CloseOk(), 1))
    ends.tap(1)
    ends.feed(b"".join(delivery(1, b"next")))
    assert [each.body for each in ends.deliveries] == [b"next"]
    assert not ends.wire.error


def passed(ends: Ends, moments: Sequence[float], data: bytes) -> Iterator[bytes]:
    for ends.now in moments:
        yield ends.feed(data)


def test_deliveries_are_a_heartbeat_a_second_to_whoever_reads_the_rest() -> None:
    frames = b"".join(delivery(1, b"x"))
    heard = list(passed(Ends(), [0.0, 0.5, 1.0, 1.5, 5.0], frames))
    assert heard == [HEARTBEAT, b"", HEARTBEAT, b"", HEARTBEAT]


def test_only_frames_that_came_whole_are_a_heartbeat() -> None:
    """A length that is made up must not keep a dead connection alive."""
    assert list(passed(Ends(), [0.0, 5.0, 10.0], METHOD[:8])) == [b"", b"", b""]


def test_a_heartbeat_never_comes_between_the_bytes_of_another_frame() -> None:
    ends = Ends(now=0.0)
    other = b"".join(delivery(7, b"x" * 50, channel=3))
    frames = b"".join(delivery(1, b"x"))
    assert ends.feed(frames + other[:20]) == other[:20]
    assert ends.feed(other[20:] + frames) == other[20:] + HEARTBEAT
