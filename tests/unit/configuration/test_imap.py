"""A mailbox in the configuration: what it comes to, and what a person is told who wrote it wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from services.intake.core.mail.account import Encryption
from services.intake.settings.emails import accounts_of
from shared.configuration.loader import read
from shared.configuration.problems import ConfigurationInvalid
from tests.unit.configuration.reading import problems

PLACE = "`sources[0].email.imap`"


def source(*lines: str, name: str = "desk") -> str:
    return f"- name: {name}\n  email:\n    imap:\n" + "".join(f"      {line}\n" for line in lines)


def written(*lines: str) -> str:
    return "sources:\n" + source("host: imap.example.org", "user: desk", *lines)


def test_a_mailbox_needs_a_server_a_user_and_a_password_and_the_rest_is_safe() -> None:
    [account] = accounts_of(read(written("password: {env: P}")), {"P": "let me in"})
    assert (993, Encryption.TLS, ("INBOX",), 60_000, True) == (
        account.port, account.encryption, account.folders, account.poll_ms, account.idle,
    )  # fmt: skip
    assert (False, None, None) == (account.mark_seen, account.move_to, account.since)
    assert ("let me in", False) == (account.secret(), account.is_token)
    assert "let me in" not in repr(account)


def test_everything_can_be_said() -> None:
    configuration = read(
        written(
            "encryption: starttls", "port: 1143", "ca_file: /ca.pem", "token: {env: P}", "folders: [inbox, Hilfe]",
            "poll: 5m", "idle: false", "mark_seen: true", "move_to: Erledigt", "since: 2026-01-31",
        )
    )  # fmt: skip
    [account] = accounts_of(configuration, {"P": "x"})
    assert (1143, Encryption.STARTTLS, "/ca.pem", True) == (
        account.port, account.encryption, account.ca_file, account.is_token,
    )  # fmt: skip
    assert (("INBOX", "Hilfe"), 300_000, False, True, "Erledigt", date(2026, 1, 31)) == (
        account.folders, account.poll_ms, account.idle, account.mark_seen, account.move_to, account.since,
    )  # fmt: skip


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_a_server_on_this_machine_may_be_spoken_to_in_plain_text(host: str) -> None:
    content = "sources:\n" + source(f'host: "{host}"', "user: a", "password: {env: P}", "encryption: none")
    [account] = accounts_of(read(content), {"P": "x"})
    assert 143 == account.port


def test_any_other_has_to_be_wanted_aloud() -> None:
    told = ["password: {env: P}", "encryption: none"]
    what = "the password would cross the network to imap.example.org in plain text"
    mend = "write `encryption: tls` or `starttls`, or say aloud `unencrypted: true`"
    assert [f"b.yaml:4: {PLACE}: {what}; {mend}"] == problems(written(*told))
    assert [] == problems(written(*told, "unencrypted: true"))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], f"b.yaml:4: {PLACE}: a mailbox is opened by one of a password and a token; write either `password: {{env: NAME}}` or `token: {{file: PATH}}`"),
        (["password: {env: P}", "token: {env: T}"], f"b.yaml:4: {PLACE}: a mailbox is opened by one of a password and a token; write either `password: {{env: NAME}}` or `token: {{file: PATH}}`"),
        (["password: secret"], "b.yaml:7: `sources[0].email.imap.password`: a secret does not stand in the file; write {env: NAME} or {file: PATH}"),
        (["password: {env: P}", "unencrypted: true"], f"b.yaml:4: {PLACE}: `unencrypted: true` beside an encryption; take one of them out"),
        (["password: {env: P}", "encryption: starttls", "port: 993"], f"b.yaml:4: {PLACE}: port 993 is encrypted from the first byte on; write `encryption: tls`"),
        (["password: {env: P}", "encryption: none", "unencrypted: true", "ca_file: x"], f"b.yaml:4: {PLACE}: `ca_file` without an encryption; take it out"),
        (["password: {env: P}", "encryption: ssl"], "b.yaml:8: `sources[0].email.imap.encryption`: `ssl` is not known; use one of tls, starttls, none"),
        (["password: {env: P}", "folders: [A]", "move_to: A"], f"b.yaml:4: {PLACE}: `A` is read and moved to; move mails to a folder that is not read"),
        (["password: {env: P}", "folders: [A, B, A]"], f"b.yaml:4: {PLACE}: a folder is there twice; write each once"),
        (["password: {env: P}", "folders: ['A*']"], "b.yaml:8: `sources[0].email.imap.folders[0]`: this is no name of a folder; write it as the mail program shows it, such as INBOX"),
        (["password: {env: P}", "poll: 1s"], "b.yaml:8: `sources[0].email.imap.poll`: 1s is no interval to look at a mailbox; write from 5s to 20m"),
        (["password: {env: P}", "poll: 1h"], "b.yaml:8: `sources[0].email.imap.poll`: 1h is no interval to look at a mailbox; write from 5s to 20m"),
        (["password: {env: P}", "since: yesterday"], "b.yaml:8: `sources[0].email.imap.since`: `yesterday` is no date; write year, month and day, such as 2026-12-25"),
        (["password: {env: P}", "passwort: x"], "b.yaml:8: unknown key `passwort` in `sources[0].email.imap`; did you mean `password`?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_mend(lines: list[str], expected: str) -> None:
    assert [expected] == problems(written(*lines))


def test_a_server_is_a_name_and_no_address() -> None:
    content = "sources:\n" + source("host: imaps://imap.example.org:993", "user: a", "password: {env: P}")
    mend = "write imap.example.org, without a scheme and a port"
    assert [f"b.yaml:5: `sources[0].email.imap.host`: this is no name of a server; {mend}"] == problems(
        content
    )


def test_no_two_sources_read_one_folder() -> None:
    lines = ["host: Imap.example.org", "user: desk", "password: {env: P}"]
    content = "sources:\n" + source(*lines) + source(*lines, "folders: [inbox]", name="shop")
    assert [
        "b.yaml:14: the folder `desk/imap.example.org:993/INBOX` is there twice; rename or remove one of them"
    ] == problems(content)


def test_a_secret_that_is_missing_stops_the_start_and_names_the_source() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"source `desk`: the environment variable P is empty"):
        accounts_of(read(written("password: {env: P}")), {})


def test_a_token_is_read_anew_each_time(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    [account] = accounts_of(read(written(f"token: {{file: {tmp_path}/token}}")), {})
    assert "first" == account.secret()
    (tmp_path / "token").write_text("second\n")
    assert "second" == account.secret()
