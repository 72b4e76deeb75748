"""Index: what a fake Elasticsearch stores, with the answers a real one gives to single operations."""

import json
from itertools import count
from typing import Any, NamedTuple

Result = dict[str, Any]

KINDS = {
    400: "document_parsing_exception",
    403: "security_exception",
    404: "document_missing_exception",
    409: "version_conflict_engine_exception",
    413: "content_too_long_exception",
    429: "es_rejected_execution_exception",
    500: "null_pointer_exception",
    503: "unavailable_shards_exception",
}
"""What Elasticsearch calls its errors, where a script gives the status alone."""


class Operation(NamedTuple):
    """One operation of a bulk: "index", "create", "update" or "delete", its metadata, its document."""

    name: str
    metadata: dict[str, Any]
    document: Any

    @property
    def id(self) -> Any:
        return self.metadata.get("_id")


def parse(payload: bytes) -> list[Operation]:
    """Read a bulk as Elasticsearch does: line by line, the last one ended too.

    Raises ValueError for what is no bulk.
    """
    if not payload.endswith(b"\n"):
        raise ValueError("The bulk request must be terminated by a newline [\\n]")
    lines = iter(payload[:-1].split(b"\n"))
    operations = []
    for line in lines:
        ((name, metadata),) = json.loads(line).items()
        document = None if name == "delete" else json.loads(next(lines))
        operations.append(Operation(name, metadata, document))
    return operations


def error(status: int, kind: str | None = None, reason: str = "as scripted") -> Result:
    """Return the error that a status stands for."""
    kind = kind or KINDS.get(status, "illegal_state_exception")
    return {"error": {"type": kind, "reason": reason}, "status": status}


class Index:
    """The documents of one index, by their ids."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.versions: dict[str, int] = {}
        self._ids = count(1)
        self._sequence = count()

    def do(self, operation: Operation) -> Result:
        """Do one operation; return its result."""
        key = operation.id or f"generated-{next(self._ids)}"
        fault = self._fault(operation, key)
        if fault is not None:
            return {operation.name: {"_id": key, **fault}}
        known = key in self.documents
        if operation.name == "delete":
            self.documents.pop(key, None)
        elif operation.name == "update":
            self.documents[key] = self._updated(key, operation.document)
        else:
            self.documents[key] = operation.document
        version = operation.metadata.get("version")
        self.versions[key] = version if version is not None else self.versions.get(key, 0) + 1
        return {operation.name: {"_id": key, **self._done(operation.name, key, known)}}

    def _updated(self, key: str, body: Any) -> Any:
        if key not in self.documents and "upsert" in body:
            return body["upsert"]
        return {**self.documents.get(key, {}), **body.get("doc", {})}

    def _done(self, name: str, key: str, known: bool) -> Result:
        if name == "delete":
            result, status = ("deleted", 200) if known else ("not_found", 404)
        else:
            result, status = ("updated", 200) if known else ("created", 201)
        return {
            "_version": self.versions[key],
            "result": result,
            "_seq_no": next(self._sequence),
            "_primary_term": 1,
            "status": status,
        }

    def _fault(self, operation: Operation, key: str) -> Result | None:
        known = key in self.documents
        version = operation.metadata.get("version")
        stale = version is not None and version <= self.versions.get(key, -1)
        if (operation.name == "create" and known) or stale:
            return error(409, reason=f"[{key}]: version conflict, document already exists")
        upserts = isinstance(operation.document, dict) and (
            operation.document.get("doc_as_upsert") or "upsert" in operation.document
        )
        if operation.name == "update" and not known and not upserts:
            return error(404, reason=f"[{key}]: document missing")
        return None
