"""Where is a person after their tickets came by every channel, and after they were erased? In which bytes?

Everything a `barometer serve` wrote is searched: databases, freed pages and WAL included, the log of the bus, and
what the process printed.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from shared.bus.embedded.schema import FILE_NAME
from tests.e2e.harness import Deployment, eventually, one_machine, run, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]

KEY: Final = "not a secret, for it stands in a test"
ADDRESS, SUBJECT, BODY, AGENT = (
    "kim.private@shop.example",
    "My hidden pension",
    "words of a message",
    "agnes.agent",
)
SEARCHED: Final = (ADDRESS, SUBJECT, BODY, AGENT)
ENVIRONMENT: Final = {"PEOPLE_KEY": KEY}
SOURCES: Final[list[dict[str, Any]]] = [
    {"name": "default", "email": {"addresses": ["help@desk.example"]}},
    {"name": "zammad", "kind": "zammad", "webhook": {"unsigned": True}},
]
MAPPING: Final = {
    "format": "csv", "source": "default", "ticket": "number", "time": "at",
    "fields": {"requester": "who", "subject": "what", "assignee": "agent"},
}  # fmt: skip
MAIL: Final = f"""From: Kim <{ADDRESS}>
To: help@desk.example
Message-ID: <first@shop.example>
Date: Mon, 2 Mar 2026 10:00:00 +0000
Subject: {SUBJECT}

{BODY}
"""
TICKETS: Final = 4
LOG: Final = FILE_NAME
"""Of the bus."""


@contextmanager
def served(directory: Path, **section: Any) -> Iterator[Deployment]:
    config = directory / "barometer.yaml"
    config.write_text(yaml.safe_dump({"sources": SOURCES, "rules": [], **section}), encoding="utf-8")
    with running(one_machine(directory, config=config, **ENVIRONMENT)) as deployment:
        yield deployment


def send_by_every_channel(served: Deployment) -> None:
    ticket = {"id": "api", "subject": SUBJECT, "requester": ADDRESS, "assignee": AGENT}
    assert 202 == served.post("/v1/events", json=ticket).status_code
    hook = {
        "ticket": {
            "id": 42, "number": "10042", "title": SUBJECT, "state": "open", "customer": {"email": ADDRESS},
            "owner": {"login": AGENT}, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z",
        },
        "article": {"id": 9, "internal": False, "sender": "Customer", "type": "email", "body": BODY,
                    "from": ADDRESS, "created_at": "2026-01-02T00:00:00Z"},
    }  # fmt: skip
    assert 202 == served.post("/v1/webhooks/zammad", json=hook).status_code
    mail = {"content-type": "message/rfc822"}
    assert 202 == served.post("/v1/emails", content=MAIL.encode(), headers=mail).status_code
    import_row(served)
    eventually(served.tickets, lambda found: len(found) == TICKETS, "the tickets of every channel")


def import_row(served: Deployment) -> None:
    log, mapping = served.directory / "log.csv", served.directory / "mapping.yaml"
    with log.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [
                ("number", "at", "who", "what", "agent"),
                ("row", "2026-01-02T03:04:05Z", ADDRESS, SUBJECT, AGENT),
            ]
        )
    mapping.write_text(json.dumps(MAPPING), encoding="utf-8")
    done = run("import", log, "--mapping", mapping, "--bus", served.bus, "--config", served.config or "",
               directory=served.directory, environment=ENVIRONMENT)  # fmt: skip
    assert 0 == done.returncode, done.stderr
    log.unlink()


def where(served: Deployment) -> dict[str, set[str]]:
    """Return the files that hold a searched text, each with those it holds."""
    files = [path for path in (served.directory / "data").rglob("*") if path.is_file()]
    files += [process.log for process in served.distinct]
    held: dict[str, set[str]] = {}
    for path in files:
        content = path.read_bytes()
        if found := {one for one in SEARCHED if one.encode() in content}:
            held.setdefault(path.name.removesuffix("-wal"), set()).update(found)
    return held


def test_hashed_and_dropped_a_person_is_in_no_byte_of_any_file(tmp_path: Path) -> None:
    section = {
        "requester": "hashed",
        "assignee": "hashed",
        "subject": "dropped",
        "key": {"env": "PEOPLE_KEY"},
    }
    with served(tmp_path, personal_data=section) as deployment:
        send_by_every_channel(deployment)
        shown = [deployment.ask("aging", f"/v1/tickets/{one['key']}") for one in deployment.tickets()]
        assert {} == where(deployment), "while it runs"
        assert 0 == deployment.processes["aging"].stop()

        assert 1 == len({one["requester"] for one in shown}), "the same person over all channels"
        assert {True} == {one["requester"].startswith("hashed-") for one in shown}
        assert {None} == {one["subject"] for one in shown}
        assert {} == where(deployment)


def test_erased_a_person_is_left_on_the_events_topic_alone_and_message_texts_were_never_anywhere(
    tmp_path: Path,
) -> None:
    with served(tmp_path) as deployment:
        send_by_every_channel(deployment)
        kept = where(deployment)
        assert {ADDRESS, SUBJECT, AGENT} == kept[LOG], "the search finds what is there, and no message"
        assert {LOG, "aging.db"} == set(kept)

        keys = [one["key"] for one in deployment.tickets()]
        for key in keys:
            done = run("ticket", "erase", key, "--reason", "request 17", "--bus", deployment.bus,
                       directory=tmp_path)  # fmt: skip
            assert 0 == done.returncode, done.stderr
        eventually(deployment.tickets, lambda found: not found, "an empty stock")
        send_again(deployment)
        for key in keys:
            assert_is_a_tombstone(deployment.ask("aging", f"/v1/tickets/{key}"))
        answer_by_mail(deployment)
        assert 0 == deployment.processes["aging"].stop()

        done = run("db", "vacuum", "--data", tmp_path / "data", directory=tmp_path)
        assert 0 == done.returncode, done.stderr
        assert {LOG: {ADDRESS, SUBJECT, AGENT}} == where(deployment)


def send_again(served: Deployment) -> None:
    """Send, after the erasure, what happened before it and what a person adds."""
    late = {"id": "api", "event_id": "late", "time": "2026-01-01T00:00:00Z", "subject": SUBJECT,
            "requester": ADDRESS, "assignee": AGENT}  # fmt: skip
    assert 202 == served.post("/v1/events", json=late).status_code
    done = run("ticket", "revive", "default:api", "--reason", "a test", "--bus", served.bus,
               directory=served.directory)  # fmt: skip
    assert 0 == done.returncode, done.stderr
    eventually(served.tickets, lambda found: len(found) == 1, "the ticket that was brought back")


def answer_by_mail(served: Deployment) -> None:
    """Answer the mail whose ticket was erased: an answer is lost to nobody, so it opens a ticket of its own."""
    answer = (
        "From: Sam <sam@shop.example>\nTo: help@desk.example\nMessage-ID: <second@shop.example>\n"
        "In-Reply-To: <first@shop.example>\nSubject: Re: a ticket\n\nwords\n"
    )
    mail = {"content-type": "message/rfc822"}
    assert 202 == served.post("/v1/emails", content=answer.encode(), headers=mail).status_code
    eventually(served.tickets, lambda found: len(found) == 2, "the answer's own ticket")


def assert_is_a_tombstone(shown: dict[str, Any]) -> None:
    assert shown["erased"]
    assert (None, None, None) == (shown["requester"], shown["subject"], shown["url"])
    text = json.dumps(shown)
    assert [] == [one for one in SEARCHED if one in text]
