"""How the sink behaves: how much at once, how long it tries, and what it makes of failures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ackflow.sinks.elasticsearch.addressing import Addressing
from ackflow.sinks.elasticsearch.verdicts import OVERRIDES, Decision, Rules

Choice: TypeAlias = Literal["accept", "retry", "reject", "halt"]
Ordering: TypeAlias = Literal["per_id", "none"]
OnUnknown: TypeAlias = Literal["retry", "requeue", "reject"]
Refresh: TypeAlias = bool | Literal["wait_for"]

CHOICES = {decision.value: decision for decision in OVERRIDES}


@dataclass(frozen=True, slots=True)
class Conduct:
    """The settings of `bulk` that are not about a document or the connection; times in seconds."""

    concurrency: int = 8
    max_bytes: int = 10 * 2**20
    ordering: Ordering | None = None
    retry_for: float = 600.0
    halt_after: float = 30.0
    backoff: tuple[float, float] = (0.25, 30.0)
    on_unknown: OnUnknown = "retry"
    decisions: Mapping[str, Choice] = field(default_factory=dict)
    refresh: Refresh = False
    require_alias: bool = False
    ensure: Mapping[str, Any] | None = None
    server_timeout: float = 60.0

    def __post_init__(self) -> None:
        for name in ("concurrency", "max_bytes"):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int):
                raise TypeError(f"bulk({name}={number!r}): {name} is a whole number")
            if number < 1:
                raise ValueError(f"bulk({name}={number}): {name} is at least 1")
        for name in ("retry_for", "halt_after"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"bulk({name}={getattr(self, name)}): {name} is in seconds, 0 or more"
                )
        first, longest = self.backoff
        if not 0 < first <= longest:
            raise ValueError(
                f"bulk(backoff={self.backoff}): the first and the longest wait in seconds, "
                "such as (0.25, 30.0)"
            )
        self._check_words()

    def _check_words(self) -> None:
        words: dict[str, tuple[object, ...]] = {
            "ordering": (None, "per_id", "none"),
            "on_unknown": ("retry", "requeue", "reject"),
            "refresh": (False, True, "wait_for"),
        }
        for name, allowed in words.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"bulk({name}={getattr(self, name)!r}): {name} is one of "
                    f"{', '.join(map(repr, allowed))}"
                )
        for kind, choice in self.decisions.items():
            if choice not in CHOICES:
                raise ValueError(
                    f"bulk(decisions={{{kind!r}: {choice!r}}}): a decision is one of "
                    f"{', '.join(map(repr, CHOICES))}"
                )

    def check_with(self, addressing: Addressing, request_timeout: float) -> None:
        """Check what has to fit the other settings."""
        if self.ordering == "per_id" and addressing.id is None:
            raise ValueError(
                "bulk(id=None, ordering='per_id'): there are no ids to order by; leave it out"
            )
        if self.ensure is not None and not isinstance(addressing.index, str):
            raise ValueError(
                "bulk(index=<function>, ensure=…): only an index with a fixed name can be "
                "created; use an index template"
            )
        if not 0 < self.server_timeout < request_timeout:
            raise ValueError(
                f"bulk(server_timeout={self.server_timeout}, request_timeout={request_timeout}): "
                "the server has to give up first, or it stores what counts as failed here"
            )

    def fenced(self, addressing: Addressing) -> bool:
        """Whether writes of the same document keep their order."""
        if self.ordering is None:
            return addressing.id is not None and addressing.op != "create"
        return self.ordering == "per_id"

    def rules(self, addressing: Addressing) -> Rules:
        """Return what the settings say about results."""
        return Rules(
            versioned=addressing.version is not None,
            conditional=addressing.if_seq_no is not None,
            decisions={kind: Decision(choice) for kind, choice in self.decisions.items()},
        )

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of every bulk."""
        parameters: dict[str, Any] = {"timeout": f"{round(self.server_timeout * 1000)}ms"}
        if self.refresh:
            parameters["refresh"] = "wait_for" if self.refresh == "wait_for" else "true"
        if self.require_alias:
            parameters["require_alias"] = "true"
        return parameters
