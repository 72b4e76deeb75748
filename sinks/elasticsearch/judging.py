"""Following the verdicts on single documents of a bulk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ackflow.sinks.elasticsearch.answers import Cause, cause_of
from ackflow.sinks.elasticsearch.documents import Documents
from ackflow.sinks.elasticsearch.rejection import BulkRejected
from ackflow.sinks.elasticsearch.verdicts import Decision, Rules, Verdict, judge_item

COME_AGAIN = 30.0
"""Seconds after which a requeued document may come again."""


@dataclass(slots=True)
class Tally:
    """What a bulk came to: documents accepted by note, and those to be sent once more.

    `judged`: Elasticsearch decided about at least one document; `outage` and `halt` are what it
    said of documents that are not to blame; `slow` asks for a long wait; `created` counts new ones.
    """

    accepted: dict[str, list[int]] = field(default_factory=dict)
    again: list[int] = field(default_factory=list)
    created: int = 0
    judged: bool = False
    slow: bool = False
    outage: str = ""
    halt: str = ""


def judge_each(
    documents: Documents,
    part: Sequence[int],
    results: Sequence[Mapping[str, Mapping[str, Any]]],
    rules: Rules,
    *,
    late: bool,
) -> Tally:
    """Settle what is decided; `late` says that the time for retries is over."""
    tally = Tally()
    for at, item in zip(part, results, strict=True):
        operation, result = next(iter(item.items()))
        verdict = judge_item(operation, result, rules, first=not documents.tries(at))
        if verdict.decision is Decision.ACCEPT:
            tally.accepted.setdefault(verdict.note, []).append(at)
            tally.created += result.get("status") == 201
        else:
            _follow(documents, at, verdict, result, tally, late)
    for note, positions in tally.accepted.items():
        documents.accept(positions, note)
    tally.judged = tally.judged or bool(tally.accepted)
    return tally


def _follow(
    documents: Documents,
    at: int,
    verdict: Verdict,
    result: Mapping[str, Any],
    tally: Tally,
    late: bool,
) -> None:
    status, cause = result.get("status"), cause_of(result)
    said = f"answered {status} {cause} for a document"
    decision = verdict.decision
    if decision is Decision.RETRY:
        if late or verdict.tries == documents.tries(at) + 1:
            decision = verdict.spent
        else:
            tally.again.append(at)
            tally.slow = tally.slow or verdict.slow
            tally.outage = tally.outage or (said if verdict.outage else "")
    if decision is Decision.HALT:
        tally.halt = tally.halt or said
    elif decision is Decision.REJECT:
        tally.judged = True
        documents.reject(at, rejection(result, cause, documents.tries(at) + 1))
    elif decision is Decision.REQUEUE:
        documents.requeue([at], f"Elasticsearch {said}", COME_AGAIN)


def rejection(result: Mapping[str, Any], cause: Cause, attempts: int) -> BulkRejected:
    """Return the error of a refused document."""
    status = result.get("status")
    if result.get("error") is None and result.get("failure_store") == "used":
        cause = Cause(
            "failure_store", "the data stream refused it and put it into its failure store"
        )
    return BulkRejected(
        cause.reason,
        status=status if isinstance(status, int) else None,
        error_type=cause.type,
        caused_by=cause.caused_by,
        attempts=attempts,
    )
