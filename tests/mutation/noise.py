"""Places in a module where a change is not a change of what the program does."""

import ast
from collections.abc import Iterator

Position = tuple[int, int]
Region = tuple[Position, Position]


def noise(tree: ast.Module) -> list[Region]:
    """Return the regions, as (line, column), that mutants are not made in.

    - Annotations and type variables: the type checkers' tests are in tests/typing.
    - What type checkers alone see: `if TYPE_CHECKING`, `if MYPY`, protocols, `@overload`,
      `@abstractmethod`.
    - Texts of errors, warnings and the log: tests hold what they must name, not every word. What is
      logged as information is for people who look for a fault, and may go.
    - `slots=True`: memory and speed alone.
    """
    return [region(node) for parent in ast.walk(tree) for node in _unseen(parent)]


def region(node: ast.AST) -> Region:
    """Return where a node begins and ends."""
    place: ast.expr = node  # type: ignore[assignment]
    return (
        (place.lineno, place.col_offset),
        (place.end_lineno or place.lineno, place.end_col_offset or 0),
    )


def _unseen(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.arg(annotation=ast.AST() as annotation) | ast.AnnAssign(annotation=annotation):
            yield annotation
        case ast.If(test=ast.Name(id="TYPE_CHECKING" | "MYPY") as test):
            yield test
        case ast.ClassDef() if any("Protocol" in ast.unparse(base) for base in node.bases):
            yield node
        case ast.Raise():
            yield from _texts(node)
        case ast.Call(func=function) if ast.unparse(function) in ("TypeVar", "logger.info"):
            yield node
        case ast.Call(func=function):
            if ast.unparse(function).startswith(("logger.", "warnings.", "self._warn")):
                yield from _texts(node)
        case ast.keyword(arg="slots"):
            yield node
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from _outside(node)


def _outside(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    if function.returns is not None:
        yield function.returns
    for decorator in function.decorator_list:
        if ast.unparse(decorator) in ("overload", "abstractmethod"):
            yield _with_sign(decorator)


def _texts(node: ast.AST) -> Iterator[ast.AST]:
    return (part for part in ast.walk(node) if isinstance(part, ast.JoinedStr | ast.Constant))


def _with_sign(decorator: ast.expr) -> ast.expr:
    """Return the place of a decorator with its @."""
    return ast.Name(
        "",
        lineno=decorator.lineno,
        col_offset=0,
        end_lineno=decorator.end_lineno,
        end_col_offset=decorator.end_col_offset,
    )
