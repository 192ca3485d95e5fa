"""The public form of a `barometer serve` as a process: what was thanked for survives a kill, and is one ticket."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

import httpx2
import pytest
import yaml

from tests.e2e.harness import Deployment, eventually, one_machine, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

KEY: Final = "bk_of_this_test"
FORM: Final = "/v1/forms/contact"


def prepared(directory: Path) -> Deployment:
    config = directory / "barometer.yaml"
    key = {"name": "k", "sha256": sha256(KEY.encode()).hexdigest(), "scopes": ["read", "admin"]}
    document = {
        "tenants": [{"name": "default", "keys": [key]}],
        "sources": [{"name": "contact", "form": {"secret": {"env": "FORM_SECRET"}}}],
    }
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    # However slow the machine is, the first post is too fast for a person and has to be confirmed.
    settings = {"FORM_SECRET": "harbour", "BAROMETER_INTAKE_FORM_FILL_SECONDS_MIN": "3600"}
    deployment = one_machine(directory, config=config, **settings)
    deployment.key = KEY
    return deployment


def sent(deployment: Deployment, token: str) -> httpx2.Response:
    fields = {"subject": "The lift stands still", "email": "kim@example.org", "website": "", "token": token}
    return httpx2.post(deployment.url("intake", FORM), data=fields, timeout=20)


def token_in(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def test_what_was_thanked_for_survives_a_kill_and_is_one_ticket_however_often_it_is_sent(
    tmp_path: Path,
) -> None:
    with running(prepared(tmp_path)) as deployment:
        asked = httpx2.get(deployment.url("intake", FORM), timeout=20)
        confirming = sent(deployment, token_in(asked.text))
        assert 200 == confirming.status_code, confirming.text
        token = token_in(confirming.text)
        answer = sent(deployment, token)
        deployment.processes["intake"].kill9()
        deployment.start()

        again = sent(deployment, token)
        (ticket,) = eventually(deployment.tickets, lambda tickets: len(tickets) == 1, "one ticket")
        assert httpx2.get(deployment.url("aging", "/v1/tickets"), timeout=20).status_code == 401

    assert 303 == answer.status_code, answer.text
    assert (303, answer.headers["location"]) == (again.status_code, again.headers["location"])
    assert ("The lift stands still", "web", "new") == (ticket["subject"], ticket["channel"], ticket["status"])
    assert answer.headers["location"].endswith(ticket["key"].removeprefix("contact:"))
