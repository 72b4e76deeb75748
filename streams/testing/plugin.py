"""The pytest plugin: the fixture `virtual_clock`, on whose loop an async test runs in virtual time.

Found by pytest through the entry point `pytest11`. Tests that don't ask for the fixture are not
touched, with and without pytest-asyncio; nothing of the kit is imported for them.
"""

import inspect
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ackflow.streams.testing.clock import VirtualClock

FIXTURE = "virtual_clock"


class _VirtualLoops:
    """Tells pytest-asyncio (1.4 and later) which loop to make for the test that is being collected."""

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_asyncio_loop_factories(self, config: Any, item: Any) -> dict[str, Callable[[], Any]]:
        from ackflow.streams.testing.clock import VirtualLoop

        return {"virtual": VirtualLoop}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, Any, Any]:
    """Be there for pytest-asyncio while it asks about a test with the fixture, and for no other.

    A hook that is always there would have to answer for every async test of the project.
    """
    if FIXTURE not in metafunc.fixturenames:
        return (yield)
    plugins, loops = metafunc.config.pluginmanager, _VirtualLoops()
    plugins.register(loops)
    try:
        return (yield)
    finally:
        plugins.unregister(loops)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse an async test that asks for the fixture but would run in real time, or not at all."""
    if FIXTURE not in getattr(item, "fixturenames", ()) or item.get_closest_marker("anyio"):
        return
    from ackflow.streams.testing.clock import VirtualLoop

    parameters = getattr(getattr(item, "callspec", None), "params", {})
    needs_loop = inspect.iscoroutinefunction(getattr(item, "obj", None))
    if needs_loop and VirtualLoop not in parameters.values():
        pytest.fail(
            f"virtual_clock: {item.name} does not run on the virtual loop; it needs pytest-asyncio "
            "1.4 or later (pip install 'ackflow[testing]') and, in its strict mode, "
            "@pytest.mark.asyncio at the test",
            pytrace=False,
        )


@pytest.fixture(scope="session")
def virtual_clock() -> "VirtualClock":
    """Run an async test in virtual time, and give it the clock: `.now`, `await .advance(seconds)`.

    Example:
        async def test_an_hour_takes_no_time(virtual_clock):
            await asyncio.sleep(3600)
            assert virtual_clock.now == 3600

    With `pytest.mark.usefixtures("virtual_clock")`, or an autouse fixture that asks for it, a class,
    a module or a folder runs in virtual time. Plain `def` tests may ask for it too; they have a loop
    where they call `testing.run`. The clock has no state of its own: it is that of the loop which
    runs, so it is one for the whole session.
    """
    from ackflow.streams.testing.clock import VirtualClock

    return VirtualClock()
