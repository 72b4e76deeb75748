# pyright: basic, reportAttributeAccessIssue=false
"""Lambdas, which mypy --strict passes.

A lambda stands in a call of its own, `op.map(…)`, which is typed before it meets what comes before it.
mypy takes its argument for Any; pyright for an object, and refuses most of what is done with it. Name
the function, `def upper(text: str) -> str`, where strict types are wanted.
"""

from typing import Any, assert_type

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Operator, Pipeline, Stream

texts: Stream[str] = streams.memory.queue(["a b"])

assert_type(texts | op.map(lambda text: text.upper()), Stream[Any])
assert_type(texts | op.filter(lambda text: text.isalpha()) | op.map(str.upper), Stream[str])
assert_type(texts | op.filter(lambda text: text), Stream[str])
assert_type(texts | op.flat_map(lambda text: text.split()), Stream[Any])
assert_type(texts | op.tap(lambda text: print(text.upper())), Stream[str])
assert_type(texts | op.map_async(lambda text: text.fetch()), Stream[Any])
assert_type(texts | op.map(int) | op.catch(lambda error: 0), Stream[int])
assert_type(
    op.pipe(op.map(str.upper), op.map(lambda text: text.split()), op.map(len)), Operator[str, int]
)

# Pipeline[Any] for mypy, not Pipeline[Summary]: a sink of Any fits both overloads of `stream | step`,
# that of operators and sinks and that of plain objects with `write`, and mypy then takes neither.
# Another signature of `each` does not help as long as it makes Any of a lambda's argument.
printing: Pipeline[Any] = texts | sinks.each(lambda text: print(text))
