"""Logs of the whole process in one shape: a JSON object a line on stderr, or columns for a person.

Libraries log through the standard library (uvicorn, aiokafka, sqlalchemy, alembic); their lines go
through the same processors, so one reader understands them all. Secrets must not get there by any way,
and not all text is ours: the last processor removes what looks like one from every value.
"""

from __future__ import annotations

import logging
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple, TextIO

import msgspec
import structlog
from prometheus_client import Metric, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

REDACTED: Final = "[redacted]"
_DEPTH_MAX: Final = 6
"""Nesting that is searched for secrets; deeper values are replaced whole."""

_SECRET_NAME: Final = re.compile(
    r"secret|passw|token|authori[sz]ation|cookie|signature|credential|api_?key", re.IGNORECASE
)
_SECRET_TEXTS: Final = (
    (re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@"), rf"\1:{REDACTED}@"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\b(bk|whsec|xox[abp])_?[\w-]{8,}"), rf"\1_{REDACTED}"),
    (
        re.compile(r"\b((?:[\w-]*(?:secret|password|token|api_?key))=)[^\s&\"']+", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
)
_QUIETER: Final = {"aiokafka": logging.WARNING, "sqlalchemy": logging.WARNING, "alembic": logging.WARNING,
                   "asyncio": logging.WARNING, "httpx2": logging.WARNING,
                   "httpcore2": logging.WARNING, "uvicorn": logging.WARNING}  # fmt: skip

_TALKATIVE: Final = ("aiokafka",)
"""Libraries that say of each try that a broker is away, some fifty times a second."""
REPEATS_EVERY_S: Final = 10.0
_TEMPLATES_MAX: Final = 200
"""Messages kept apart. A library has a few dozen; beyond, counting begins anew."""


class Build(NamedTuple):
    """What is running."""

    version: str
    python: str


def build() -> Build:
    """Return the version installed, and the interpreter's."""
    try:
        installed = version("barometer")
    except PackageNotFoundError:
        installed = "unreleased"
    return Build(installed, platform.python_version())


def configure(
    *, level: str = "info", stream: TextIO | None = None, pretty: bool | None = None, **always: str
) -> None:
    """Send all logs of this process to `stream` (stderr), `always` in every line. May be called again.

    `pretty` None: columns and colours on a terminal, JSON otherwise. Standard output stays free for
    results. What a talkative library repeats is written once in REPEATS_EVERY_S, with the number of lines left out.
    """
    stream = stream or sys.stderr
    pretty = stream.isatty() if pretty is None else pretty
    lowest = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _adding(always),
    ]
    last: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    last += [structlog.processors.format_exc_info, redact]
    if pretty:
        plain = structlog.dev.plain_traceback  # redact has seen the text; a formatted one it could not
        last.append(structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain))
    else:
        last.append(_as_json)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    handler.addFilter(_Repeats())
    _route(handler, lowest)


def _route(handler: logging.Handler, lowest: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(lowest)
    for name, quietest in _QUIETER.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(quietest, lowest))
    # uvicorn's children come with handlers and levels of their own if it was ever configured.
    for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


class _Repeats(logging.Filter):
    """Lets a message of a talkative library pass once in a while, and says how often it was said meanwhile.

    Messages are the same if their templates are: which broker it was this time is in the one that is written.
    """

    def __init__(self) -> None:
        super().__init__()
        self._written_s: dict[tuple[str, str], float] = {}
        self._left_out: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write `record`."""
        if record.name.partition(".")[0] not in _TALKATIVE:
            return True
        key = (record.name, str(record.msg))
        # A clock that was set back lets one line pass too many, not none for an hour.
        if 0 <= record.created - self._written_s.get(key, -REPEATS_EVERY_S) < REPEATS_EVERY_S:
            self._left_out[key] += 1
            return False
        if len(self._written_s) >= _TEMPLATES_MAX:
            self._written_s.clear()
            self._left_out.clear()
        self._written_s[key] = record.created
        if left_out := self._left_out.pop(key, 0):
            record.msg, record.args = f"{record.getMessage()} (and {left_out} lines like it)", ()
        return True


def _adding(always: Mapping[str, str]) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in always.items():
            line.setdefault(name, value)
        return line

    return add


def _as_json(_logger: object, _method: str, line: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(dict(line), enc_hook=repr).decode()


def redact(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what is named or looks like a secret, in every value of a line."""
    for name, value in line.items():
        line[name] = REDACTED if _SECRET_NAME.search(name) else _redacted(value, 0)
    return line


def _redacted(value: object, depth: int) -> object:
    match value:
        case str():
            return redacted_text(value)
        case bytes() | bytearray():
            return f"{len(value)} bytes"
        case None | bool() | int() | float():
            return value
        case _ if depth >= _DEPTH_MAX:
            return REDACTED
        case Mapping():
            return {
                str(name): REDACTED if _SECRET_NAME.search(str(name)) else _redacted(inner, depth + 1)
                for name, inner in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_redacted(inner, depth + 1) for inner in value]
        case _:
            return redacted_text(str(value))


def redacted_text(text: str) -> str:
    """Return `text` without passwords in URLs, bearer tokens, API keys and `secret=` parameters."""
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text


def exposed(registries: Iterable[Collector]) -> bytes:
    """Return the metrics of `registries` in Prometheus' text format, each name once.

    In one-machine mode three services report the same metrics (`barometer_events_total`, ...), told apart
    by the label `service`. Their samples must stand together under one name, or the text is invalid. The
    `_created` samples of prometheus-client, a second series beside each counter, are left out.
    """
    return generate_latest(_Merged(registries))


class _Merged(Collector):
    def __init__(self, registries: Iterable[Collector]) -> None:
        self._registries = registries

    def collect(self) -> Iterable[Metric]:
        """Give each metric once, with the samples of all."""
        merged: dict[str, Metric] = {}
        for registry in self._registries:
            for metric in registry.collect():
                kept = merged.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                kept.samples += [one for one in metric.samples if not one.name.endswith("_created")]
        for metric in merged.values():
            metric.samples = _added(metric.samples)
        return merged.values()


def _added(samples: Iterable[Sample]) -> list[Sample]:
    """Return each series once: what two services count under equal labels is one sum."""
    sums: dict[tuple[object, ...], Sample] = {}
    for sample in samples:
        key = (sample.name, *sorted(sample.labels.items()))
        known = sums.get(key)
        sums[key] = sample if known is None else known._replace(value=known.value + sample.value)
    return list(sums.values())
