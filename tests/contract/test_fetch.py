"""What asking a vendor's API promises: over HTTP, and asked directly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import pytest_asyncio

from services.intake.adapters.fetch import BODY_BYTES_MAX, HttpFetch, open_client
from services.intake.core.pull.flow import Margins
from services.intake.core.pull.port import Answer, Request, Unreached
from services.intake.core.pull.source import PulledSource
from services.intake.core.vendors import VENDORS
from services.intake.ports import Fetch
from shared.clock import ManualClock
from shared.contracts.instants import to_us
from tests.servers.desks import github, gitlab
from tests.servers.desks.desk import EPOCH, Answered, Desk, Ticket, failing
from tests.servers.desks.serving import served
from tests.unit.intake.pull.fetching import DeskFetch
from tests.unit.intake.pull.vendors import GITHUB, GITLAB

pytestmark = pytest.mark.asyncio

CLOCK = ManualClock(to_us(EPOCH))


def source(url: str, credentials: dict[str, str]) -> PulledSource:
    margins = Margins(timedelta(seconds=120), timedelta(seconds=60))
    vendor = VENDORS["github"]
    return PulledSource("default", "desk", vendor, url, credentials, (), timedelta(seconds=300), margins)


@pytest.fixture
def desk() -> Desk:
    found = github.GitHubDesk(lambda: EPOCH)
    found.put(Ticket(1, EPOCH - timedelta(hours=1)))
    return found


@pytest_asyncio.fixture(params=["http", "direct"])
async def fetch(request: pytest.FixtureRequest, desk: Desk) -> AsyncIterator[Fetch]:
    async with AsyncExitStack() as stack:
        if request.param == "direct":
            yield DeskFetch(desk, GITHUB.credentials, CLOCK)
            return
        url = await stack.enter_async_context(served(desk))
        client = await stack.enter_async_context(open_client())
        yield HttpFetch(client, source(url, GITHUB.credentials), CLOCK)


def listed() -> Request:
    return GITHUB.listing().request(EPOCH - timedelta(days=1), None)


async def answered(fetch: Fetch) -> Answer:
    found = await fetch.get(listed())
    assert isinstance(found, Answer), found
    return found


async def test_an_answer_has_status_headers_in_lower_case_body_and_our_time(fetch: Fetch) -> None:
    found = await answered(fetch)
    assert (200, EPOCH, b"[{") == (found.status, found.at, found.body[:2])
    assert found.header("date").startswith("Mon, 02 Mar 2026")
    assert found.header("etag")


async def test_credentials_and_the_headers_of_the_request_are_sent(fetch: Fetch, desk: Desk) -> None:
    await answered(fetch)
    headers = desk.asked[0].headers
    assert (f"Bearer {github.TOKEN}", "2022-11-28") == (
        headers["authorization"],
        headers["x-github-api-version"],
    )


@pytest.mark.parametrize("status", [304, 401, 404, 429, 500, 503])
async def test_every_status_is_an_answer(fetch: Fetch, desk: Desk, status: int) -> None:
    desk.faults.append(failing(status, {"retry-after": "3"}))
    found = await answered(fetch)
    assert (status, "3") == (found.status, found.header("retry-after"))


async def test_a_redirect_is_an_answer_and_is_not_followed(fetch: Fetch, desk: Desk) -> None:
    desk.faults.append(failing(302, {"location": "http://127.0.0.1:1/elsewhere"}))
    assert (302, 1) == ((await answered(fetch)).status, len(desk.asked))


async def test_a_connection_cut_in_the_middle_is_no_answer(fetch: Fetch, desk: Desk) -> None:
    desk.faults.append(desk.cut)
    found = await fetch.get(listed())
    assert isinstance(found, Unreached)
    assert github.TOKEN not in found.why


async def test_an_encoded_path_stays_encoded() -> None:
    desk = gitlab.GitLabDesk(lambda: EPOCH)
    async with served(desk) as url, open_client() as client:
        fetch = HttpFetch(client, source(url, GITLAB.credentials), CLOCK)
        found = await fetch.get(GITLAB.listing().request(EPOCH, None))
    assert "/api/v4/projects/acme%2Fsupport/issues" == desk.asked[0].path
    assert isinstance(found, Answer)
    assert (200, "2026-03-02T10:00:00.000Z") == (found.status, desk.asked[0].query["updated_after"])


async def test_an_answer_without_end_is_none() -> None:
    desk = github.GitHubDesk(lambda: EPOCH)
    desk.faults.append(lambda _: Answered(200, {}, b" " * (BODY_BYTES_MAX + 1)))
    async with served(desk) as url, open_client() as client:
        found = await HttpFetch(client, source(url, {}), CLOCK).get(listed())
    assert Unreached(f"it is larger than {BODY_BYTES_MAX} bytes") == found


async def test_where_nobody_listens_there_is_no_answer(free_port: int) -> None:
    async with open_client() as client:
        found = await HttpFetch(client, source(f"http://127.0.0.1:{free_port}", {}), CLOCK).get(listed())
    assert Unreached("ConnectError") == found
