"""Loading: the pipeline that a command line names, as module:attribute."""

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ackflow.streams.core import Pipeline, Stream, printable, shown
from ackflow.streams.running.commands.problems import Code, Problem, problem


def pipeline(target: str) -> Pipeline[Any]:
    """Return the pipeline that `target` names; raise Problem, saying what is there instead.

    Example:
        pipeline("words:pipeline")      # from words import pipeline

    """
    found = part(target)
    if isinstance(found, Pipeline):
        return found
    what = shown(found)
    if isinstance(found, Stream):
        what = f"{what}, a stream that ends in no sink; stream | sinks.to_list() makes a pipeline"
    raise Problem(f"{printable(target, 200)} is no pipeline: {what}")


def part(target: str) -> Any:
    """Return what `target` names, or what it returns where that is a function."""
    name, colon, attribute = target.partition(":")
    module = _imported(name)
    if not colon or not attribute:
        raise Problem(f"{name}: which pipeline of the module? {_there_are(module, name)}")
    found = _attribute(module, name, attribute)
    if inspect.isclass(found) or not _is_factory(found):
        return found
    return _made(found, target)


def _imported(name: str) -> ModuleType:
    if name.endswith(".py") or not all(each.isidentifier() for each in name.split(".")):
        meant = name.removesuffix(".py").strip("./").replace(os.sep, ".") or "words"
        raise Problem(
            f"{shown(name, 200)} is no name of a module; write {meant}:pipeline for "
            "the pipeline of that name in that module, from the folder it is in"
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _broken(name, error) from None
        raise Problem(
            f"there is no module {error.name}, looked for in {os.getcwd()} first; "
            "start ackflow in the folder that holds it, or name the folder in PYTHONPATH"
        ) from None
    except SystemExit as error:
        raise Problem(
            f"{name} ends the program when it is imported (SystemExit: {error.code}); "
            'what runs there belongs behind `if __name__ == "__main__":`'
        ) from None
    except Exception as error:
        raise _broken(name, error) from None


def _broken(name: str, error: Exception) -> Problem:
    """Return the problem of a module that raises when it is imported."""
    return problem(error, f"{name} can't be imported", Code.WRONG)


def _attribute(module: ModuleType, name: str, attribute: str) -> Any:
    found: Any = module
    for each in attribute.split("."):
        try:
            found = getattr(found, each)
        except AttributeError:
            text = f"module {name} has no {printable(attribute, 100)}"
            raise Problem(f"{text}; {_there_are(module, name)}") from None
    return found


def _there_are(module: ModuleType, name: str) -> str:
    """Say what could be meant."""
    found = [key for key, value in vars(module).items() if isinstance(value, Pipeline)]
    if not found:
        return "there is no pipeline in it: stream | operators | sink is one"
    return (
        f"there {'is' if len(found) == 1 else 'are'} {', '.join(f'{name}:{key}' for key in found)}"
    )


def _is_factory(found: Any) -> bool:
    return inspect.isroutine(found) or (callable(found) and hasattr(found, "func"))


def _made(factory: Callable[[], Any], target: str) -> Any:
    """Call a function that makes a pipeline."""
    called = f"{printable(target, 200)}()"
    if inspect.iscoroutinefunction(factory):
        raise Problem(
            f"{called} is a coroutine; write it as `def`: building a pipeline waits for nothing"
        )
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise Problem(
            f"{called} is called without arguments: {error}; give them defaults"
        ) from None
    except ValueError:
        pass  # a builtin, of which nobody knows the arguments
    try:
        return factory()
    except Exception as error:
        raise problem(error, f"{called} raised", Code.WRONG) from None
