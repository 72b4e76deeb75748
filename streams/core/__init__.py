"""What sources, operators and sinks are made of. Imports the standard library only."""

from ackflow.streams.core.broker import Broker, Channel
from ackflow.streams.core.calling import (
    call_function,
    close_coroutines,
    function_name,
    is_awaitable,
    refuse_awaitable,
)
from ackflow.streams.core.cancelling import cancelled, to_the_end
from ackflow.streams.core.circuit import Circuit
from ackflow.streams.core.delivery import Delivery, texts_among
from ackflow.streams.core.epoch import Epoch
from ackflow.streams.core.errors import (
    OUTAGES,
    AckflowError,
    AlreadySettled,
    CallTimeout,
    IllegalAcknowledgement,
    PipelineError,
    PrefetchExhausted,
    Reject,
    Requeue,
    Skip,
    SourceError,
    Unavailable,
    Verdict,
    WorkerDied,
    describe,
    printable,
    shown,
)
from ackflow.streams.core.feed import Feed
from ackflow.streams.core.figure import Distribution, Figure
from ackflow.streams.core.fused import Interrupted
from ackflow.streams.core.handle import Handle
from ackflow.streams.core.inlet import Inlet
from ackflow.streams.core.iterables import from_iterable, from_queue, of
from ackflow.streams.core.lane import Lane, Parted, lane_demand
from ackflow.streams.core.ledger import Frame, Ledger, Verb
from ackflow.streams.core.merging import Concat, Merge
from ackflow.streams.core.message import Members, Message, apart
from ackflow.streams.core.meter import StageCount
from ackflow.streams.core.observer import Observer
from ackflow.streams.core.operator import Composable, Ending, Operator, OperatorLike
from ackflow.streams.core.outcome import ACCEPTED, GIVEN_BACK, SKIPPED, Kind, Outcome, worst
from ackflow.streams.core.pictured import Pictured
from ackflow.streams.core.pipeline import Pipeline
from ackflow.streams.core.plain import check_on_error, from_lists
from ackflow.streams.core.policy import PERMANENT, FailurePolicy, RetryState, Wait, exponential
from ackflow.streams.core.polymorphic import (
    Enumerating,
    Grouping,
    Pairing,
    Polymorphic,
    Same,
    Ungrouping,
    Zipping,
)
from ackflow.streams.core.portion import check_answer
from ackflow.streams.core.pulling import END, Pull, close
from ackflow.streams.core.roster import Roster
from ackflow.streams.core.run import Run, concatenate
from ackflow.streams.core.session import CREDIT, OVER, Halt, Joiner, Session
from ackflow.streams.core.settings import check_count, check_duration, check_flag, check_seconds
from ackflow.streams.core.sink import Adapted, Sink, Writable, as_sink
from ackflow.streams.core.slicing import Slice
from ackflow.streams.core.stage import (
    Branches,
    Context,
    Demand,
    Shape,
    Source,
    Stage,
    Step,
    check_prefetch,
    check_strictness,
    demand,
    label,
)
from ackflow.streams.core.stream import Stream
from ackflow.streams.core.summary import Failure, Summary
from ackflow.streams.core.token import (
    NOBODY,
    Account,
    Joined,
    RootToken,
    Split,
    Stretch,
    Token,
    fork,
    fresh,
    settle,
    together,
    unselected,
)
from ackflow.streams.core.writer import Writer

__all__ = [
    "ACCEPTED",
    "CREDIT",
    "END",
    "GIVEN_BACK",
    "NOBODY",
    "OUTAGES",
    "OVER",
    "PERMANENT",
    "SKIPPED",
    "Account",
    "AckflowError",
    "Adapted",
    "AlreadySettled",
    "Branches",
    "Broker",
    "CallTimeout",
    "Channel",
    "Circuit",
    "Composable",
    "Concat",
    "Context",
    "Delivery",
    "Demand",
    "Distribution",
    "Ending",
    "Enumerating",
    "Epoch",
    "Failure",
    "FailurePolicy",
    "Feed",
    "Figure",
    "Frame",
    "Grouping",
    "Halt",
    "Handle",
    "IllegalAcknowledgement",
    "Inlet",
    "Interrupted",
    "Joined",
    "Joiner",
    "Kind",
    "Lane",
    "Ledger",
    "Members",
    "Merge",
    "Message",
    "Observer",
    "Operator",
    "OperatorLike",
    "Outcome",
    "Pairing",
    "Parted",
    "Pictured",
    "Pipeline",
    "PipelineError",
    "Polymorphic",
    "PrefetchExhausted",
    "Pull",
    "Reject",
    "Requeue",
    "RetryState",
    "RootToken",
    "Roster",
    "Run",
    "Same",
    "Session",
    "Shape",
    "Sink",
    "Skip",
    "Slice",
    "Source",
    "SourceError",
    "Split",
    "Stage",
    "StageCount",
    "Step",
    "Stream",
    "Stretch",
    "Summary",
    "Token",
    "Unavailable",
    "Ungrouping",
    "Verb",
    "Verdict",
    "Wait",
    "WorkerDied",
    "Writable",
    "Writer",
    "Zipping",
    "apart",
    "as_sink",
    "call_function",
    "cancelled",
    "check_answer",
    "check_count",
    "check_duration",
    "check_flag",
    "check_on_error",
    "check_prefetch",
    "check_seconds",
    "check_strictness",
    "close",
    "close_coroutines",
    "concatenate",
    "demand",
    "describe",
    "exponential",
    "fork",
    "fresh",
    "from_iterable",
    "from_lists",
    "from_queue",
    "function_name",
    "is_awaitable",
    "label",
    "lane_demand",
    "of",
    "printable",
    "refuse_awaitable",
    "settle",
    "shown",
    "texts_among",
    "to_the_end",
    "together",
    "unselected",
    "worst",
]
