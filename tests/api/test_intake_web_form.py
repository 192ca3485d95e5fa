"""The public form over HTTP: what a person meets, and what a machine, a forger and another site meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.configuration.models import Configuration
from shared.contracts.tickets import Activity, Actor, Channel, Visibility
from tests.api.intake_world import KEYS, NOW, World, digest, world

pytestmark = pytest.mark.asyncio

CATEGORIES: Final = ["Returns & refunds", "Invoice"]


def configured(**form: Any) -> Configuration:
    shown = {"secret": {"env": "HOOK_SECRET"}, "categories": CATEGORIES, "queue": "front", **form}
    keys = [{"name": "k", "sha256": digest(KEYS["tenant"]), "scopes": ["publish", "read"]}]
    return Configuration.model_validate(
        {
            "tenants": [{"name": "default", "keys": keys}],
            "sources": [{"name": "contact", "form": shown}, {"name": "plain"}],
        }
    )


FORM: Final = configured()
ADDRESS: Final = "/v1/forms/contact"
GOOD: Final = {"subject": "Printer on fire", "email": "Kim@Example.org", "category": "Invoice", "website": ""}


def hidden(page: str, name: str = "token") -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return unescape(found[1])


async def opened(running: World, seconds: int = 10) -> str:
    """Open the form, look at it for `seconds`, and return its token."""
    answer = await running.http.get(ADDRESS)
    assert 200 == answer.status_code
    wait(running, seconds)
    return hidden(answer.text)


def wait(running: World, seconds: float) -> None:
    running.clock.set(running.clock.now_us() + int(seconds * 1_000_000))


async def post(running: World, fields: Mapping[str, str], **headers: str) -> httpx2.Response:
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return await running.http.post(ADDRESS, data=dict(fields), headers=shown)


def counted(running: World, outcome: str) -> float | None:
    labels = {"source": "contact", "outcome": outcome}
    return running.registry.get_sample_value("barometer_form_posts_total", labels)


async def test_what_a_person_sends_is_a_ticket_that_says_its_requester_is_unproved(tmp_path: Path) -> None:
    async with world(tmp_path, FORM) as running:
        sent = await post(running, {**GOOD, "token": await opened(running)})
        thanks = await running.http.get(f"/v1/forms/{sent.headers['location']}")
        (one,) = await running.observations()

    assert (303, 200) == (sent.status_code, thanks.status_code)
    assert (Activity.CREATED, Actor.CUSTOMER, Visibility.PUBLIC) == (one.activity, one.actor, one.visibility)
    shown = one.fields
    assert ("Printer on fire", "kim@example.org", "Invoice", "front", Channel.WEB, ("unverified",)) == (
        shown.subject, shown.requester, shown.category, shown.queue, shown.channel, shown.tags,
    )  # fmt: skip
    assert NOW + timedelta(seconds=10) == one.time
    assert one.ticket.removeprefix("contact:") in thanks.text
    assert 1 == counted(running, "accepted") == running.counted("accepted")


async def test_a_page_runs_no_script_loads_nothing_and_stands_in_nobodys_frame(tmp_path: Path) -> None:
    async with world(tmp_path, FORM) as running:
        answer = await running.http.get(ADDRESS)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert [] == re.findall(r"(?:src|href)=", answer.text)
    assert "no-store" == answer.headers["cache-control"]


async def test_a_site_that_is_named_may_show_the_form_in_a_frame(tmp_path: Path) -> None:
    async with world(tmp_path, configured(origins=["https://www.example.com"])) as running:
        answer = await running.http.get(ADDRESS)

    assert "frame-ancestors https://www.example.com;" in answer.headers["content-security-policy"]


async def test_sent_twice_by_a_double_click_it_is_one_ticket_and_one_observation(tmp_path: Path) -> None:
    async with world(tmp_path, FORM) as running:
        token = await opened(running)
        codes = [(await post(running, {**GOOD, "token": token})).status_code for _ in range(2)]
        first, second = await running.observations()

    assert [303, 303] == codes
    assert (first.ticket, first.id, first.fields) == (second.ticket, second.id, second.fields)
    assert first.dated_by_receipt


async def test_a_token_played_again_with_another_text_changes_its_own_ticket_and_opens_no_other(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, FORM) as running:
        token = await opened(running)
        for subject in ("One", "Two", "Three"):
            await post(running, {**GOOD, "subject": subject, "token": token})
        tickets = {one.ticket for one in await running.observations()}

    assert 1 == len(tickets)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"subject": ""}, "Say what it is about"),
        ({"subject": " \u200b\t"}, "Say what it is about"),
        ({"subject": "x" * 301}, "at most 300 characters"),
        ({"email": ""}, "Give your e-mail address"),
        ({"email": "kim"}, "such as name@example.com"),
        ({"email": "kim@a.b\r\nBcc: x@example.org"}, "such as name@example.com"),
        ({"email": "a@b@example.org"}, "such as name@example.com"),
        ({"category": "Spam"}, "Choose a topic"),
    ],
)
async def test_a_field_that_is_wrong_is_named_and_the_text_comes_back(
    tmp_path: Path, change: dict[str, str], fault: str
) -> None:
    async with world(tmp_path, FORM) as running:
        token = await opened(running)
        answer = await post(running, {**GOOD, "token": token, **change})
        mended = await post(running, {**GOOD, "token": hidden(answer.text)})

    assert (422, 303) == (answer.status_code, mended.status_code)
    assert fault in unescape(answer.text)
    assert "aria-invalid" in answer.text
    assert (change.get("subject") or "Printer on fire").strip()[:20] in answer.text or "subject" in change
    assert token == hidden(answer.text)


async def test_what_a_person_entered_is_never_markup(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script></textarea><img src=x onerror=alert(1)>'
    async with world(tmp_path, FORM) as running:
        token = await opened(running)
        asked = await post(running, {**GOOD, "subject": evil, "email": evil, "token": token})
        confirm = await post(running, {**GOOD, "subject": evil, "website": "x", "token": token})
        thanks = await running.http.get(f"{ADDRESS}/thanks", params={"reference": evil})

    assert [422, 200, 200] == [each.status_code for each in (asked, confirm, thanks)]
    assert [] == [
        each.text for each in (asked, confirm, thanks) if "<script" in each.text or "<img" in each.text
    ]
    assert "alert" not in thanks.text


@pytest.mark.parametrize(
    ("change", "seconds", "sign"),
    [
        ({"website": "http://x"}, 10, "honeypot"),
        ({}, 2, "too_fast"),
        ({"subject": "cheap https://a.example https://b.example"}, 10, "links"),
    ],
)
async def test_what_looks_like_a_machines_is_asked_for_again_and_a_person_loses_nothing(
    tmp_path: Path, change: dict[str, str], seconds: int, sign: str
) -> None:
    async with world(tmp_path, FORM) as running:
        fields = {**GOOD, **change, "token": await opened(running, seconds)}
        asked = await post(running, fields)
        before = len(await running.observations())
        names = ("subject", "email", "category", "token")
        confirmed = await post(running, {name: hidden(asked.text, name) for name in names})
        (one,) = await running.observations()

    assert (200, 0, 303) == (asked.status_code, before, confirmed.status_code)
    assert (fields["subject"], "kim@example.org") == (one.fields.subject, one.fields.requester)
    assert 1 == counted(running, sign)


async def test_the_same_text_again_and_again_and_a_flood_are_asked_for_again(tmp_path: Path) -> None:
    async with world(tmp_path, FORM, {"form_posts_max": 5, "form_address_posts_max": 100}) as running:
        same = [(await post(running, {**GOOD, "token": await opened(running)})).status_code for _ in range(4)]
        others = [
            (
                await post(running, {**GOOD, "subject": f"No. {number}", "token": await opened(running)})
            ).status_code
            for number in range(2)
        ]
        wait(running, 600)
        later = await post(running, {**GOOD, "subject": "Later", "token": await opened(running)})

    assert ([303, 303, 303, 200], [303, 200], 303) == (same, others, later.status_code)
    assert (1, 1) == (counted(running, "repeated"), counted(running, "flood"))


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "x",
        "a.0.0.0",
        "a.69a55f60.0123456789abcdef0123456789abcdef." + "0" * 64,
        "ä" * 50,
        "a" * 100_00,
    ],
)
async def test_a_token_that_is_not_ours_is_answered_by_a_page_with_a_new_one(
    tmp_path: Path, forged: str
) -> None:
    async with world(tmp_path, FORM) as running:
        answer = await post(running, {**GOOD, "token": forged})
        wait(running, 5)
        again = await post(running, {**GOOD, "token": hidden(answer.text)})

    assert (422, 303) == (answer.status_code, again.status_code)
    assert "Printer on fire" in answer.text
    assert 1 == counted(running, "token_forged")


async def test_a_token_with_another_stage_time_nonce_or_form_is_not_ours(tmp_path: Path) -> None:
    async with world(tmp_path, FORM) as running:
        stage, issued, nonce, signature = (await opened(running)).split(".")
        forged = [
            f"c.{issued}.{nonce}.{signature}",
            f"{stage}.{int(issued, 16) + 1:x}.{nonce}.{signature}",
            f"{stage}.{issued}.{nonce[::-1]}.{signature}",
            f"{stage}.{issued}.{nonce}.{signature[:-1]}{'0' if signature[-1] != '0' else '1'}",
        ]
        codes = {(await post(running, {**GOOD, "token": each})).status_code for each in forged}

    assert {422} == codes
    assert 4 == counted(running, "token_forged")


async def test_a_page_that_was_open_over_night_is_asked_again_with_its_text(tmp_path: Path) -> None:
    async with world(tmp_path, FORM) as running:
        token = await opened(running, 43_200)
        in_time = await post(running, {**GOOD, "token": token})
        wait(running, 1)
        late = await post(running, {**GOOD, "token": token})

    assert (303, 422) == (in_time.status_code, late.status_code)
    assert "Printer on fire" in late.text
    assert 1 == counted(running, "token_expired")


async def test_a_former_secret_is_taken_while_it_is_rotated(tmp_path: Path) -> None:
    old, new = {"env": "HOOK_SECRET"}, {"env": "HOOK_NEXT"}
    async with world(tmp_path / "old", FORM) as running:
        token = await opened(running)
    both = configured(secret=None, secrets=[new, old])
    only = configured(secret=new)
    async with world(tmp_path / "both", both) as running:
        rotated = await post(running, {**GOOD, "token": token})
    async with world(tmp_path / "only", only) as running:
        gone = await post(running, {**GOOD, "token": token})

    assert (200, 422) == (rotated.status_code, gone.status_code)  # 200: its clock stands at the page's time
    assert "Please check" in rotated.text


async def test_too_many_posts_from_one_address_wait_and_keep_their_text(tmp_path: Path) -> None:
    async with world(tmp_path, FORM, {"form_address_posts_max": 3}) as running:
        token = await opened(running)
        codes = [(await post(running, {**GOOD, "token": token})).status_code for _ in range(3)]
        refused = await post(running, {**GOOD, "token": token})
        wait(running, 600)
        later = await post(running, {**GOOD, "token": token})

    assert ([303] * 3, 429, 303) == (codes, refused.status_code, later.status_code)
    assert "Printer on fire" in refused.text
    assert 0 < int(refused.headers["retry-after"]) <= 600
    assert 1 == counted(running, "throttled")


async def test_while_the_bus_is_away_the_page_says_so_and_the_same_page_can_be_sent_later(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, FORM) as running:
        token = await opened(running)
        running.bus.away = True
        away = await post(running, {**GOOD, "token": token})
        running.bus.away = False
        back = await post(running, {**GOOD, "token": hidden(away.text)})
        observations = await running.observations()

    assert (503, 303, 1) == (away.status_code, back.status_code, len(observations))
    assert "Printer on fire" in away.text
    assert "retry-after" in away.headers
    assert (1, 1) == (counted(running, "unavailable"), running.counted("unavailable"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"origin": "http://127.0.0.1:8080"}, 303),
        ({"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}, 303),
        ({"origin": "https://www.example.com", "sec-fetch-site": "cross-site"}, 303),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "https://shop.127.0.0.1:8080", "sec-fetch-site": "same-site"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
    ],
)
async def test_a_page_of_another_site_cannot_make_its_visitors_post(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with world(tmp_path, configured(origins=["https://www.example.com"])) as running:
        token = await opened(running)
        answer = await running.http.post(ADDRESS, data={**GOOD, "token": token}, headers=headers)

    assert status == answer.status_code
    assert (status == 403) == bool(counted(running, "foreign"))


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"x=" + b"y" * 40_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"a%d=1" % number for number in range(50)), "application/x-www-form-urlencoded", 422),
        (b"--x", "multipart/form-data; boundary=x", 415),
        (b"hello", "text/plain", 415),
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 30_000, "application/json", 400),
        (b'{"subject": "\\ud800", "token": 7}', "application/json", 400),
        (b"%00%ff%fe=%c0%80", "application/x-www-form-urlencoded", 422),
        (b"", "application/x-www-form-urlencoded", 422),
    ],
)
async def test_what_is_no_post_of_a_form_is_refused_by_its_own_status(
    tmp_path: Path, content: bytes, content_type: str, status: int
) -> None:
    async with world(tmp_path, FORM) as running:
        answer = await running.http.post(ADDRESS, content=content, headers={"content-type": content_type})

    assert status == answer.status_code


async def test_odd_text_arrives_readable_and_in_one_line(tmp_path: Path) -> None:
    subject = "  Drucker\r\nbrennt\u0000 \u202egnp.exe\u2066 🖨️ — טלפון  "
    async with world(tmp_path, FORM) as running:
        sent = await post(running, {**GOOD, "subject": subject, "token": await opened(running)})
        (one,) = await running.observations()

    assert 303 == sent.status_code
    assert "Drucker brennt gnp.exe 🖨️ — טלפון" == one.fields.subject


async def test_a_page_of_ones_own_gets_a_token_posts_json_and_may_read_the_answers(tmp_path: Path) -> None:
    site = {"origin": "https://www.example.com", "accept": "application/json"}
    async with world(tmp_path, configured(origins=["https://www.example.com"])) as running:
        asked = await running.http.request("OPTIONS", ADDRESS, headers=site)
        given = await running.http.get(ADDRESS, headers=site)
        token = given.json()["token"]
        fast = await running.http.post(ADDRESS, json={**GOOD, "token": token}, headers=site)
        wait(running, 5)
        wrong = await running.http.post(ADDRESS, json={**GOOD, "email": 7, "token": token}, headers=site)
        sent = await running.http.post(ADDRESS, json={**GOOD, "token": token}, headers=site)
        confirmed = await running.http.post(
            ADDRESS, json={**GOOD, "token": fast.json()["token"]}, headers=site
        )
        tickets = {one.ticket for one in await running.observations()}

    answers = (asked, given, fast, wrong, sent, confirmed)
    assert [204, 200, 422, 422, 202, 202] == [each.status_code for each in answers]
    assert {"https://www.example.com"} == {each.headers["access-control-allow-origin"] for each in answers}
    assert ("too_fast", "/email") == (fast.json()["reason"], wrong.json()["errors"][0]["pointer"])
    assert {f"contact:{sent.json()['reference']}"} == tickets


async def test_a_page_of_a_site_that_is_not_named_may_read_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, FORM) as running:
        answer = await running.http.get(
            ADDRESS, headers={"origin": "https://evil.example", "accept": "application/json"}
        )

    assert "access-control-allow-origin" not in answer.headers


async def test_a_source_without_a_form_has_none_and_the_form_opens_no_other_door(tmp_path: Path) -> None:
    async with world(tmp_path, FORM) as running:
        nowhere = [
            (await running.http.get(f"/v1/forms/{name}")).status_code for name in ("plain", "x%00", "ä")
        ]
        posted = await running.http.post("/v1/forms/plain", data={**GOOD})
        events = await running.post({"id": "1"})

    assert ([404] * 3, 404, 401) == (nowhere, posted.status_code, events.status_code)


async def test_a_form_may_speak_german_ask_less_and_send_people_elsewhere(tmp_path: Path) -> None:
    form = configured(
        language="de", title="Hilfe", intro="Mo–Fr", email="optional", categories=[], redirect="/danke"
    )
    async with world(tmp_path, form) as running:
        page = (await running.http.get(ADDRESS)).text
        wait(running, 5)
        sent = await post(running, {"subject": "Drucker", "token": hidden(page)})
        (one,) = await running.observations()

    assert [] == [each for each in ('lang="de"', "Hilfe", "Mo–Fr", "freiwillig") if each not in page]
    assert "<select" not in page
    assert (303, "/danke", "contact") == (sent.status_code, sent.headers["location"], one.fields.category)


async def test_an_address_is_not_taken_where_none_is_asked(tmp_path: Path) -> None:
    async with world(tmp_path, configured(email="hidden")) as running:
        page = (await running.http.get(ADDRESS)).text
        wait(running, 5)
        sent = await post(running, {**GOOD, "email": "not one", "token": hidden(page)})
        (one,) = await running.observations()

    assert (303, "msgspec.UNSET") == (sent.status_code, f"msgspec.{one.fields.requester!r}")
    assert 'name="email"' not in page


async def test_too_much_in_flight_is_a_page_that_tells_to_go_back(tmp_path: Path) -> None:
    async with world(tmp_path, FORM, {"in_flight_bytes_max": 10}) as running:
        answer = await post(running, GOOD)

    assert 429 == answer.status_code
    assert "go back" in answer.text


_text = st.text(max_size=400) | st.sampled_from(
    ["Invoice", "kim@example.org", "x" * 3_000, "https://a https://b"]
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.sampled_from([*GOOD, "token", "other"]) | st.text(max_size=5), _text, max_size=6
    ),
    has_token=st.booleans(),
    is_json=st.booleans(),
    junk=st.none() | st.integers() | st.lists(st.integers(), max_size=3),
)
async def test_whatever_is_posted_is_answered_and_never_by_an_error_of_ours(
    tmp_path: Path, fields: dict[str, str], has_token: bool, is_json: bool, junk: Any
) -> None:
    async with world(tmp_path / "fuzz", FORM, {"form_address_posts_max": 1_000_000}) as running:
        token = {"token": await opened(running)} if has_token else {}
        if is_json:
            answer = await running.http.post(ADDRESS, json={**GOOD, **fields, **token, "odd": junk})
        else:
            shown = {
                name: value.encode("utf-8", "replace") for name, value in {**GOOD, **fields, **token}.items()
            }
            answer = await running.http.post(ADDRESS, data=shown)
        assert answer.status_code in {200, 202, 303, 422}
        await running.observations()
