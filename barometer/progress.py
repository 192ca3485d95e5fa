"""How far a long command has come: a bar on a terminal, a line now and then otherwise. On stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from shared.clock import monotonic_seconds

LINE_EVERY_SECONDS: Final = 10.0
"""In a log file a line each second would be noise, silence for minutes a worry."""
BAR_EVERY_SECONDS: Final = 0.1


class Progress(Protocol):
    """Told now and then how far the work has come."""

    def __call__(self, fraction: float, done: int) -> None:
        """`fraction` of the work, 0 to 1, and the number of things done."""
        ...


@contextmanager
def progress(label: str, unit: str, *, quiet: bool = False) -> Iterator[Progress]:
    """Give a Progress for `label`; `unit` is what is counted, such as `observations`."""
    if quiet:
        yield _silent
    elif sys.stderr.isatty():
        with _bar(label, unit) as told:
            yield told
    else:
        yield _Lines(label, unit)


def _silent(fraction: float, done: int) -> None:
    del fraction, done


class _Lines:
    def __init__(self, label: str, unit: str) -> None:
        self._label, self._unit = label, unit
        self._begin = self._last = monotonic_seconds()

    def __call__(self, fraction: float, done: int) -> None:
        now = monotonic_seconds()
        if now - self._last < LINE_EVERY_SECONDS:
            return
        self._last = now
        rate = done / (now - self._begin)
        print(
            f"{self._label}: {fraction:.0%}, {done} {self._unit}, {rate:.0f}/s", file=sys.stderr, flush=True
        )


@contextmanager
def _bar(label: str, unit: str) -> Iterator[Progress]:
    from rich.console import Console  # noqa: PLC0415 (0.1 s, only needed on a terminal)
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn(f"{{task.fields[done]}} {unit}, {{task.fields[rate]}}/s"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=1.0, done=0, rate=0)
        begin = last = monotonic_seconds()

        def told(fraction: float, done: int) -> None:
            nonlocal last
            now = monotonic_seconds()
            if now - last < BAR_EVERY_SECONDS and fraction < 1:
                return
            last = now
            bars.update(task, completed=fraction, done=done, rate=round(done / max(now - begin, 1e-3)))

        yield told
