"""Reading answers: what can't be matched with its documents is never matched."""

import json
from typing import Any

import pytest

from ackflow.sinks.elasticsearch.answers import Answer, Cause, cause_of, seconds

STORED = {"index": {"status": 201}}
PUSHED_BACK = {"index": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}}


def items(*results: Any, errors: Any = False) -> dict[str, Any]:
    return {"errors": errors, "items": list(results)}


def test_a_whole_answer_has_one_result_per_document() -> None:
    assert Answer(200, items(STORED, STORED)).results(2) == [STORED, STORED]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, items(STORED)),
        Answer(200, items(STORED, STORED, STORED)),
        Answer(200, items(STORED, "?", errors=True)),
        Answer(200, items(STORED, {}, errors=True)),
        Answer(200, items(STORED, {"a": {}, "b": {}}, errors=True)),
        Answer(200, items(STORED, {"index": None}, errors=None)),
        Answer(200, {"errors": False}),
        Answer(200, {"items": {"0": STORED, "1": STORED}}),
        Answer(200, [STORED, STORED]),
        Answer(200, None, raw=b"<html>"),
        Answer(200, items(STORED, STORED), product=False),
        Answer(503, items(STORED, STORED)),
    ],
)
def test_a_short_or_garbled_answer_has_no_results(answer: Answer) -> None:
    assert answer.results(2) is None


def test_one_document_pushed_back_is_pressure() -> None:
    assert Answer(200, items(STORED, PUSHED_BACK, errors=True)).pressure
    assert not Answer(200, items(STORED, {"index": {"status": 400}}, errors=True)).pressure
    assert not Answer(200, items(STORED)).pressure


@pytest.mark.parametrize(
    ("status", "pressure"), [(429, True), (503, True), (500, False), (400, False)]
)
def test_statuses_of_pressure(status: int, pressure: bool) -> None:
    assert Answer(status).pressure is pressure


def packed(body: Any) -> Answer:
    return Answer(200, body, json.dumps(body, separators=(",", ":")).encode())


def test_bytes_alone_tell_that_all_was_stored() -> None:
    stored = packed(items(STORED, {"index": {"status": 200}}, STORED))
    assert stored.plain(3)
    assert [stored.count(status) for status in (201, 200, 404)] == [2, 1, 0]
    gone = packed(items({"delete": {"status": 404}}, {"delete": {"status": 200}}))
    assert gone.plain(2)
    assert [gone.count(status) for status in (201, 200, 404)] == [0, 1, 1]


@pytest.mark.parametrize(
    "answer",
    [
        packed(items(STORED)),
        packed(items(STORED, {"index": {"status": 500}})),
        packed(items(STORED, STORED, errors=True)),
        packed(items(STORED, {"create": {"status": 201, "failure_store": "used"}})),
        packed(items(STORED, 1)),
        packed(items({}, {})),
        packed(items(STORED, {"create": {"status": 201}})),
        packed(items(STORED, {"update": {"status": 404}})),
        packed(items(STORED, {"index": {"status": 404}})),
        Answer(200, items(STORED, STORED)),
        Answer(
            200, raw=b'{"errors":false,"items":[{"index":{"status":201}},{"index":{"status":201}}'
        ),
        Answer(200, raw=b'{"errors":false,"items":['),
        Answer(503, raw=packed(items(STORED, STORED)).raw),
        Answer(200, raw=packed(items(STORED, STORED)).raw, product=False),
    ],
)
def test_everything_else_is_looked_at_one_by_one(answer: Answer) -> None:
    assert not answer.plain(2)


@pytest.mark.parametrize("results", [(1, 2), ("failure_store", {}), (None, STORED), ({}, {})])
def test_results_that_are_none_are_not_taken_for_success(results: Any) -> None:
    """Whatever the answer says of itself."""
    assert packed(items(*results)).results(2) is None
    assert packed({"errors": False, "items": "ab"}).results(2) is None


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (
            {"error": {"type": "a", "reason": "b", "caused_by": {"type": "c", "reason": "d"}}},
            Cause("a", "b", "c: d"),
        ),
        ({"error": {"type": "a", "reason": None}}, Cause("a")),
        ({"error": "no handler found for uri"}, Cause(reason="no handler found for uri")),
        ({"ok": False, "message": "Unknown resource."}, Cause(reason="Unknown resource.")),
        ({}, Cause()),
    ],
)
def test_errors_come_in_several_shapes(body: dict[str, Any], cause: Cause) -> None:
    assert cause_of(body) == cause


def test_the_beginning_of_a_page_is_the_cause_where_there_is_no_json() -> None:
    cause = Answer(502, None, raw=b"<html>\n  Bad   Gateway " + b"x" * 1000).cause
    assert cause.reason.startswith("<html> Bad Gateway")
    assert len(cause.reason) <= 200


@pytest.mark.parametrize(
    ("header", "wait"),
    [("3", 3.0), (" 0 ", 0.0), (None, None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)],
)
def test_retry_after_is_read_in_seconds(header: str | None, wait: float | None) -> None:
    assert seconds(header) == wait
