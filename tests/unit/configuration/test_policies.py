"""SLA policies in the file: what they come to, and what a person sees who wrote something wrong."""

from __future__ import annotations

from typing import Any

import pytest

from shared.configuration.default_policies import DEFAULT_POLICIES
from shared.configuration.facts import DOCUMENT_BYTES_MAX, canonical, facts_document
from shared.configuration.loader import editor_schema, load, read
from shared.configuration.policies import MatchField
from shared.contracts.tickets import Channel
from tests.unit.configuration.reading import problems

DESK = """\
calendars:
  desk: {timezone: Europe/Berlin, weekly: {mon: [["09:00", "12:00"], ["13:00", "17:00"]], tue: [["09:00", "11:00"]]}}
"""


def published(content: str) -> dict[str, Any]:
    found: dict[str, Any] = facts_document(read(content))["sla"]
    return found


def clock_of(content: str, clock: str = "resolution") -> dict[str, Any]:
    found: dict[str, Any] = published(content)["versions"][0]["policies"][0]["clocks"][clock]
    return found


def policy(rest: str, name: str = "a") -> str:
    """Return a policy whose keys begin on the line after its name."""
    return f"    - name: {name}\n" + "".join(f"      {line}\n" for line in rest.strip().splitlines())


def sla(*policies: str, before: str = "") -> str:
    """Return a file; the name of the first policy is on line 3 of what follows `before`."""
    return f"{before}sla:\n  policies:\n{''.join(policies)}"


RESOLUTION = "clocks: {resolution: {target: 4h}}"


def test_a_policy_is_published_whole_with_its_defaults_in_seconds() -> None:
    content = sla(policy(f"match: {{queue: billing, tags: [vip, gold]}}\n{RESOLUTION}"))
    assert {
        "versions": [
            {
                "effective_from": None,
                "apply": "new",
                "policies": [
                    {
                        "name": "a",
                        "match": {"queue": ["billing"], "tags": ["gold", "vip"]},
                        "calendar": "24x7",
                        "reopen_window": 259_200,
                        "min_notice": 900,
                        "max_pause": None,
                        "clocks": {
                            "resolution": {
                                "targets": {"default": 14_400},
                                "warn": [{"share": 0.8}],
                                "pauses": ["customer"],
                                "business": True,
                            }
                        },
                    }
                ],
            }
        ],
        "attention": {
            "stuck_after": 259_200,
            "stale_after": 604_800,
            "bounces": 3,
            "close_after": 1_209_600,
            "escalate": True,
        },
    } == published(content)


def test_each_clock_has_its_usual_pauses() -> None:
    clocks = ("first_response", "next_response", "update", "resolution", "team")
    inner = ", ".join(f"{clock}: {{target: 4h}}" for clock in clocks)
    (version,) = published(sla(policy(f"clocks: {{{inner}}}")))["versions"]
    assert {
        "first_response": [],
        "next_response": [],
        "update": ["customer"],
        "resolution": ["customer"],
        "team": ["customer"],
    } == {clock: one["pauses"] for clock, one in version["policies"][0]["clocks"].items()}


def test_a_clock_may_say_everything_otherwise() -> None:
    content = sla(
        policy(
            """
warn: [50%]
clocks:
  resolution: {target: {p1: 90s, default: 2d}, warn: [75.5%, 30s], pauses: [vendor, customer], time: wall}
"""
        )
    )
    assert {
        "targets": {"p1": 90, "default": 172_800},
        "warn": [{"share": 0.755}, {"left": 30}],
        "pauses": ["customer", "vendor"],
        "business": False,
    } == clock_of(content)


def test_no_warnings_and_no_pauses_can_be_asked_for() -> None:
    found = clock_of(sla(policy("clocks: {resolution: {target: 4h, warn: [], pauses: []}}")))
    assert ([], []) == (found["warn"], found["pauses"])


def test_a_business_day_is_the_longest_open_day_of_the_calendar() -> None:
    content = sla(policy("calendar: desk\nclocks: {resolution: {target: 2bd}}"), before=DESK)
    assert {"default": 2 * 7 * 3_600} == clock_of(content)["targets"]


def test_a_business_day_is_what_the_calendar_says_it_is() -> None:
    before = DESK.replace("timezone:", "day: 8h, timezone:")
    content = sla(
        policy("calendar: desk\nclocks: {resolution: {target: {p1: 1bd, default: 1d}}}"), before=before
    )
    assert {"p1": 8 * 3_600, "default": 86_400} == clock_of(content)["targets"]


def test_a_business_day_is_that_of_the_hours_in_force_when_the_policies_begin() -> None:
    later = DESK.replace("}}", "}, versions: [{effective_from: 2027-01-01T00:00:00Z, day: 6h}]}")
    days = policy("calendar: desk\nclocks: {resolution: {target: 1bd}}")
    versions = "  versions:\n" + "".join(
        f"    - {{effective_from: {at}, policies: [{{name: a, calendar: desk, clocks: {{team: {{target: 1bd}}}}}}]}}\n"
        for at in ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z")
    )
    found = published(sla(days, before=later) + versions)["versions"]
    assert [7 * 3_600, 7 * 3_600, 6 * 3_600] == [
        one["policies"][0]["clocks"][clock]["targets"]["default"]
        for one, clock in zip(found, ("resolution", "team", "team"), strict=True)
    ]


def test_versions_are_published_in_utc_with_whom_they_reach() -> None:
    version = '{effective_from: "2027-01-01T00:00:00+01:00", apply: running, policies: []}'
    first, second = published(f"sla: {{versions: [{version}]}}")["versions"]
    assert (None, "new", len(DEFAULT_POLICIES)) == (
        first["effective_from"],
        first["apply"],
        len(first["policies"]),
    )
    assert {"effective_from": "2026-12-31T23:00:00Z", "apply": "running", "policies": []} == second


def test_without_a_file_every_channel_has_promises_round_the_clock() -> None:
    versions = facts_document(load(None))["sla"]["versions"]
    (policies,) = (one["policies"] for one in versions)
    assert {"24x7"} == {one["calendar"] for one in policies}
    assert {one.value for one in Channel} - {"api"} == {
        channel for one in policies for channel in one["match"].get("channel", ())
    }
    # Where no channel is shown, messages often are not either: no first response is promised.
    assert ({}, ["next_response", "resolution"]) == (
        policies[-1]["match"],
        list(policies[-1]["clocks"]),
    )


def test_the_sooner_a_channel_is_read_the_shorter_is_its_default_promise() -> None:
    first = {
        one["match"]["channel"][0]: one["clocks"]["first_response"]["targets"]["default"]
        for one in facts_document(load(None))["sla"]["versions"][0]["policies"]
        if "channel" in one["match"]
    }
    assert ["phone", "chat", "messaging", "social", "email"] == sorted(first, key=lambda name: first[name])
    assert first["phone"] <= 60 < first["chat"] <= 300
    assert first["email"] >= 3_600


def test_the_default_policies_are_sound() -> None:
    assert [] == problems("sla: {}")


def test_no_policies_can_be_asked_for() -> None:
    assert [] == published("sla: {policies: []}")["versions"][0]["policies"]


def test_the_order_of_work_states_nothing_and_is_not_published() -> None:
    ordered = "sla: {worklist: {moscow: false, weights: {vip: 3, age: 0.5}}}"
    assert facts_document(read("")) == facts_document(read(ordered))
    weights = read(ordered).sla.worklist.weights
    assert weights is not None
    assert (3.0, 0.5, 0.0) == (weights.vip, weights.age, weights.emergency)


WRONG = [
    (
        policy("match: {priority: p9}\n" + RESOLUTION),
        ("b.yaml:4: policy `a` can never match: `p9` is no priority; use one of p1, p2, p3, p4"),
    ),
    (
        policy("match: {channel: [email, fone]}\n" + RESOLUTION),
        "b.yaml:4: policy `a` can never match: `fone` is no channel; did you mean `phone`?",
    ),
    (
        policy("match: {kind: projct}\n" + RESOLUTION),
        "b.yaml:4: policy `a` can never match: `projct` is no kind; did you mean `project`?",
    ),
    (
        policy("match: {tenant: shop}\n" + RESOLUTION),
        "b.yaml:4: policy `a` can never match: `shop` is no tenant; use one of default",
    ),
    (
        policy("match: {queue: []}\n" + RESOLUTION),
        "b.yaml:4: `sla.policies[0].match.queue`: Tuple should have at least 1 item after validation, not 0; add one",
    ),
    (
        policy("match: {prioritie: p1}\n" + RESOLUTION),
        "b.yaml:4: `sla.policies[0].match.prioritie`: `prioritie` is not known; did you mean `priority`?",
    ),
    (
        policy(RESOLUTION) + policy("match: {queue: x}\n" + RESOLUTION, "b"),
        (
            "b.yaml:5: policy `b` can never match: `a` before it takes every ticket it asks for; "
            "move it up, narrow the other, or take it out"
        ),
    ),
    (
        policy("match: {priority: [p1, p2]}\n" + RESOLUTION)
        + policy("match: {priority: [p3, p4]}\n" + RESOLUTION, "b")
        + policy("match: {priority: [p2, p3], queue: [x, y]}\n" + RESOLUTION, "c"),
        (
            "b.yaml:9: policy `c` can never match: `a`, `b` before it take every ticket it asks for; "
            "move it up, narrow the other, or take it out"
        ),
    ),
    (
        policy("match: {queue: x}\n" + RESOLUTION) + policy(RESOLUTION),
        "b.yaml:6: policy `a` is there twice; rename or remove one",
    ),
    (
        policy("calendar: dsk\n" + RESOLUTION),
        "b.yaml:4: policy `a`: the calendar `dsk` is not configured; use one of 24x7",
    ),
    (
        policy("clocks: {}"),
        (
            "b.yaml:4: `sla.policies[0].clocks`: a policy without clocks promises nothing; add a clock, such "
            "as `first_response: {target: 4h}`, or take the policy out"
        ),
    ),
    (
        policy("clocks: {reslution: {target: 4h}}"),
        "b.yaml:4: `sla.policies[0].clocks.reslution`: `reslution` is not known; did you mean `resolution`?",
    ),
    (
        policy("clocks: {resolution: {target: {p1: 0s, default: 4h}}}"),
        (
            "b.yaml:4: `sla.policies[0].clocks.resolution.target.p1`: a target of `0s` is broken as soon as "
            "it begins; write at least 1s"
        ),
    ),
    (
        policy("clocks: {resolution: {target: 0bd}}"),
        (
            "b.yaml:4: `sla.policies[0].clocks.resolution.target.default`: a target of `0bd` is broken as "
            "soon as it begins; write at least 1s"
        ),
    ),
    (
        policy("clocks: {resolution: {target: -4h}}"),
        (
            "b.yaml:4: `sla.policies[0].clocks.resolution.target.default`: `-4h` lies before it begins; "
            "write a target of at least 1s"
        ),
    ),
    (
        policy("clocks: {resolution: {target: 367d}}"),
        (
            "b.yaml:4: `sla.policies[0].clocks.resolution.target.default`: `367d` is longer than 366d of "
            "counted time; write a shorter target"
        ),
    ),
    (
        policy("clocks: {resolution: {target: {p5: 4h}}}"),
        (
            "b.yaml:4: `sla.policies[0].clocks.resolution.target.p5`: `p5` is no priority; "
            "use one of p1, p2, p3, p4, default"
        ),
    ),
    (
        policy("clocks: {resolution: {target: 12}}"),
        (
            "b.yaml:4: `sla.policies[0].clocks.resolution.target.default`: `12` is no span of time; "
            "write a number and a unit, such as 90s, 10m, 24h or 7d"
        ),
    ),
    (
        policy("clocks: {resolution: {target: 1bd}}"),
        (
            "b.yaml:4: policy `a`, resolution: 1bd is a business day, but the promise counts around the "
            "clock; write 1d for 24 hours, or name a `calendar:` with hours in `a`"
        ),
    ),
    (
        policy("clocks: {resolution: {target: 4h, pauses: [internal]}}"),
        (
            "b.yaml:4: `sla.policies[0].clocks.resolution.pauses[0]`: waiting for somebody inside never "
            "pauses a promise; take `internal` out; customer, vendor and scheduled may pause"
        ),
    ),
    (
        policy("clocks: {resolution: {target: 4h, time: wal}}"),
        "b.yaml:4: `sla.policies[0].clocks.resolution.time`: `wal` is not known; did you mean `wall`?",
    ),
    (
        policy("warn: [0%]\n" + RESOLUTION),
        (
            "b.yaml:4: `sla.policies[0].warn[0]`: a warning at `0%` comes with the start or the breach "
            "itself; write a share between 0% and 100%, such as 80%"
        ),
    ),
    (
        policy("warn:\n- 80%\n- 100%\n" + RESOLUTION),
        (
            "b.yaml:6: `sla.policies[0].warn[1]`: a warning at `100%` comes with the start or the breach "
            "itself; write a share between 0% and 100%, such as 80%"
        ),
    ),
    (
        policy("warn: [soon]\n" + RESOLUTION),
        (
            "b.yaml:4: `sla.policies[0].warn[0]`: `soon` is no stage of warning; write the share used, such "
            "as 80%, or the time left, such as 30m"
        ),
    ),
    (
        policy("warn: [0m]\n" + RESOLUTION),
        (
            "b.yaml:4: `sla.policies[0].warn[0]`: a warning with no time left is the breach itself; "
            "write the time left, such as 30m"
        ),
    ),
    (
        policy("warn: [80%, 80%]\n" + RESOLUTION),
        "b.yaml:4: policy `a` warns twice at 80%; take one out",
    ),
    (
        policy("clocks:\n  resolution: {target: {p1: 30m, default: 4h}, warn: [30m]}"),
        (
            "b.yaml:5: policy `a` warns of resolution when 30m is left, but the target is 30m; write less, "
            "or a share such as 80%, or `warn:` beside that target"
        ),
    ),
    (
        policy("max_pause: 0s\n" + RESOLUTION),
        "b.yaml:4: `sla.policies[0].max_pause`: Input should be greater than 0; write more than that",
    ),
]


@pytest.mark.parametrize(("policies", "expected"), WRONG)
def test_what_is_wrong_with_a_policy_is_told_with_line_and_mend(policies: str, expected: str) -> None:
    assert [expected] == problems(sla(policies))


def test_a_business_day_needs_business_time() -> None:
    content = sla(policy("calendar: desk\nclocks: {resolution: {target: 1bd, time: wall}}"), before=DESK)
    assert [
        (
            "b.yaml:7: policy `a`, resolution: 1bd is a business day, but the promise counts around the clock; "
            "write 1d for 24 hours, or take `time: wall` out"
        )
    ] == problems(content)


def test_so_many_business_days_that_they_are_too_long_are_refused() -> None:
    before = DESK.replace("timezone:", "day: 24h, timezone:")
    content = sla(policy("calendar: desk\nclocks: {resolution: {target: 400bd}}"), before=before)
    assert [
        (
            "b.yaml:7: policy `a`, resolution: 400bd comes to 400d of open time; "
            "write up to 366d, or set the calendar's `day:`"
        )
    ] == problems(content)


def test_versions_of_policies_ascend() -> None:
    at = "{effective_from: 2027-01-01T00:00:00Z, policies: []}"
    assert [
        (
            "b.yaml:4: the policies: this version does not begin after the one before it; "
            "write the versions from old to new, each with its own `effective_from`"
        )
    ] == problems(f"sla:\n  versions:\n    - {at}\n    - {at}\n")


def test_the_instant_of_a_version_has_an_offset() -> None:
    (told,) = problems("sla:\n  versions:\n    - {effective_from: 2027-01-01T00:00:00, policies: []}\n")
    assert told.startswith("b.yaml:3: `sla.versions[0].effective_from`: `2027-01-01T00:00:00` has no offset")


def test_a_policy_that_is_partly_taken_still_matches() -> None:
    one = policy("match: {priority: [p1, p2], queue: x}\n" + RESOLUTION)
    other = policy("match: {priority: [p1, p3]}\n" + RESOLUTION, "b")
    assert [] == problems(sla(one, other))


def test_a_policy_for_tickets_without_a_priority_is_reached_behind_all_priorities() -> None:
    every = policy("match: {priority: [p1, p2, p3, p4]}\n" + RESOLUTION)
    assert [] == problems(sla(every, policy(RESOLUTION, "b")))


def test_a_phone_that_is_answered_live_may_be_promised_in_a_second() -> None:
    assert [] == problems(sla(policy("clocks: {first_response: {target: 1s}}")))


def test_more_than_a_version_can_carry_is_refused() -> None:
    versions = "".join(
        f"      - {{effective_from: {2030 + number // 12}-{number % 12 + 1:02}-01T00:00:00Z, timezone: UTC}}\n"
        for number in range(60)
    )
    calendars = "".join(
        f'  c{number}:\n    timezone: UTC\n    weekly: {{mon: [["09:00", "17:00"]]}}\n'
        f"    holidays: [{{country: DE, region: BY}}]\n    versions:\n{versions}"
        for number in range(10)
    )
    (told,) = problems(f"calendars:\n{calendars}")
    assert told.startswith("b.yaml:1: calendars, policies, age and sources come to ")
    assert f"more than {DOCUMENT_BYTES_MAX}; take out old versions" in told


def test_a_calendar_with_the_holidays_of_a_country_takes_some_five_kilobytes() -> None:
    content = (
        'calendars: {d: {timezone: UTC, weekly: {mon: [["09:00", "17:00"]]}, holidays: [{country: DE}]}}'
    )
    assert len(canonical(facts_document(read(content)))) - len(canonical(facts_document(read("")))) < 8_000


def test_editors_know_the_new_sections() -> None:
    definitions = editor_schema()["$defs"]
    assert {"timezone", "weekly", "holidays", "overrides", "day", "versions"} == set(
        definitions["Calendar"]["properties"]
    )
    assert {one.value for one in MatchField} == set(
        definitions["Policy"]["properties"]["match"]["properties"]
    )
    one, by_priority = definitions["Promise"]["properties"]["target"]["anyOf"]
    assert ("string", "object") == (one["type"], by_priority["type"])
