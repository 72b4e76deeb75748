# pyright: reportAttributeAccessIssue=false
"""Lambdas, which mypy --strict passes; pyright can't tell what they take (docs/design.md, Types)."""

from typing import Any, assert_type

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Pipeline, Stream

texts: Stream[str] = streams.memory.queue(["a b"])

assert_type(texts | op.map(lambda text: text.upper()), Stream[Any])
assert_type(texts | op.filter(lambda text: text.isalpha()) | op.map(str.upper), Stream[str])
assert_type(texts | op.flat_map(lambda text: text.split()), Stream[Any])
assert_type(texts | op.tap(lambda text: print(text.upper())), Stream[str])
assert_type(texts | op.map_async(lambda text: text.fetch()), Stream[Any])
assert_type(texts | op.map(int) | op.catch(lambda error: 0), Stream[int])
printing: Pipeline[Any] = texts | sinks.each(lambda text: print(text))
