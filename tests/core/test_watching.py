"""Watchers: who waits for a delivery hears of its end once."""

from ackflow.streams.core.watching import Watchers


def test_each_is_called_once_and_only_for_its_own_tag() -> None:
    watchers, heard = Watchers(), []
    assert not watchers
    watchers.add(1, lambda: heard.append("first"))
    watchers.add(1, lambda: heard.append("second"))
    watchers.add(2, lambda: heard.append("other"))
    assert watchers
    watchers.tell([3, 1])
    assert heard == ["first", "second"]
    watchers.tell([1])
    assert heard == ["first", "second"]
    watchers.tell_all()
    assert heard == ["first", "second", "other"]
    assert not watchers
    watchers.tell_all()
    assert len(heard) == 3
