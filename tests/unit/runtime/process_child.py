"""A process for test_process.py: `python process_child.py SCENARIO` says on stdout what happens in it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping

from fastapi import FastAPI

from shared import telemetry
from shared.runtime import process
from shared.runtime.port import PositionLost, StoreMisconfigured, StoreUnavailable


def say(text: str) -> None:
    print(text, flush=True)


class Working:
    """Works until stopped, then takes a moment for its last commit."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        say("working")
        await self._stopping.wait()
        await asyncio.sleep(0.2)
        say("committed")

    def stop(self) -> None:
        self._stopping.set()


class Failing(Working):
    """Ends by itself, in one way or another."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self._error = error

    async def run(self) -> None:
        await asyncio.sleep(0.2)
        if self._error is not None:
            raise self._error


class Deaf(Working):
    """Does not hear that it is stopped."""

    def stop(self) -> None:
        say("not heard")


class Stuck(Working):
    """Cannot be cancelled either."""

    async def run(self) -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                say("cancel ignored")


SCENARIOS: dict[str, Callable[[], Mapping[str, process.Worker]]] = {
    "works": lambda: {"worker": Working()},
    "dies": lambda: {"worker": Failing(ZeroDivisionError("by design")), "other": Working()},
    "ends": lambda: {"worker": Failing(None)},
    "lost": lambda: {"worker": Failing(PositionLost("restore it"))},
    "lost in a group": lambda: {"worker": Failing(ExceptionGroup("tasks", [PositionLost("restore it")] * 2))},
    "breaks later": lambda: {"worker": Failing(StoreUnavailable("gone"))},
    "deaf": lambda: {"worker": Deaf()},
    "stuck": lambda: {"worker": Failing(ZeroDivisionError("by design")), "other": Stuck()},
}
REFUSALS = {
    "misconfigured": StoreMisconfigured("run `barometer db upgrade`"),
    "unavailable": StoreUnavailable("not there"),
    "bug": ZeroDivisionError("by design"),
}


async def main(scenario: str) -> None:
    if scenario in REFUSALS:
        raise REFUSALS[scenario]
    app = FastAPI()

    @app.get("/")
    async def root() -> str:
        return "here"

    listening = process.listen("127.0.0.1", 0)
    say(f"port {listening.getsockname()[1]}")
    try:
        await process.serve(app, SCENARIOS[scenario](), listening)
    finally:
        say("closed")


if __name__ == "__main__":
    telemetry.configure(pretty=False)
    process.CRASH_BUDGET_S = 1.0  # type: ignore[misc]
    sys.exit(process.run(lambda: main(sys.argv[1])))
