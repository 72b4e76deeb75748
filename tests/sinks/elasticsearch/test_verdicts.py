"""The two tables: what each answer of Elasticsearch means. One case is one row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ackflow.sinks.elasticsearch.answers import Cause
from ackflow.sinks.elasticsearch.verdicts import (
    ACCEPTED,
    AWAY,
    BISECTED,
    BLOCKED,
    BROKEN,
    BROKEN_STORM,
    BUSY,
    CONFLICT,
    DUPLICATE,
    FLOODED,
    HALTED,
    IN_FAILURE_STORE,
    NOTHING_TO_DELETE,
    OVERRULED,
    REJECTED,
    STALE,
    STORM,
    Decision,
    Rules,
    Verdict,
    judge_item,
    judge_request,
)

UNKNOWN_PARAMETER = "request [/_bulk] contains unrecognized parameter: [nonsense]"


@pytest.mark.parametrize(
    ("status", "cause", "verdict"),
    [
        (400, Cause("illegal_argument_exception", "Malformed action/metadata line [1]"), BISECTED),
        (400, Cause("action_request_validation_exception", "id is missing"), BISECTED),
        (400, Cause("x_content_parse_exception", "[1:12] Unrecognized token 'abc'"), BISECTED),
        (400, Cause(reason="<html>Bad Request</html>"), BISECTED),
        (400, Cause("media_type_header_exception", "Invalid media-type value"), HALTED),
        (400, Cause("illegal_argument_exception", UNKNOWN_PARAMETER), HALTED),
        (401, Cause("security_exception", "unable to authenticate user"), HALTED),
        (403, Cause("security_exception", "action is unauthorized"), HALTED),
        (403, Cause(reason="<html>Forbidden</html>"), HALTED),
        (404, Cause("index_not_found_exception"), HALTED),
        (405, Cause(), HALTED),
        (406, Cause(), HALTED),
        (407, Cause(), HALTED),
        (415, Cause(), HALTED),
        (451, Cause(), HALTED),
        (302, Cause(), HALTED),
        (501, Cause(), HALTED),
        (408, Cause(), BUSY),
        (429, Cause("es_rejected_execution_exception"), BUSY),
        (429, Cause("circuit_breaking_exception"), BUSY),
        (413, Cause(), BISECTED),
        (500, Cause(), BROKEN_STORM),
        (502, Cause(reason="<html>Bad Gateway</html>"), STORM),
        (503, Cause("cluster_block_exception", "no master"), STORM),
        (504, Cause(), STORM),
        (520, Cause(), STORM),
    ],
)
def test_an_answer_to_the_whole_bulk_is_judged(status: int, cause: Cause, verdict: Verdict) -> None:
    assert judge_request(status, cause) == verdict


@given(st.integers(100, 599), st.text(), st.text())
def test_a_whole_bulk_is_never_accepted_or_rejected_at_once(
    status: int, kind: str, reason: str
) -> None:
    decision = judge_request(status, Cause(kind, reason)).decision
    assert decision in (Decision.RETRY, Decision.HALT, Decision.BISECT)


VERSION_CONFLICT = "version_conflict_engine_exception"
PLAIN = Rules()
EXTERNAL = Rules(versioned=True)
CONDITIONAL = Rules(conditional=True)


def result(status: Any, kind: str | None = None, **more: Any) -> dict[str, Any]:
    error = {} if kind is None else {"error": {"type": kind, "reason": "because"}}
    return {"status": status, **error, **more}


def overruled(kind: str, decision: Decision) -> Rules:
    return Rules(decisions={kind: decision})


@pytest.mark.parametrize(
    ("operation", "what", "rules", "verdict"),
    [
        ("index", result(200), PLAIN, ACCEPTED),
        ("index", result(201), PLAIN, ACCEPTED),
        ("update", result(200, result="noop"), PLAIN, ACCEPTED),
        ("index", result(201, _shards={"failed": 1}), PLAIN, ACCEPTED),
        ("create", result(201, failure_store="used"), PLAIN, IN_FAILURE_STORE),
        (
            "create",
            result(201, failure_store="used"),
            overruled("failure_store", Decision.REJECT),
            REJECTED,
        ),
        ("create", result(201, failure_store="not_enabled"), PLAIN, ACCEPTED),
        ("delete", result(200), PLAIN, ACCEPTED),
        ("delete", result(404, result="not_found"), PLAIN, NOTHING_TO_DELETE),
        ("update", result(404, "document_missing_exception"), PLAIN, REJECTED),
        (
            "update",
            result(404, "document_missing_exception"),
            overruled("document_missing_exception", Decision.ACCEPT),
            OVERRULED,
        ),
        ("index", result(404, "index_not_found_exception"), PLAIN, HALTED),
        (
            "index",
            result(404, "index_not_found_exception"),
            overruled("index_not_found_exception", Decision.REJECT),
            REJECTED,
        ),
        ("create", result(409, VERSION_CONFLICT), PLAIN, DUPLICATE),
        (
            "create",
            result(409, VERSION_CONFLICT),
            overruled(VERSION_CONFLICT, Decision.REJECT),
            REJECTED,
        ),
        ("index", result(409, VERSION_CONFLICT), EXTERNAL, STALE),
        ("delete", result(409, VERSION_CONFLICT), EXTERNAL, STALE),
        ("update", result(409, VERSION_CONFLICT), PLAIN, CONFLICT),
        ("index", result(409, VERSION_CONFLICT), PLAIN, CONFLICT),
        ("index", result(409, VERSION_CONFLICT), CONDITIONAL, REJECTED),
        ("update", result(409, VERSION_CONFLICT), CONDITIONAL, REJECTED),
        ("create", result(409, "something_else"), PLAIN, CONFLICT),
        ("index", result(400, "mapper_parsing_exception"), PLAIN, REJECTED),
        ("index", result(400, "document_parsing_exception"), PLAIN, REJECTED),
        ("index", result(400, "strict_dynamic_mapping_exception"), PLAIN, REJECTED),
        ("index", result(400, "illegal_argument_exception"), PLAIN, REJECTED),
        ("index", result(400, "x_content_parse_exception"), PLAIN, REJECTED),
        ("update", result(400, "script_exception"), PLAIN, REJECTED),
        ("index", result(400, "routing_missing_exception"), PLAIN, REJECTED),
        ("index", result(400, "invalid_index_name_exception"), PLAIN, REJECTED),
        ("index", result(400, "index_closed_exception"), PLAIN, REJECTED),
        (
            "index",
            result(400, "index_closed_exception"),
            overruled("index_closed_exception", Decision.HALT),
            HALTED,
        ),
        ("index", result(403, "cluster_block_exception"), PLAIN, BLOCKED),
        ("index", result(403, "security_exception"), PLAIN, HALTED),
        ("index", result(403, "something_else"), PLAIN, REJECTED),
        ("index", result(429, "es_rejected_execution_exception"), PLAIN, BUSY),
        ("index", result(429, "circuit_breaking_exception"), PLAIN, BUSY),
        ("index", result(429, "cluster_block_exception"), PLAIN, FLOODED),
        ("index", result(500, "null_pointer_exception"), PLAIN, BROKEN),
        ("index", result(500, "not_x_content_exception"), PLAIN, REJECTED),
        ("index", result(502, "x"), PLAIN, AWAY),
        ("index", result(503, "unavailable_shards_exception"), PLAIN, AWAY),
        ("index", result(504, "x"), PLAIN, AWAY),
        ("index", result(507, "x"), PLAIN, BROKEN),
        ("index", result(418, "x"), PLAIN, REJECTED),
        ("index", result(None, "x"), PLAIN, BROKEN),
        ("index", {}, PLAIN, BROKEN),
        ("index", {"status": 400, "error": "a text"}, PLAIN, REJECTED),
    ],
)
def test_the_result_of_a_document_is_judged(
    operation: str, what: dict[str, Any], rules: Rules, verdict: Verdict
) -> None:
    assert judge_item(operation, what, rules) == verdict


def test_what_is_pushed_back_goes_back_to_the_queue_in_the_end_and_poison_does_not() -> None:
    back = [verdict.spent for verdict in (BUSY, BLOCKED, FLOODED, AWAY, STORM)]
    assert back == [Decision.REQUEUE] * 5
    assert [verdict.spent for verdict in (BROKEN, BROKEN_STORM, CONFLICT)] == [Decision.REJECT] * 3


def test_a_conflict_of_a_create_sent_before_is_our_own_write_whatever_the_rules_say() -> None:
    rules = overruled(VERSION_CONFLICT, Decision.REJECT)
    assert judge_item("create", result(409, VERSION_CONFLICT), rules, first=False) == DUPLICATE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(["index", "create", "update", "delete", "?"]),
    st.fixed_dictionaries(
        {},
        optional={
            "status": st.integers(0, 999) | json_values,
            "error": st.fixed_dictionaries(
                {}, optional={"type": json_values, "reason": json_values}
            )
            | json_values,
            "failure_store": json_values,
        },
    ),
)
def test_any_result_has_a_verdict_and_only_stored_ones_are_accepted(
    operation: str, what: dict[str, Any]
) -> None:
    verdict = judge_item(operation, what, PLAIN)
    if verdict.decision is Decision.ACCEPT:
        assert what["status"] in range(200, 300) or what["status"] in (404, 409)
