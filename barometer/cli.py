"""`barometer`: one name for every command. Each lives in its own module, imported only when called.

FastAPI and SQLAlchemy alone take a second to import, so nothing but the names is here, and
`barometer --help` answers at once. Exit codes: 0 done, 1 crashed or failed, 2 arguments or
configuration (a person must mend something), 3 bus or database cannot be reached, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError

USAGE: Final = 2
INTERRUPTED: Final = 130

_COMMANDS: Final = (
    ("serve", "barometer.serve:serve", "Run everything on this machine, in one process."),
    ("intake", "barometer.processes:intake", "Run the intake service (distributed mode)."),
    ("aging", "barometer.processes:aging", "Run the aging service (distributed mode)."),
    ("alerting", "barometer.processes:alerting", "Run the alerting service (distributed mode)."),
    ("import", "barometer.import_log:import_log", "Send a historic log through the normaliser to the bus."),
    ("reconcile", "barometer.reconcile:reconcile", "Hold the backlog against a list of what is open."),
    ("remap", "barometer.remap:remap", "Read a source's words again by its mended maps."),
    ("backtest", "barometer.backtest.command:backtest", "Run a log in virtual time: figures and alerts."),
    ("check", "barometer.check:check", "Validate a configuration or a mapping, offline."),
)
_GROUPS: Final = (
    (
        "config",
        "Publish the configuration that changes facts.",
        (
            ("apply", "barometer.config:apply", "Publish the file as a new version, if it changes facts."),
            ("diff", "barometer.config:diff", "Show what a file would change of what is in force."),
        ),
    ),
    (
        "rejected",
        "Look at input that could not be used, and try it again.",
        (
            ("list", "barometer.rejected:list_", "List rejected input, newest last."),
            ("retry", "barometer.rejected:retry", "Send rejected input again, by today's maps."),
        ),
    ),
    (
        "ticket",
        "Explain a ticket, or correct it by hand, as an observation like any other.",
        (
            ("explain", "barometer.explain:explain", "Why is it so old, and due then?"),
            ("void", "barometer.ticket:void", "It was no ticket: spam, a test."),
            ("close", "barometer.ticket:close", "It is over."),
            ("erase", "barometer.ticket:erase", "Keep nothing of who it is about and what it says."),
            ("revive", "barometer.ticket:revive", "It is a ticket after all: undo void, deleted, merged."),
            ("retry", "barometer.ticket:retry", "Derive a quarantined ticket again."),
        ),
    ),
    (
        "sla",
        "Ask calendars and policies, without running anything.",
        (
            ("due", "barometer.sla.command:due", "When is so much open time used up?"),
            ("elapsed", "barometer.sla.command:elapsed", "How much open time lies between two instants?"),
            ("clock", "barometer.sla.terminal:clock", "When is a promise due, and is it broken?"),
        ),
    ),
    (
        "db",
        "Databases.",
        (
            ("upgrade", "barometer.db:upgrade", "Bring the databases to this version."),
            ("vacuum", "barometer.db:vacuum", "Leave nothing in the files of what was deleted."),
        ),
    ),
    ("key", "API keys.", (("new", "barometer.key:new", "Make a key: the token and its SHA-256."),)),
)


def application() -> App:
    """Return the command line, nothing of it imported yet."""
    app = App(
        name="barometer",
        help="A true, on-time, explainable picture of the support backlog.",
        version=_version,
        result_action="return_value",
        exit_on_error=False,
    )
    for name, path, summary in _COMMANDS:
        app.command(path, name=name, help=summary)
    for group, summary, commands in _GROUPS:
        inner = App(name=group, help=summary)
        for name, path, help_ in commands:
            inner.command(path, name=name, help=help_)
        app.command(inner)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        result = application()(list(arguments))
    except CycloptsError:
        return USAGE  # it has said what is wrong
    except KeyboardInterrupt:
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def main() -> None:
    """Run the command of this process."""
    sys.exit(run(sys.argv[1:]))


def _version() -> str:
    from shared.telemetry import build  # noqa: PLC0415 (it is only for --version)

    return build().version
