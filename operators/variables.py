"""The type variables of operators that take a function.

Their default lets a lambda pass mypy: nothing says what it takes, and without a default mypy makes
Never of it. (PEP 696; `typing` itself has it from Python 3.13 on.)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    A = TypeVar("A", default=Any)
    B = TypeVar("B", default=Any)
else:
    from typing import TypeVar

    A = TypeVar("A")
    B = TypeVar("B")
