"""What a source may say of its pull, and what is refused with the line and the mend."""

from __future__ import annotations

from typing import Any

import pytest

from services.intake.settings.pull import pulled_of
from shared.configuration.loader import read
from shared.configuration.models import Configuration
from shared.configuration.problems import ConfigurationInvalid
from tests.unit.configuration.reading import problems

GITHUB = """\
sources:
  - name: tracker
    kind: github
    pull:
      token: {env: TOKEN}
      projects: [acme/support]
"""


def source(kind: str, *lines: str) -> str:
    head = f"sources:\n  - name: desk\n    kind: {kind}\n    pull:\n      token: {{env: TOKEN}}\n"
    return head + "".join(f"      {line}\n" for line in lines)


def test_a_pulled_source_needs_no_webhook() -> None:
    pull = read(GITHUB).sources[0].pull
    assert pull is not None
    assert (300, 120, 60, None) == (
        pull.interval_seconds,
        pull.settle_seconds,
        pull.overlap_seconds,
        pull.begin,
    )


@pytest.mark.parametrize(
    ("lines", "alone"),
    [("", True), ("    webhook: {secret: {env: TOKEN}}\n", False), ("    inbox: true\n", False)],
)
def test_whether_changes_come_by_the_pull_alone_is_told_by_what_else_is_taken(
    lines: str, alone: bool
) -> None:
    (pulled,) = pulled_of(read(GITHUB + lines), {"TOKEN": "s3cret"})
    assert alone is pulled.alone


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (6, "url: http://desk.example.com|without https anybody on the way reads the token; write https://"),
        (6, "url: https://desk.example.com?a=b|the address of an API ends before `?` and `#`; take the rest out"),
        (6, "url: https://me:secret@desk.example.com|an address must not hold credentials; use `secret: {env: NAME}`"),
        (6, "interval: 5s|vendors limit how often they are asked; write at least 10s"),
        (6, "settle: 0s|an instant that is not over cannot be read; write at least 5s"),
        (6, "query: updated > 0 ORDER BY key|the order is ours: the list is read by the time of the last change; take ORDER BY out"),
        (6, "from: yesterday|`yesterday` is no instant; write an instant such as 2026-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_a_member_that_cannot_be_is_refused(line: int, what: str) -> None:
    written, _, expected = what.partition("|")
    name = written.partition(":")[0]
    assert [f"b.yaml:{line}: `sources[0].pull.{name}`: {expected}"] == problems(source("jira", written))


def test_plain_http_is_for_loopback_only() -> None:
    for url in ("http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost"):
        assert [] == problems(source("zendesk", f"url: {url}"))


@pytest.mark.parametrize(
    ("kind", "lines", "expected"),
    [
        ("github", (), "4: source `desk`: of which projects are issues to be read?; add `projects: [owner/name]`"),
        ("gitlab", (), "4: source `desk`: of which projects are issues to be read?; add `projects: [group/name]`"),
        ("github", ("projects: [acme]",), "6: `acme` is no project of github; write owner/name"),
        ("github", ("projects: [a/b/c]",), "6: `a/b/c` is no project of github; write owner/name"),
        ("gitlab", ("projects: [acme]",), "6: `acme` is no project of gitlab; write its path, group/name"),
        ("jira", ("url: https://a.atlassian.net", "projects: [a/b]"),
         "7: `a/b` is no project of jira; write its key, such as SUP"),
        ("github", ("projects: [a/b, A/B]",), "6: the project `A/B` is there twice; take one of them out"),
        ("jira", (), "4: source `desk`: where does jira answer?; add `url: https://ACCOUNT.atlassian.net`"),
        ("zendesk", (), "4: source `desk`: where does zendesk answer?; add `url: https://ACCOUNT.zendesk.com`"),
        ("zendesk", ("url: https://a.zendesk.com", "projects: [x]"),
         "7: source `desk`: `projects` means nothing to zendesk; take it out"),
        ("github", ("projects: [a/b]", "query: x = y"), "7: source `desk`: `query` means nothing to github; take it out"),
        ("github", ("projects: [a/b]", "user: me"), "7: source `desk`: `user` means nothing to github; take it out"),
        ("gitlab", ("projects: [a/b]", "deployment: data_center"),
         "7: source `desk`: `deployment` means nothing to gitlab; take it out"),
    ],
)  # fmt: skip
def test_what_does_not_suit_the_kind_is_refused(kind: str, lines: tuple[str, ...], expected: str) -> None:
    assert [f"b.yaml:{expected}"] == problems(source(kind, *lines))


@pytest.mark.parametrize("kind", ["trello", "generic"])
def test_a_vendor_that_is_not_pulled_is_refused(kind: str) -> None:
    what = f"source `desk`: what changed cannot be read from {kind}"
    assert [f"b.yaml:4: {what}; pulled are github, gitlab, jira, zendesk; take `pull` out"] == problems(
        source(kind)
    )


@pytest.mark.parametrize("name", ["a b/c", "a//b", "../b", "a/b?c", 'a/"b'])
def test_a_name_that_would_change_the_address_is_refused(name: str) -> None:
    (problem,) = problems(source("github", f"projects: ['{name}']"))
    assert "is no name of a project; write it as the vendor shows it, such as owner/name" in problem


def test_a_token_in_the_file_is_refused_and_not_repeated() -> None:
    (problem,) = problems(GITHUB.replace("{env: TOKEN}", "ghp_secret"))
    assert "b.yaml:5: `sources[0].pull.token`: a secret does not stand in the file" in problem
    assert "ghp_secret" not in problem


def test_a_token_that_is_not_there_is_told_by_the_sources_name() -> None:
    with pytest.raises(
        ConfigurationInvalid, match="source `tracker`: the environment variable TOKEN is empty"
    ):
        pulled_of(read(GITHUB), {})


@pytest.mark.parametrize(
    ("kind", "members", "url", "expected"),
    [
        ("github", {"projects": ["a/b"]}, "https://api.github.com", "Bearer s3cret"),
        ("gitlab", {"projects": ["a/b"]}, "https://gitlab.com", "Bearer s3cret"),
        ("zendesk", {"url": "https://a.zendesk.com/", "user": "me@a.example"}, "https://a.zendesk.com",
         "Basic bWVAYS5leGFtcGxlL3Rva2VuOnMzY3JldA=="),
        ("zendesk", {"url": "https://a.zendesk.com"}, "https://a.zendesk.com", "Bearer s3cret"),
        ("jira", {"url": "https://a.atlassian.net", "user": "me@a.example"}, "https://a.atlassian.net",
         "Basic bWVAYS5leGFtcGxlOnMzY3JldA=="),
    ],
)  # fmt: skip
def test_each_vendor_is_shown_who_asks_in_its_own_way(
    kind: str, members: dict[str, Any], url: str, expected: str
) -> None:
    one = {"name": "desk", "kind": kind, "pull": {"token": {"env": "TOKEN"}, **members}}
    (pulled,) = pulled_of(Configuration.model_validate({"sources": [one]}), {"TOKEN": "s3cret"})
    assert (url, {"authorization": expected}) == (pulled.url, pulled.credentials)
    assert "s3cret" not in repr(pulled)
