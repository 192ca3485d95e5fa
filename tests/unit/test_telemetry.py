"""One shape for all logs, and no secrets in it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import msgspec
import pytest
import structlog

from shared import telemetry


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


def test_our_lines_and_those_of_libraries_have_one_shape() -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream, service="aging")
    structlog.get_logger("shared.x").info("taken over", partition=3)
    logging.getLogger("aiokafka.consumer").warning("no %s", "coordinator")
    logging.getLogger("aiokafka.consumer").info("chatter")
    ours, theirs = lines(stream)
    assert ("taken over", 3, "info", "aging") == (
        ours["event"],
        ours["partition"],
        ours["level"],
        ours["service"],
    )
    assert ("no coordinator", "warning", "aiokafka.consumer") == (
        theirs["event"], theirs["level"], theirs["logger"],
    )  # fmt: skip
    assert {"event", "level", "logger", "service", "timestamp"} <= ours.keys() & theirs.keys()


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream, level="warning")
    structlog.get_logger().info("quiet")
    assert "" == stream.getvalue()


def test_configured_twice_every_line_is_written_once() -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream)
    telemetry.configure(stream=stream)
    logging.getLogger("uvicorn.error").warning("once")
    assert 1 == len(lines(stream))


@pytest.mark.parametrize("pretty", [False, True])
def test_no_secret_reaches_the_log_by_any_way(pretty: bool) -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream, pretty=pretty)
    log = structlog.get_logger()
    try:
        int("postgresql://barometer:hush1@db/x")
    except ValueError:
        log.exception("failed with Bearer hush2hush2")
    log.info("x", password="hush3", nested={"api_key": "hush4", "list": ["https://u:hush5@h/"]})
    log.info("x", raw=b"hush6", error=RuntimeError("?secret=hush7&a=1"), given="bk_hush8hush8hush8")
    logging.getLogger("uvicorn").error("GET %s", "/x?token=hush9")
    text = stream.getvalue()
    assert "ValueError" in text
    assert "hush" not in text
    assert 5 <= text.count(telemetry.REDACTED)


def said_at(second: float, name: str, message: str, *parts: object) -> None:
    """Log as a library would at that instant."""
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, parts, None)
    record.created = second
    logging.getLogger(name).handle(record)


def test_what_a_library_says_at_each_try_is_written_once_in_a_while_with_how_often_it_was_said() -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream)
    for port in range(50):
        said_at(100 + port / 10, "aiokafka.conn", "no connection to %s:%s", "broker", port)
        said_at(100 + port / 10, "aiokafka.conn", "of another kind")
        said_at(100 + port / 10, "shared.x", "ours")
    said_at(100 + telemetry.REPEATS_EVERY_S, "aiokafka.conn", "no connection to %s:%s", "broker", 9092)
    said_at(100 + telemetry.REPEATS_EVERY_S, "aiokafka.conn", "no connection to %s:%s", "broker", 9093)
    said_at(50, "aiokafka.conn", "no connection to %s:%s", "broker", 9094)  # the clock was set back
    said = [str(line["event"]) for line in lines(stream)]
    assert 50 == said.count("ours")
    assert [
        "no connection to broker:0",
        "of another kind",
        "no connection to broker:9092 (and 49 lines like it)",
        "no connection to broker:9094 (and 1 lines like it)",
    ] == [line for line in said if line != "ours"]


def test_what_a_library_never_says_twice_is_all_written() -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream)
    for number in range(1_000):
        said_at(100, "aiokafka", f"{number}")
    assert [f"{number}" for number in range(1_000)] == [line["event"] for line in lines(stream)]


def test_the_build_is_named() -> None:
    assert telemetry.build().version
