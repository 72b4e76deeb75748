"""Runs code as a notebook does: statement by statement, with await, in one namespace for a page."""

import ast
import asyncio
import contextlib
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from types import CodeType
from typing import Any

from ackflow.streams import testing

STATUS, STATUS_FREE = "127.0.0.1:9600", "127.0.0.1:0"
"""Where pages have a status page, and a port that is free for sure."""
SECONDS = re.compile(r"\d+\.\d+ s\b")


class Cells:
    """A namespace in which blocks run one after another.

    A comment behind an expression that is a value, as in `1 + 1  # 2`, is what the expression has to
    be. Functions named `test_…` are run where they are defined.
    """

    def __init__(self, runner: asyncio.Runner, names: dict[str, Any] | None = None) -> None:
        self.names: dict[str, Any] = {"__name__": "page", **(names or {})}
        self._runner = runner
        self._inside = False
        """Whether a block runs in a loop, as in Jupyter; one without await is part of a script."""

    def run(self, source: str, place: str) -> str:
        """Run a block and return what it printed."""
        source = source.replace(STATUS, STATUS_FREE)
        known = set(self.names)
        printed = io.StringIO()
        comments = dict(_comments(source))
        with contextlib.redirect_stdout(printed):
            statements = ast.parse(source, place).body
            self._inside = any(_awaits(statement) for statement in statements)
            for statement in statements:
                self._run(statement, place, comments)
            for name in set(self.names) - known:
                if name.startswith("test_"):
                    _test(self.names[name])
        return printed.getvalue()

    def _run(self, statement: ast.stmt, place: str, comments: dict[int, str]) -> None:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        if not isinstance(statement, ast.Expr):
            module = ast.Module([statement], type_ignores=[])
            self._value(compile(module, place, "exec", flags))
            return
        value = self._value(compile(ast.Expression(statement.value), place, "eval", flags))
        end = statement.end_lineno or 0
        for expected in _expected(comments, end):
            assert value == expected, (
                f"{place}, line {end} of the block: {value!r}, not {expected!r}"
            )

    def _value(self, code: CodeType) -> Any:
        return self._runner.run(self._awaited(code)) if self._inside else eval(code, self.names)

    async def _awaited(self, code: CodeType) -> Any:
        value = eval(code, self.names)
        return await value if code.co_flags & inspect.CO_COROUTINE else value


def _awaits(statement: ast.stmt) -> bool:
    """Say whether a statement awaits by itself, not in a function that it defines."""
    code = compile(ast.Module([statement], []), "", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments by line; the number of a line with nothing else is negative."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            yield -token.start[0] if alone else token.start[0], token.string.lstrip("# ")


def _expected(comments: dict[int, str], end: int) -> Iterator[Any]:
    """Yield the value in the comment behind a statement, or below it; none where it is a text."""
    said = comments.get(end) or comments.get(-end - 1)
    if said is not None:
        with contextlib.suppress(ValueError, SyntaxError):
            yield ast.literal_eval(said)


def _test(function: Any) -> None:
    if inspect.iscoroutinefunction(function):
        testing.run(function(testing.VirtualClock()))
    else:
        function()


def matches(printed: str, expected: str) -> bool:
    """Say whether a text was printed; … stands for anything, and a time for any other."""
    pattern = re.escape(SECONDS.sub("… s", expected.strip())).replace("…", ".*")
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None
