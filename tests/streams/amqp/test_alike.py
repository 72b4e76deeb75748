"""Deliveries that differ in no more than tag, size and body are taken in one step, wherever they end."""

from ackflow.streams.amqp.alike import Alike
from ackflow.streams.amqp.peeled import Peeled
from tests.streams.amqp.test_wire import delivery, shown

BODIES = [b"\xce" * 60, b"x", b"bodies", b"x" * 300, b"\0"]
FRAMES = [b"".join(delivery(tag, body, frame_max=4096)) for tag, body in enumerate(BODIES, start=1)]
DATA = b"".join(FRAMES)


def taken(data: bytes, most: int) -> tuple[int, list[Peeled]]:
    run: list[Peeled] = []
    return Alike(DATA, 0).take(data, 0, most, run), run


def test_all_that_are_alike_are_taken_and_say_of_themselves_what_came() -> None:
    end, run = taken(DATA, most=300)
    assert end == len(DATA)
    assert [shown(each) for each in run] == [
        (tag, False, body, len(body), "m", "t", tag, "x", "key")
        for tag, body in enumerate(BODIES, 1)
    ]
    assert [each.header.body_size for each in run] == [len(body) for body in BODIES]


def test_a_body_above_the_limit_and_what_lies_behind_it_are_left() -> None:
    end, run = taken(DATA, most=299)
    assert (end, len(run)) == (len(b"".join(FRAMES[:3])), 3)


def test_what_has_not_come_whole_is_left() -> None:
    ends = [sum(map(len, FRAMES[:count])) for count in range(len(FRAMES) + 1)]
    for cut in range(len(DATA)):
        assert taken(DATA[:cut], most=300)[0] == max(end for end in ends if end <= cut)


def test_where_it_begins_makes_no_difference() -> None:
    run: list[Peeled] = []
    assert Alike(b"before" + DATA, 6).take(b"xy" + DATA, 2, 300, run) == 2 + len(DATA)
    assert len(run) == len(BODIES)
