"""What each answer of Elasticsearch means for the documents it is about: two tables, both pure.

`judge_request` reads the answer to a whole bulk, `judge_item` the result of one document in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ackflow.sinks.elasticsearch.answers import Cause, cause_of


class Decision(Enum):
    """What is done about documents."""

    ACCEPT = "accept"
    RETRY = "retry"
    REJECT = "reject"
    REQUEUE = "requeue"
    HALT = "halt"
    BISECT = "bisect"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision and what goes with it.

    `note` names the counter of something accepted that is no ordinary write. A retry is `slow`
    where only people or time help; `pressure` tells the limiter; `outage` says that nobody's
    document is to blame; `spent` is the decision when the budget of time is over, `tries` a budget
    of attempts.
    """

    decision: Decision
    note: str = ""
    slow: bool = False
    pressure: bool = False
    outage: bool = False
    spent: Decision = Decision.REQUEUE
    tries: int | None = None


ACCEPTED = Verdict(Decision.ACCEPT)
DUPLICATE = Verdict(Decision.ACCEPT, note="duplicates")
STALE = Verdict(Decision.ACCEPT, note="stale")
NOTHING_TO_DELETE = Verdict(Decision.ACCEPT, note="missing")
IN_FAILURE_STORE = Verdict(Decision.ACCEPT, note="failure_store")
OVERRULED = Verdict(Decision.ACCEPT, note="overruled")
REJECTED = Verdict(Decision.REJECT)
HALTED = Verdict(Decision.HALT)
BISECTED = Verdict(Decision.BISECT)
BUSY = Verdict(Decision.RETRY, pressure=True)
BLOCKED = Verdict(Decision.RETRY, slow=True, outage=True)
FLOODED = Verdict(Decision.RETRY, slow=True, outage=True, pressure=True)
AWAY = Verdict(Decision.RETRY, outage=True)
STORM = Verdict(Decision.RETRY, outage=True, pressure=True)
BROKEN = Verdict(Decision.RETRY, spent=Decision.REJECT)
BROKEN_STORM = Verdict(Decision.RETRY, outage=True, pressure=True, spent=Decision.REJECT)
CONFLICT = Verdict(Decision.RETRY, spent=Decision.REJECT, tries=5)

OVERRIDES = {
    Decision.ACCEPT: OVERRULED,
    Decision.RETRY: Verdict(Decision.RETRY),
    Decision.REJECT: REJECTED,
    Decision.HALT: HALTED,
}
"""What an entry of `decisions=` may choose."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings of a sink say about results.

    `versioned`: documents carry a version of their own (`version=`); `conditional`: they name the
    state they expect (`if_seq_no=`); `decisions` overrule the table by error type.
    """

    versioned: bool = False
    conditional: bool = False
    decisions: Mapping[str, Decision] = field(default_factory=dict)


def judge_request(status: int, cause: Cause) -> Verdict:
    """Judge an answer without results for single documents, by its HTTP status and error."""
    if status == 400:
        return HALTED if _is_configuration(cause) else BISECTED
    if status == 413:
        return BISECTED
    if status in (408, 429):
        return BUSY
    if status == 500:
        return BROKEN_STORM
    if status >= 500 and status != 501:
        return STORM
    # 401 and 403 are credentials; 404, 405, 406, 415, 501 and all others a wrong address, a proxy
    # or another product: never the fault of a document.
    return HALTED


def _is_configuration(cause: Cause) -> bool:
    return cause.type == "media_type_header_exception" or "unrecognized parameter" in cause.reason


def judge_item(
    operation: str, result: Mapping[str, Any], rules: Rules, *, first: bool = True
) -> Verdict:
    """Judge the result of one document.

    `first` says that no earlier attempt can have written the document; otherwise a conflict of a
    create is our own earlier write, whatever the rules say.
    """
    status = result.get("status")
    if not isinstance(status, int):
        return BROKEN
    if result.get("error") is None:
        if 200 <= status < 300:
            return _stored(result, rules)
        if status == 404 and operation == "delete":
            return NOTHING_TO_DELETE
    kind = cause_of(result).type
    if operation == "create" and status == 409 and not first:
        return DUPLICATE
    if kind in rules.decisions:
        return OVERRIDES[rules.decisions[kind]]
    return _failed(operation, status, kind, rules)


def _stored(result: Mapping[str, Any], rules: Rules) -> Verdict:
    if result.get("failure_store") != "used":
        return ACCEPTED
    # The data stream refused the document and Elasticsearch put it aside:
    # https://www.elastic.co/docs/manage-data/data-store/data-streams/failure-store
    if rules.decisions.get("failure_store") is Decision.REJECT:
        return REJECTED
    return IN_FAILURE_STORE


def _failed(operation: str, status: int, kind: str, rules: Rules) -> Verdict:
    if kind == "not_x_content_exception":  # 9.0.1 says 500 of a document that is not JSON at all
        return REJECTED
    if status == 409:
        return _conflict(operation, kind, rules)
    if status == 403:
        return {"cluster_block_exception": BLOCKED, "security_exception": HALTED}.get(
            kind, REJECTED
        )
    if status == 404:
        return HALTED if kind == "index_not_found_exception" else REJECTED
    if status == 429:
        # Disk above the flood stage; 429 since 7.7, 403 before.
        return FLOODED if kind == "cluster_block_exception" else BUSY
    if status in (502, 503, 504):
        return AWAY
    return REJECTED if 400 <= status < 500 else BROKEN


def _conflict(operation: str, kind: str, rules: Rules) -> Verdict:
    if kind == "version_conflict_engine_exception":
        if rules.conditional:
            return REJECTED
        if operation == "create":
            return DUPLICATE
        if rules.versioned:
            return STALE
    return CONFLICT
