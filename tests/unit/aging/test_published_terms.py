"""What aging makes of calendars and policies as they are published."""

from __future__ import annotations

from datetime import UTC, datetime

from services.aging.core.policy import Policy, Promise, Stage
from services.aging.core.terms import Attention
from services.aging.settings import attention_of, calendars_of, policies_of
from shared.configuration.facts import facts_document
from shared.configuration.loader import read
from shared.contracts.instants import SECOND_US, to_us

NEW_YEAR_US = to_us(datetime(2027, 1, 1, tzinfo=UTC))


def test_a_policy_is_taken_over_whole_in_microseconds() -> None:
    document = facts_document(
        read(
            """
            sla:
              policies:
                - name: gold
                  match: {segment: gold, tags: [a, b]}
                  reopen_window: 1h
                  min_notice: 5m
                  max_pause: 2d
                  clocks:
                    resolution: {target: {p1: 4h, default: 8h}, warn: [75%, 30m], pauses: [vendor], time: wall}
            """
        )
    )
    (version,) = policies_of(document, "7")
    assert (0, False) == (version.effective_us, version.running)
    assert (
        Policy(
            name="gold",
            promises={
                "resolution": Promise(
                    targets_us={"p1": 14_400 * SECOND_US, "default": 28_800 * SECOND_US},
                    stages=(Stage(share=0.75), Stage(left_us=1_800 * SECOND_US)),
                    pauses=frozenset({"vendor"}),
                    business=False,
                )
            },
            match={"segment": frozenset({"gold"}), "tags": frozenset({"a", "b"})},
            reopen_window_us=3_600 * SECOND_US,
            min_notice_us=300 * SECOND_US,
            max_pause_us=172_800 * SECOND_US,
            label="gold@7",
        ),
    ) == version.policies


def test_policies_of_one_name_in_two_versions_have_labels_of_their_own() -> None:
    one = "{name: a, clocks: {team: {target: 4h}}}"
    later = f"{{effective_from: 2027-01-01T00:00:00Z, apply: running, policies: [{one}]}}"
    versions = policies_of(facts_document(read(f"sla: {{policies: [{one}], versions: [{later}]}}")), "7")
    assert [(0, False), (NEW_YEAR_US, True)] == [(each.effective_us, each.running) for each in versions]
    assert ["a@7", "a@7.1"] == [policy.label for each in versions for policy in each.policies]


def test_a_calendar_is_taken_over_with_its_versions() -> None:
    document = facts_document(
        read(
            """
            calendars:
              desk:
                timezone: UTC
                weekly: {mon: [[09:00, 17:00]]}
                versions:
                  - {effective_from: 2027-01-01T00:00:00Z, retroactive: Flood, weekly: {tue: [[09:00, 17:00]]}}
            """
        )
    )
    first, second = calendars_of(document)["desk"]
    assert (0, None) == (first.effective_us, first.retroactive)
    assert (NEW_YEAR_US, "Flood") == (second.effective_us, second.retroactive)
    monday_us = to_us(datetime(2026, 6, 1, tzinfo=UTC))
    day_us = 86_400 * SECOND_US
    assert 8 * 3_600 * SECOND_US == first.hours.elapsed(monday_us, monday_us + day_us)
    assert 0 == second.hours.elapsed(monday_us, monday_us + day_us)


def test_equal_hours_are_compiled_once() -> None:
    content = "calendars: {a: {timezone: UTC, weekly: {mon: [[09:00, 17:00]]}}}"
    one, other = (calendars_of(facts_document(read(content)))["a"][0] for _ in range(2))
    assert one.hours is other.hours


def test_attention_is_taken_over() -> None:
    written = "sla: {attention: {stuck_after: 1d, stale_after: 2d, bounces: 5, close_after: 3d}}"
    day_us = 86_400 * SECOND_US
    assert Attention(day_us, 2 * day_us, 5, 3 * day_us) == attention_of(facts_document(read(written)))
    assert Attention() == attention_of(facts_document(read("")))


def test_a_document_of_before_there_were_clocks_has_none() -> None:
    old = {"age": {"edges": [86_400], "buckets": [86_400], "from": "created"}, "sources": {}}
    assert ((), {}, Attention()) == (policies_of(old, "1"), calendars_of(old), attention_of(old))
