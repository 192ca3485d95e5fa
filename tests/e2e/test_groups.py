"""Probable duplicates and jobs through `barometer serve`: real mails, a form and a flood; killed in between."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.harness import Deployment, one_machine, running
from tests.servers.child import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

CONFIG: Final = """
sources:
  - name: desk
    channel: email
    email: {addresses: [support@example.org]}
"""
SERIES: Final = "emails/rt/8859-15-message-series__msg*"
"""One person's mails with one subject, sent three times."""
FLOOD: Final = 60
SOLVED: Final = 20


def test_what_one_person_wrote_and_what_everybody_wrote_is_found_and_stays_found(
    tmp_path: Path, shared_data: Path
) -> None:
    config = tmp_path / "barometer.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    mails = sorted(shared_data.glob(SERIES))
    assert 3 == len(mails)
    with running(one_machine(tmp_path, config=config)) as served:
        keys = [mailed(served, mail) for mail in mails]
        wait_until(lambda: served.backlog()["open"] == len(keys), "the mails", deadline_s=20)
        first = served.ask("aging", f"/v1/tickets/{keys[0]}")
        post(served, {
            "id": "form", "channel": "web", "subject": f"RE: {first['subject'].upper()} !!", "queue": "web",
            "requester": first["requester"].upper(),
        })  # fmt: skip
        post(served, *[
            {"id": f"vpn-{number}", "channel": "chat", "subject": f"VPN down on laptop {number}", "queue": "network",
             "requester": f"customer-{number % 7}"}
            for number in range(FLOOD)
        ])  # fmt: skip
        wait_until(lambda: served.backlog()["open"] == len(keys) + 1 + FLOOD, "all tickets", deadline_s=20)

        wrote = [served.ask("aging", f"/v1/tickets/{key}") for key in [*keys, "default:form"]]
        days = Counter(day_of(each) for each in wrote)  # two, should midnight pass meanwhile
        assert len(days) == len({each["duplicate_group"] for each in wrote})
        assert [days[day_of(each)] - 1 for each in wrote] == [each["duplicates"] for each in wrote]
        assert [2, 2, 2, 0] == [each["together"] for each in wrote], "the form's is in another queue"

        before = groups(served)
        served.processes["aging"].kill9()
        served.start()
        assert before == groups(served)

        post(served, *[{"id": f"vpn-{number}", "status": "solved"} for number in range(SOLVED)])
        wait_until(
            lambda: served.backlog(queue="network")["open"] == FLOOD - SOLVED,
            "the end of some",
            deadline_s=20,
        )
        largest = served.ask("aging", "/v1/backlog/groups", by="job", limit=1)["groups"][0]
        assert ("network", FLOOD - SOLVED) == (largest["queue"], largest["tickets"])
        listed = served.tickets(job=largest["id"], sort="worklist")
        assert {FLOOD - SOLVED - 1} == {each["together"] for each in listed}
        assert (
            f"can be handled together with {FLOOD - SOLVED - 1} others"
            == listed[0]["place"]["because"][-1]["text"]
        )


def mailed(served: Deployment, mail: Path) -> str:
    answer = served.post(
        "/v1/emails?source=desk", content=mail.read_bytes(), headers={"content-type": "message/rfc822"}
    )
    assert 202 == answer.status_code, answer.text
    ticket: str = answer.json()["ticket"]
    return ticket


def post(served: Deployment, *tickets: dict[str, Any]) -> None:
    answer = served.post("/v1/events", json=list(tickets))
    assert 202 == answer.status_code, answer.text


def day_of(ticket: dict[str, Any]) -> str:
    created_at: str = ticket["created_at"]
    return created_at[:10]


def groups(served: Deployment) -> dict[str, tuple[str, str]]:
    return {each["key"]: (each["duplicate_group"], each["job"]) for each in served.tickets()}
