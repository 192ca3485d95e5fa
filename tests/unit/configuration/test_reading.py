"""What a person sees who wrote something wrong, and what the file comes to when it is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.configuration import models
from shared.configuration.loader import editor_schema, load, read, read_secret
from shared.configuration.models import Configuration, Measure
from shared.configuration.problems import ConfigurationInvalid
from shared.configuration.secrets import SecretReference
from shared.configuration.values import ShownStatus
from shared.contracts.tickets import Priority, Status, WaitReason
from tests.unit.configuration.reading import problems

SHA256 = "0123456789abcdef" * 4


def test_without_a_file_there_are_useful_defaults() -> None:
    configuration = load(None)
    assert ["default"] == [tenant.name for tenant in configuration.tenants]
    assert (86_400, 172_800, 259_200, 604_800, 2_592_000) == configuration.age.edges_seconds
    assert not configuration.has_keys


def test_an_empty_file_says_the_same_as_no_file() -> None:
    assert load(None) == read("")
    assert load(None) == read("# nothing yet\n")


def test_a_full_file_is_read_with_spans_in_seconds() -> None:
    configuration = read(
        f"""
        tenants:
          - name: default
            keys: [{{name: ops, sha256: {SHA256}, scopes: [read, admin]}}]
        sources:
          - name: zd
            status: {{map: {{Pending: waiting/customer, No: new}}, default: waiting}}
            priority: {{map: {{urgent: p1}}, default: p3}}
        age: {{edges: [4h, 1d], buckets: [4h], from: episode}}
        rules:
          - {{name: Old, measure: oldest_age, by: queue, where: {{priority: p1}}, above: 72h, for: 10m}}
        receivers: [{{name: chat, webhook: {{url: "https://chat.example/hook", secret: {{env: HOOK}}}}}}]
        routes: [{{receiver: chat, match: {{rule: Old, queue: billing}}}}]
        """
    )
    source = configuration.source("default", "zd")
    assert source is not None
    assert ShownStatus(Status.WAITING, WaitReason.CUSTOMER) == source.status.map["Pending"]
    assert ShownStatus(Status.WAITING, WaitReason.INTERNAL) == source.status.default
    assert ShownStatus(Status.NEW) == source.status.map["No"]
    assert Priority.P1 == source.priority.map["urgent"]
    assert (14_400, 86_400) == configuration.age.edges_seconds
    rule = configuration.rules[0]
    assert (Measure.OLDEST_AGE, 259_200.0, 600) == (rule.measure, rule.threshold, rule.for_seconds)
    assert ("p1",) == rule.where[models.Dimension.PRIORITY]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("rulez: []", "b.yaml:1: unknown key `rulez` in the file; did you mean `rules`?"),
        ("board: {}", "b.yaml:1: the section `board` is not available yet; take it out"),
        (
            "rules:\n- name: r\n  measure: open\n  above: 3\n  severity: warnin\n",
            "b.yaml:5: `rules[0].severity`: `warnin` is not known; did you mean `warning`?",
        ),
        (
            "rules:\n- name: r\n  measure: open\n",
            "b.yaml:2: `rules[0]`: rule `r` needs one threshold; give it either `above` or `below`",
        ),
        (
            "sources:\n- name: a\n  status:\n    map:\n      Open: waiting/custmer\n",
            (
                "b.yaml:5: `sources[0].status.map.Open`: `waiting/custmer` is no status; did you mean "
                "`waiting/customer`?"
            ),
        ),
        (
            "age:\n  edges: [24h, soon]\n  buckets: [24h]\n",
            (
                "b.yaml:2: `age.edges[1]`: `soon` is no span of time; "
                "write a number and a unit, such as 90s, 10m, 24h or 7d"
            ),
        ),
        ("age:\n  edges: [72h, 24h]", None),
        (
            "tenants: []",
            "b.yaml:1: `tenants`: Tuple should have at least 1 item after validation, not 0; add one",
        ),
        ("tenants: [{name: a/b}]", None),
        ("receivers: [{name: a, webhook: {url: 'https://u:p@host/'}}]", None),
        ("receivers: [{name: a, webhook: {url: 'file:///etc/passwd'}}]", None),
        ("receivers: [{name: a, webhook: {url: 'https://h/', secret: hunter2}}]", None),
        (f"sources: [{{name: a, keys: [{{name: k, sha256: {SHA256}, scopes: [admin]}}]}}]", None),
        ("rules: [{name: r, measure: open, above: 72h}]", None),
        ("rules: [{name: r, measure: open, above: true}]", None),
        ("rules: [{name: r, measure: open, above: 1, below: 2}]", None),
    ],
)
def test_a_wrong_shape_is_told_with_line_and_mend(content: str, expected: str | None) -> None:
    told = problems(content)
    assert len(told) == 1
    if expected:
        assert expected == told[0]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("tenants: [{name: a}, {name: a}]\nsources: []", "tenant `a` is there twice"),
        ("sources:\n- name: a\n- name: a", "b.yaml:3: source `default/a` is there twice"),
        ("sources:\n- name: a\n  tenant: defalt", "b.yaml:3: source `a` belongs to tenant `defalt`"),
        ("age: {edges: [24h]}", "the bucket 72h is none of the age edges (24h)"),
        ("rules: [{name: r, measure: older_than, edge: 36h, above: 1}]", "36h is none of the age edges"),
        ("rules: [{name: r, measure: older_than, above: 1}]", "older than what?"),
        ("rules: [{name: r, measure: open, edge: 24h, above: 1}]", "`edge` belongs to older_than"),
        ("rules: [{name: r, measure: open, above: 5, clear: 6}]", "`clear` lies above `above`"),
        ("rules: [{name: r, measure: open, below: 5, clear: 4}]", "`clear` lies below `below`"),
        ("rules: [{name: r, measure: open, above: 5, where: {priority: [p1, p9]}}]", "`p9` is no priority"),
        ("rules: [{name: r, measure: open, above: 5, by: [category, priority]}]", "not counted together"),
        ("rules: [{name: r, measure: waiting, above: 5, by: assignee}]", "assignee, waiting are not counted"),
        ("rules: [{name: r, measure: open, above: 2.5}]", "2.5 tickets cannot be counted"),
        (
            "rules: [{name: r, measure: open, above: 5, by: [queue, queue]}]",
            "dimension `queue` is there twice",
        ),
        ("routes: [{receiver: x}]", "the receiver `x` is not configured; add it to `receivers`"),
    ],
)
def test_what_sections_say_about_each_other_is_checked(content: str, part: str) -> None:
    assert part in "\n".join(problems(content))


def test_broken_promises_and_those_about_to_be_can_be_watched() -> None:
    content = (
        "rules: [{name: a, measure: past_sla, by: queue, above: 0}, {name: b, measure: at_risk, above: 9}]"
    )
    assert [Measure.PAST_SLA, Measure.AT_RISK] == [rule.measure for rule in read(content).rules]


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    told = problems("age: {frm: created}\nrules:\n- {name: r, measure: opn, above: 1}\nboard: {}\n")
    assert [1, 3, 4] == [int(line.split(":")[1]) for line in told]


def test_one_key_for_two_holders_is_refused() -> None:
    key = f"{{name: k, sha256: {SHA256}"
    content = f"tenants: [{{name: default, keys: [{key}, scopes: [read]}}]}}]\nsources: [{{name: a, keys: [{key}}}]}}]"
    assert "is there twice" in problems(content)[0]


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Configuration().age = models.Age()


def test_editors_get_a_schema_with_the_names_of_the_file() -> None:
    schema = editor_schema()
    assert {
        "tenants", "sources", "calendars", "sla", "age", "personal_data", "retention", "rules", "receivers", "routes",
    } == set(schema["properties"])  # fmt: skip
    assert {"edges", "buckets", "from"} == set(schema["$defs"]["Age"]["properties"])


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    kept = tmp_path / "secret"
    kept.write_text("whsec_x\n")
    assert read_secret(SecretReference(file=str(kept)), {}) == "whsec_x"
    assert read_secret(SecretReference(env="HOOK"), {"HOOK": "y"}) == "y"
    with pytest.raises(ConfigurationInvalid, match="HOOK is empty or not set"):
        read_secret(SecretReference(env="HOOK"), {})


HOOK = "webhook: {secret: {env: HOOK}}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{name: a, kind: github}", "nothing proves that a request for `a` comes from github"),
        ("{name: a, kind: github, webhook: {}}", "or say aloud `unsigned: true`"),
        ("{name: a, kind: github, webhook: {unsigned: true, secret: {env: S}}}", "`unsigned: true` beside"),
        ("{name: a, kind: github, webhook: {secret: {env: S}, secrets: [{env: T}]}}", "given twice"),
        ("{name: a, kind: github, webhook: {secrets: [" + ", ".join(["{env: A}"] * 17) + "]}}", "at most 16"),
        ("{name: a, kind: github, webhook: {basic: {user: 'a:b', password: {env: P}}}}", "basic.user"),
        ("{name: a, kind: github, webhook: {secret: hush}}", "secret`: a secret does not stand in the file"),
        ("{name: a, kind: github, webhook: {secret: {env: S}, url: tickets.example}}", "no web address"),
        ("{name: a, " + HOOK + "}", "add `kind:`"),
        ("{name: a, kind: githup, " + HOOK + "}", "did you mean `github`?"),
    ],
)
def test_a_source_that_a_vendor_calls_says_what_proves_it(source: str, message: str) -> None:
    (problem,) = problems(f"sources:\n  - {source}")
    assert problem.startswith("b.yaml:2: ")
    assert message in problem


def test_two_sources_that_vendors_call_have_two_addresses() -> None:
    one, other = (f"{{name: desk, tenant: {tenant}, kind: github, {HOOK}}}" for tenant in ("a", "b"))
    (problem,) = problems(f"tenants: [{{name: a}}, {{name: b}}]\nsources:\n  - {one}\n  - {other}")
    assert problem.startswith("b.yaml:4: the address /v1/webhooks/NAME of `desk` is there twice")


def test_a_missing_file_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="cannot be read"):
        load(tmp_path / "absent.yaml")
