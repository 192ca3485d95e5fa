"""The public form's decisions without HTTP: whose post it is, what counts as too much, what may be configured."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from services.intake.core.web_form.client import UNKNOWN, client_of
from services.intake.core.web_form.definition import WebForm
from services.intake.core.web_form.entry import Entry
from services.intake.core.web_form.guard import Guard, GuardLimits, Suspicion
from services.intake.core.web_form.token import Stage, Token
from services.intake.settings import forms_of, proxies_of
from shared.configuration.loader import read
from shared.configuration.problems import ConfigurationInvalid
from shared.runtime.environment import SettingsInvalid

TRUSTED = (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
KEYS = f"tenants: [{{name: default, keys: [{{name: k, sha256: {'a' * 64}, scopes: [publish]}}]}}]\n"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.7"], "203.0.113.9"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["192.0.2.1, 198.51.100.7, 10.1.2.3"], "198.51.100.7"),
        ("127.0.0.1", ["192.0.2.1", "198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["198.51.100.7, nonsense"], "198.51.100.7"),
        ("127.0.0.1", ["nonsense"], "127.0.0.1"),
        ("10.0.0.9", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("fd00::1", ["[2001:db8:1:2::9]"], "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("fe80::1%eth0", [], "fe80::/64"),
        (None, ["198.51.100.7"], UNKNOWN),
        ("unix", ["198.51.100.7"], UNKNOWN),
    ],
)
def test_only_our_own_proxies_are_believed_when_they_say_whose_post_it_is(
    peer: str | None, forwarded: list[str], client: str
) -> None:
    assert client == client_of(peer, forwarded, TRUSTED)


def test_a_forged_header_of_a_thousand_hops_is_read_from_its_end() -> None:
    forged = ", ".join(["10.0.0.1"] * 1_000)

    assert "10.0.0.1" == client_of("127.0.0.1", [f"198.51.100.7, {forged}"], TRUSTED)


def guard(**limits: int) -> Guard:
    usual = {
        "fill_s_min": 3,
        "window_s": 600,
        "address_posts_max": 2,
        "addresses_max": 3,
        "form_posts_max": 100,
    }
    return Guard(GuardLimits(**{**usual, **limits}), forms=1)


def test_an_address_waits_until_its_window_is_over_and_others_do_not() -> None:
    one = guard()

    waits = [one.wait_s("a", now) for now in (0, 10, 20, 599, 600)]
    assert [None, None, 580, 1, None] == waits
    assert one.wait_s("b", 20) is None


def test_when_the_table_is_full_the_oldest_address_is_forgotten() -> None:
    one = guard(address_posts_max=1)
    for number in range(10):
        one.wait_s(f"a{number}", 0)

    assert 3 == len(one._addresses._counts)
    assert [None, 600] == [one.wait_s("a0", 0), one.wait_s("a9", 0)]


def test_a_clock_that_steps_back_locks_nobody_out() -> None:
    one = guard(address_posts_max=1)
    one.wait_s("a", 1_000)

    assert one.wait_s("a", 10) is None


@pytest.mark.parametrize(
    ("entry", "age_s", "sign"),
    [
        (Entry("My parcel"), 3, None),
        (Entry("My parcel"), 2, Suspicion.TOO_FAST),
        (Entry("My parcel"), -5, Suspicion.TOO_FAST),
        (Entry("My parcel", honeypot="x"), 60, Suspicion.HONEYPOT),
        (Entry("https://shop.example/42 does not load"), 60, None),
        (Entry("HTTPS://a.example www.b.example"), 60, Suspicion.LINKS),
    ],
)
def test_a_sign_of_a_machine_is_named(entry: Entry, age_s: int, sign: Suspicion | None) -> None:
    assert sign is guard().suspicion("contact", entry, Token(Stage.ASKED, 1_000 - age_s, "0" * 32), 1_000)


def test_a_form_never_shows_its_secret() -> None:
    assert "WebForm(default/contact)" == repr(WebForm("default", "contact", ("topsecret",)))


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("{}", "no secret to sign"),
        ("{secret: {env: A}, secrets: [{env: B}]}", "given twice"),
        ("{secret: abc}", "does not stand in the file"),
        ('{secret: {env: A}, origins: ["https://a.example/x"]}', "is no origin"),
        ('{secret: {env: A}, origins: ["https://a.example; script-src *"]}', "is no origin"),
        ("{secret: {env: A}, redirect: //evil.example}", "is no path"),
        ("{secret: {env: A}, redirect: https://evil.example}", "is no path"),
        ("{secret: {env: A}, redirect: /a, thanks: b}", "never shown"),
        ("{secret: {env: A}, categories: [a, a]}", "twice"),
        ('{secret: {env: A}, categories: ["a\\tb"]}', "cannot be chosen"),
        ("{secret: {env: A}, language: fr}", "language"),
        ("{secret: {env: A}, catgories: [a]}", "did you mean `categories`?"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_is_refused_with_its_line_and_mend(form: str, said: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"barometer\.yaml:3") as refused:
        read(f"{KEYS}sources:\n  - {{name: contact, form: {form}}}\n", "barometer.yaml")

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources:\n  - {name: contact, form: {secret: {env: A}}}\n", "there are no keys"),
        (
            (
                f"{KEYS}personal_data: {{requester: hashed, key: {{env: K}}}}\n"
                "sources:\n  - {name: c, form: {secret: {env: A}}}\n"
            ),
            "does not keep",
        ),
        (
            (
                f"{KEYS}sources:\n"
                "  - {name: c, personal_data: {subject: dropped}, form: {email: hidden, secret: {env: A}}}\n"
            ),
            "does not keep",
        ),
        (
            f"{KEYS}sources:\n  - {{name: c, kind: github, webhook: {{unsigned: true}}, form: {{secret: {{env: A}}}}}}\n",
            "give the form a source of its own",
        ),
        (
            KEYS
            + "sources:\n"
            + "".join(
                f"  - {{name: c, tenant: {each}, form: {{secret: {{env: A}}}}}}\n"
                for each in ("default", "b")
            ),
            "/v1/forms/NAME",
        ),
    ],
)
def test_a_form_is_refused_where_it_would_open_more_than_itself(text: str, said: str) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        read(text, "barometer.yaml")

    assert said in str(refused.value)


def test_a_forms_secret_that_is_not_there_stops_the_start() -> None:
    configuration = read(f"{KEYS}sources:\n  - {{name: contact, form: {{secret: {{env: A}}}}}}\n", "x")

    with pytest.raises(ConfigurationInvalid, match="source `contact`: the environment variable A"):
        forms_of(configuration, {})
    assert ("s",) == forms_of(configuration, {"A": "s"})[0].secrets


@pytest.mark.parametrize("shown", ["127.0.0.1, 10.0.0.0/8,fd00::/8", ""])
def test_our_proxies_are_addresses_and_networks(shown: str) -> None:
    found: Any = proxies_of({"BAROMETER_TRUSTED_PROXIES": shown})

    assert (TRUSTED if shown else ()) == found


def test_a_proxy_that_is_no_address_is_refused_with_the_mend() -> None:
    with pytest.raises(SettingsInvalid, match=r"BAROMETER_TRUSTED_PROXIES.*such as"):
        proxies_of({"BAROMETER_TRUSTED_PROXIES": "proxy.local"})
