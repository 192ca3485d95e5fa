"""Lost webhooks are found: `barometer serve` beside a GitHub that delivers some and loses others."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import Deployment, one_machine, running
from tests.servers.child import wait_until
from tests.servers.desks import gitlab
from tests.servers.desks.desk import Answered, Asked, Desk, Ticket, failing
from tests.servers.desks.github import REPOSITORY, TOKEN, GitHubDesk
from tests.servers.desks.gitlab import PROJECT, GitLabDesk
from tests.servers.desks.serving import served_beside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

SECRET = "topsecret"
NUMBERS = range(1, 21)
LOST = {2, 3, 5, 7, 11, 13, 17}
LOST_LATER = {1, 4, 9, 16}
WAIT_S = 60.0
PROMISE = {"policies": [{"name": "support", "clocks": {"first_response": {"target": "4h"}}}]}
_PULLED = re.compile(r'^barometer_pulled_total\{outcome="(\w+)",source="tracker"\} (\S+)$', re.MULTILINE)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Switched(Desk):
    """A desk with a switch, by its own clock."""

    def __init__(self) -> None:
        super().__init__(lambda: datetime.now(UTC))
        self.is_away = True
        self.page_items_max = 4

    def answer(self, asked: Asked) -> Answered:
        if self.is_away:
            self.asked.append(asked)
            return failing(503)(asked)
        return super().answer(asked)


class Tracker(Switched, GitHubDesk):
    """GitHub."""


class Forge(Switched, GitLabDesk):
    """GitLab."""


@contextmanager
def watched(
    tmp_path: Path, desk: Switched, kind: str, project: str, token: str, **more: Any
) -> Iterator[Deployment]:
    """Give a Barometer that hears from a desk and asks it."""
    with served_beside(desk) as url:
        source = {
            "name": "tracker", "kind": kind, "webhook": {"secret": {"env": "HOOK"}},
            "pull": {
                "url": url, "token": {"env": "TOKEN"}, "projects": [project], "interval": "10s", "settle": "5s",
                "from": (now() - timedelta(hours=2)).isoformat(),
            },
        }  # fmt: skip
        config = tmp_path / "barometer.yaml"
        config.write_text(yaml.safe_dump({"sources": [source], **more}), encoding="utf-8")
        with running(one_machine(tmp_path, config=config, HOOK=SECRET, TOKEN=token)) as here:
            yield here


@contextmanager
def tracked(tmp_path: Path, **more: Any) -> Iterator[tuple[Tracker, Deployment]]:
    """Give GitHub, and a Barometer that watches it."""
    tracker = Tracker()
    with watched(tmp_path, tracker, "github", REPOSITORY, TOKEN, **more) as here:
        yield tracker, here


def deliver(tracker: Tracker, here: Deployment, number: int, action: str) -> None:
    send(here, *tracker.webhook(number, action))


def send(here: Deployment, headers: Mapping[str, str], body: bytes) -> None:
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    sent = {**headers, "content-type": "application/json", "x-hub-signature-256": signature}
    answer = here.post("/v1/webhooks/tracker", content=body, headers=sent)
    assert 202 == answer.status_code, answer.text


def pulled(here: Deployment) -> dict[str, int]:
    return {outcome: int(float(value)) for outcome, value in _PULLED.findall(here.metrics())}


def lost(here: Deployment) -> set[int]:
    """Return the tickets that the log says a webhook was lost of, over all processes."""
    lines: list[dict[str, Any]] = here.processes["aging"].lines()
    found = [line["ticket"] for line in lines if str(line["event"]).startswith("a webhook was lost")]
    return {int(ticket.rpartition("#")[2]) for ticket in found}


def opened(tracker: Tracker, here: Deployment) -> None:
    """Open all tickets; the webhooks of some are lost."""
    for number in NUMBERS:
        tracker.put(Ticket(number, now() - timedelta(minutes=30, seconds=-number)))
        if number not in LOST:
            deliver(tracker, here, number, "opened")


def test_exactly_the_lost_webhooks_are_found_and_counted(tmp_path: Path) -> None:
    with tracked(tmp_path) as (tracker, here):
        opened(tracker, here)
        wait_until(
            lambda: here.backlog()["open"] == len(NUMBERS) - len(LOST),
            "the webhooks to be folded",
            deadline_s=WAIT_S,
        )
        tracker.is_away = False
        wait_until(lambda: sum(pulled(here).values()) == len(NUMBERS), "the first pull", deadline_s=WAIT_S)
        assert {"known": len(NUMBERS) - len(LOST), "changed": 0, "opened": len(LOST), "message": 0} == pulled(
            here
        )
        assert len(NUMBERS) == here.backlog()["open"]
        assert LOST == lost(here)

        for number in NUMBERS:
            tracker.change(number, now(), is_closed=True)
            if number not in LOST_LATER:
                deliver(tracker, here, number, "closed")
        wait_until(
            lambda: sum(pulled(here).values()) == 2 * len(NUMBERS), "the second pull", deadline_s=WAIT_S
        )
        assert {"known": 29, "changed": len(LOST_LATER), "opened": len(LOST), "message": 0} == pulled(here)
        assert 0 == here.backlog()["open"]
        assert LOST | LOST_LATER == lost(here)
        assert TOKEN not in here.processes["aging"].log.read_text(encoding="utf-8")


def test_exactly_the_lost_messages_are_found_and_counted(tmp_path: Path) -> None:
    answers, notes = range(101, 121), range(201, 221)
    lost_answers, lost_notes = {102, 103, 105, 119}, {207, 211}
    with tracked(tmp_path, sla=PROMISE) as (tracker, here):
        for number in NUMBERS:
            tracker.put(Ticket(number, now() - timedelta(minutes=30, seconds=-number)))
            deliver(tracker, here, number, "opened")
        for comment in (*notes, *answers):
            is_answer = comment in answers
            tracker.say(comment, comment % 100, now() - timedelta(minutes=3 - is_answer), is_agent=is_answer)
            if comment not in lost_answers | lost_notes:
                send(here, *tracker.told(comment))
        heard = {number for number in NUMBERS if 100 + number not in lost_answers}
        wait_until(lambda: answered(here) == heard, "the webhooks to be folded", deadline_s=WAIT_S)
        tracker.is_away = False
        pulls = len(NUMBERS) + len(answers) + len(notes)
        wait_until(lambda: sum(pulled(here).values()) == pulls, "the first pull", deadline_s=WAIT_S)
        losses = len(lost_answers | lost_notes)
        assert {"known": pulls - losses, "changed": 0, "opened": 0, "message": losses} == pulled(here)
        assert {one % 100 for one in lost_answers | lost_notes} == lost(here)
        assert set(NUMBERS) == answered(here)
        text = here.processes["aging"].log.read_text(encoding="utf-8")
        assert "switch it off" not in text


def answered(here: Deployment) -> set[int]:
    """Return the tickets whose customers do not wait for the first answer."""
    shown = here.ask("aging", "/v1/tickets?limit=100")["tickets"]
    return {int(one["key"].rpartition("#")[2]) for one in shown if not one["clocks"]}


def test_a_kill_in_the_middle_of_a_list_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    with tracked(tmp_path) as (tracker, here):
        opened(tracker, here)
        killed_after(here, tracker, 2, 3)
        wait_until(lambda: here.backlog()["open"] == len(NUMBERS), "every ticket", deadline_s=WAIT_S)
        wait_until(lambda: lost(here) == LOST, "every lost webhook to be told of", deadline_s=WAIT_S)
        told = {f"tracker:{REPOSITORY}#{number}": 1 if number in LOST else 2 for number in NUMBERS}
        wait_until(lambda: told == observations(here, told), "every observation", deadline_s=WAIT_S)


def test_messages_that_only_their_tickets_show_are_found_through_kills(tmp_path: Path) -> None:
    forge, earlier = Forge(), now() - timedelta(minutes=30)
    lost_answers = {102, 105, 111}
    with watched(tmp_path, forge, "gitlab", PROJECT, gitlab.TOKEN, sla=PROMISE) as here:

        def hear(headers: Mapping[str, str], body: bytes) -> None:
            sent = {**headers, "x-gitlab-token": SECRET, "content-type": "application/json"}
            assert 202 == here.post("/v1/webhooks/tracker", content=body, headers=sent).status_code

        for number in range(1, 13):
            forge.put(Ticket(number, earlier, created_at=earlier))
            hear(*forge.webhook(number, "open"))
            forge.say(200 + number, number, now() - timedelta(minutes=3), is_agent=False)
            hear(*forge.told(200 + number))
            forge.say(100 + number, number, now() - timedelta(minutes=2))
            if 100 + number not in lost_answers:
                hear(*forge.told(100 + number))
        wait_until(
            lambda: answered(here) == set(range(1, 13)) - {2, 5, 11},
            "the webhooks to be folded",
            deadline_s=WAIT_S,
        )
        killed_after(here, forge, 3, 5)
        wait_until(lambda: set(range(1, 13)) == answered(here), "every answer", deadline_s=WAIT_S)
        wait_until(lambda: {2, 5, 11} == lost(here), "every lost webhook to be told of", deadline_s=WAIT_S)
        told_keys = {
            f"tracker:{PROJECT}#{number}": 5 if 100 + number in lost_answers else 6 for number in range(1, 13)
        }
        wait_until(lambda: told_keys == observations(here, told_keys), "every observation", deadline_s=WAIT_S)


def killed_after(here: Deployment, desk: Switched, *numbers: int) -> None:
    """Let the desk answer; kill the process, and start it, whenever so many pages more were asked for."""
    desk.is_away = False
    for number in numbers:
        wanted = len(desk.asked) + number
        wait_until(lambda: len(desk.asked) >= wanted, "pages to be asked for", deadline_s=WAIT_S)  # noqa: B023 (over before the next)
        process = here.processes["aging"]
        process.kill9()
        process.start().wait_ready()


def observations(here: Deployment, keys: dict[str, int]) -> dict[str, int]:
    """Return how many observations each ticket is made of: the webhook's, if one came, and the pull's."""
    asked = {key: here.ask("aging", "/v1/tickets/" + key.replace("#", "%23")) for key in keys}
    return {key: len(answer["timeline"]) for key, answer in asked.items()}
