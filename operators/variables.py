"""The type variables of operators that take a function, or several operators.

Their default lets a lambda pass mypy: nothing says what it takes, and without a default mypy makes
Never of it. (PEP 696; `typing` itself has it from Python 3.13 on.)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    A = TypeVar("A", default=Any)
    B = TypeVar("B", default=Any)
    C = TypeVar("C", default=Any)
    D = TypeVar("D", default=Any)
    E = TypeVar("E", default=Any)
    F = TypeVar("F", default=Any)
    G = TypeVar("G", default=Any)
    H = TypeVar("H", default=Any)
    J = TypeVar("J", default=Any)
    K = TypeVar("K", default=Any)
    X = TypeVar("X", default=Any)
else:
    from typing import TypeVar

    A = TypeVar("A")
    B = TypeVar("B")
    C = TypeVar("C")
    D = TypeVar("D")
    E = TypeVar("E")
    F = TypeVar("F")
    G = TypeVar("G")
    H = TypeVar("H")
    J = TypeVar("J")
    K = TypeVar("K")
    X = TypeVar("X")
