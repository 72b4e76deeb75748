"""Where a document goes and what is done with it there: the settings, checked when written."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Operation: TypeAlias = Literal["index", "create", "update", "delete"]
Id: TypeAlias = str | Callable[[Any], str | int | uuid.UUID] | None
Text: TypeAlias = str | Callable[[Any], str | None]
Number: TypeAlias = str | Callable[[Any], int]

OPERATIONS = ("index", "create", "update", "delete")
VERSION_TYPES = ("external", "external_gt", "external_gte")


@dataclass(frozen=True, slots=True)
class Addressing:
    """The settings of `bulk` that a document's header is made from, and how its body is written.

    Strings are constants for `index`, `routing` and `pipeline`, and names of fields of the document
    for `id`, `version`, `if_seq_no` and `if_primary_term`; a function is called with the value.
    """

    index: Text
    id: Id
    op: Operation | Callable[[Any], Operation] = "index"
    routing: Text | None = None
    pipeline: Text | None = None
    version: Number | None = None
    version_type: str | None = None
    if_seq_no: Number | None = None
    if_primary_term: Number | None = None
    upsert: bool = False
    retry_on_conflict: int = 3
    default: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        self._check_kinds()
        self._check_operation()
        self._check_versions()

    def _check_kinds(self) -> None:
        for name, meaning in _MEANINGS.items():
            setting = getattr(self, name)
            if setting is None and name != "index":
                continue
            if not callable(setting) and not isinstance(setting, str):
                raise TypeError(f"bulk({name}={setting!r}): {name} is {meaning}")
            if setting == "":
                raise ValueError(f"bulk({name}=''): {name} is {meaning}, and not empty")

    def _check_operation(self) -> None:
        if not callable(self.op) and self.op not in OPERATIONS:
            raise ValueError(
                f"bulk(op={self.op!r}): op is one of {', '.join(OPERATIONS)}, or a function that "
                "returns one of them for a document"
            )
        if self.id is None and self.op in ("update", "delete"):
            raise ValueError(
                f"bulk(op={self.op!r}, id=None): only a document with an id can be found again; "
                "say which field or function gives the id"
            )
        if self.upsert and not (self.op == "update" or callable(self.op)):
            raise ValueError(
                f"bulk(op={self.op!r}, upsert=True): upsert belongs to op='update'; op='index' "
                "writes a document whether it is there or not"
            )
        if self.retry_on_conflict < 0:
            raise ValueError(
                f"bulk(retry_on_conflict={self.retry_on_conflict}): a number of tries, 0 or more"
            )

    def _check_versions(self) -> None:
        if (self.if_seq_no is None) != (self.if_primary_term is None):
            raise ValueError(
                "bulk(if_seq_no=…, if_primary_term=…): one means nothing without the other; "
                "give both or neither"
            )
        if self.version is not None:
            self._check_version()
        elif self.version_type is not None:
            raise ValueError(
                f"bulk(version_type={self.version_type!r}): there is no version; say with version= "
                "which field or function gives it"
            )

    def _check_version(self) -> None:
        if self.version_type not in (None, *VERSION_TYPES):
            raise ValueError(
                f"bulk(version_type={self.version_type!r}): one of {', '.join(VERSION_TYPES)}"
            )
        if self.if_seq_no is not None:
            raise ValueError(
                "bulk(version=…, if_seq_no=…): two ways to notice a conflict, and Elasticsearch "
                "takes one of them; leave one out"
            )
        if self.op in ("create", "update"):
            raise ValueError(
                f"bulk(op={self.op!r}, version=…): Elasticsearch keeps versions from outside only "
                "for index and delete; use op='index'"
            )

    @property
    def plain(self) -> bool:
        """Whether the header differs from document to document by the id alone."""
        varying = (self.routing, self.pipeline, self.version, self.if_seq_no)
        return isinstance(self.index, str) and isinstance(self.op, str) and not any(varying)

    @property
    def reads_fields(self) -> bool:
        """Whether any setting names a field, so that a document given as JSON has to be read."""
        named = (self.id, self.version, self.if_seq_no, self.if_primary_term)
        return any(isinstance(setting, str) for setting in named)


_MEANINGS = {
    "index": "the name of an index, or a function of the value that returns one",
    "id": (
        "a field of the document, a function of the value that returns the id, or None for ids "
        "that Elasticsearch makes up"
    ),
    "routing": "a string, or a function of the value that returns one",
    "pipeline": "the name of an ingest pipeline, or a function of the value that returns one",
    "version": "a field of the document, or a function of the value that returns a number",
    "if_seq_no": "a field of the document, or a function of the value that returns a number",
    "if_primary_term": "a field of the document, or a function of the value that returns a number",
}
