"""Reading a document's header from its value.

Elasticsearch would refuse a whole bulk for some of what is checked here.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from ackflow.sinks.elasticsearch.addressing import OPERATIONS, Addressing, Number, Text
from ackflow.sinks.elasticsearch.rejection import BulkRejected

LONGEST_ID = 512
"""Bytes in UTF-8."""
HIGHEST_NUMBER = 2**63 - 1


def refusal(error_type: str, reason: str) -> BulkRejected:
    """Return the error of a document that is not even sent."""
    return BulkRejected(reason, error_type=error_type, attempts=0)


def operation_of(settings: Addressing, value: Any) -> str:
    """Return what is to be done with a value."""
    if isinstance(settings.op, str):
        return settings.op
    operation = settings.op(value)
    if operation not in OPERATIONS:
        raise refusal(
            "invalid_operation", f"op(value) returned {operation!r}, not one of {OPERATIONS}"
        )
    return operation


def id_of(settings: Addressing, value: Any, source: Any) -> str:
    """Return the id of a document; `source` is the value, read where it came as JSON.

    Example:
        >>> id_of(Addressing(index="words", id="n"), None, {"n": 7})
        '7'

    """
    found = settings.id(value) if callable(settings.id) else _field(source, settings.id)
    if isinstance(found, (int, uuid.UUID)) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or not found:
        where = "id(value) returned" if callable(settings.id) else f"its field {settings.id!r} is"
        raise refusal("document_without_id", f"{where} {found!r}, an id is a text or an integer")
    if len(found.encode(errors="replace")) > LONGEST_ID:
        raise refusal("id_too_long", f"the id has more than {LONGEST_ID} bytes: {found[:80]!r}…")
    return found


def metadata_of(settings: Addressing, operation: str, value: Any, source: Any) -> dict[str, Any]:
    """Return all of a document's header but its id."""
    header: dict[str, Any] = {"_index": _text("index", settings.index, value)}
    if header["_index"] is None:
        raise refusal("document_without_index", "index(value) returned None")
    if settings.routing is not None:
        header["routing"] = _text("routing", settings.routing, value)
    if settings.pipeline is not None and operation in ("index", "create"):
        header["pipeline"] = _text("pipeline", settings.pipeline, value)
    if settings.version is not None and operation in ("index", "delete"):
        header["version"] = _number("version", settings.version, value, source)
        header["version_type"] = settings.version_type or "external"
    if settings.if_seq_no is not None and operation != "create":
        header["if_seq_no"] = _number("if_seq_no", settings.if_seq_no, value, source)
        header["if_primary_term"] = _number(
            "if_primary_term", settings.if_primary_term, value, source
        )
    if operation == "update" and settings.if_seq_no is None:
        header["retry_on_conflict"] = settings.retry_on_conflict
    return {name: found for name, found in header.items() if found is not None}


def _field(source: Any, name: str | None) -> Any:
    if isinstance(source, Mapping):
        return source.get(name)
    return getattr(source, name, None) if name else None


def _text(name: str, setting: Text, value: Any) -> str | None:
    found = setting(value) if callable(setting) else setting
    if found is not None and not (isinstance(found, str) and found):
        raise refusal(f"invalid_{name}", f"{name}(value) returned {found!r}, not a text")
    return found


def _number(name: str, setting: Number | None, value: Any, source: Any) -> int:
    found = setting(value) if callable(setting) else _field(source, setting)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= HIGHEST_NUMBER:
        raise refusal(
            f"invalid_{name}", f"{name} is {found!r}, not an integer from 0 to {HIGHEST_NUMBER}"
        )
    return found
