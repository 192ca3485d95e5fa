"""Clocks in business hours: what counts, around openings, holidays, clock changes, and edits of a calendar.

Rows "Calendar or holiday edited afterwards", "Holiday", "24x7 calendar" and "Created outside business hours".
"""

from __future__ import annotations

import pytest

from services.aging.core.terms import HoursVersion, Terms, reaches_back_us
from shared.calendars.hours import Hours
from tests.unit.aging.sla.agreed import (
    OFFICE,
    clock,
    hours,
    policy,
    promises,
    since,
    terms,
    us,
)
from tests.unit.aging.sla.story import (
    agent,
    opened,
    shows,
    solves,
    tell,
    waits,
    works,
)


def office(target: str, of: Hours = OFFICE, *, warn: str = "") -> Terms:
    """Return terms with one resolution in the hours of `of`."""
    return terms(policy(calendar="own", resolution=clock(target, warn=warn)), own=of)


def deadline(by: Terms, created: str) -> str | None:
    """Return the deadline of a ticket created then, which is also when it breaches."""
    told = tell(by, opened(created))
    found = told.deadline("resolution", f"{created} started")
    assert f"{found} breached" == told.of("resolution")[-1]
    return found


# ------------------------------------------------------------------------ created outside business hours
@pytest.mark.parametrize(
    ("created", "target", "expected"),
    [
        ("Fri 16:30", "1h", "Mon+1 09:30"),
        ("Mon 16:30", "1h", "Tue 09:30"),
        ("Sat 11:00", "30m", "Mon+1 09:30"),
        ("Mon 07:00", "8h", "Mon 17:00"),
        ("Mon 16:59:59", "1s", "Mon 17:00"),
        ("Mon 16:59:59", "2s", "Tue 09:00:01"),
        ("Mon 17:00", "1s", "Tue 09:00:01"),
    ],
)
def test_created_outside_business_hours_consumption_begins_at_the_next_opening(
    created: str, target: str, expected: str
) -> None:
    """Row "Created outside business hours"."""
    assert expected == deadline(office(target), created)


def test_the_true_start_is_kept_though_nothing_is_used_before_the_opening() -> None:
    """Row "Created outside business hours": true start time kept."""
    told = tell(office("1h"), opened("Sat 11:00"))
    assert "Sat 11:00 started" == told.of("resolution")[0]


def test_an_answer_before_the_opening_costs_nothing_and_is_met() -> None:
    """Row "Created outside business hours"."""
    told = tell(promises(calendar="office", first_response="1h"), opened("Sat 11:00"), agent("Sun 12:00"))
    assert ["Sat 11:00 started", "Sun 12:00 met"] == told.of("first_response")
    assert "0s" == told.used("first_response", "Sun 12:00 met")


def test_created_in_the_last_second_one_second_is_consumed() -> None:
    """Row "Created outside business hours"."""
    told = tell(promises(calendar="office", first_response="1h"), opened("Mon 16:59:59"), agent("Mon 20:00"))
    assert "1s" == told.used("first_response", "Mon 20:00 met")


def test_age_is_wall_clock_whatever_the_business_hours() -> None:
    """Row "Created outside business hours": buckets are wall clock."""
    told = tell(office("1h"), opened("Fri 16:30"))
    assert ["Sat 16:30 crossed"] == told.of("age.86400")


# ----------------------------------------------------------------------------------------------- holiday
def test_a_holiday_closes_its_local_date() -> None:
    """Row "Holiday": half-open local-date interval in the calendar's zone."""
    with_friday_off = hours(holidays=["2026-03-06"])
    assert "Mon+1 10:00" == deadline(office("2h", with_friday_off), "Thu 16:00")
    assert "Mon+1 11:00" == deadline(office("2h", with_friday_off), "Fri 12:00")


def test_a_holiday_is_a_date_of_the_calendars_zone_not_of_utc() -> None:
    """Row "Holiday"; section 3, item 17: imported holidays one day early west of UTC."""
    denver = hours("America/Denver", holidays=["2026-03-06"])  # Friday; open 17:00 to 01:00 of Berlin
    assert "Fri 00:30" == deadline(office("30m", denver), "Fri 00:00")
    assert "Mon+1 16:30" == deadline(office("30m", denver), "Fri 17:00")


def test_an_override_opens_a_part_of_a_day() -> None:
    """Row "Holiday": part-day allowed."""
    short_friday = hours(overrides={"2026-03-06": [["09:00", "12:00"]]})
    assert "Mon+1 10:00" == deadline(office("2h", short_friday), "Fri 11:00")


# ----------------------------------------------------------------------------------------- 24x7 calendar
@pytest.mark.parametrize(
    ("created", "expected"),
    [("2026-03-28 12:00", "2026-03-29 13:00"), ("2026-10-24 12:00", "2026-10-25 11:00")],
)
def test_a_day_of_24x7_is_86400_seconds_on_the_utc_line(created: str, expected: str) -> None:
    """Row "24x7 calendar": a DST day has 23 or 25 hours and counts so."""
    told = tell(promises(resolution="1d"), opened(created), until="2026-11-30 00:00")
    assert [f"{created} started", f"{expected} breached"] == told.of("resolution")


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-03-28 23:00", "2026-03-29 23:00"),  # 1 h of Saturday, 22 of the 23 h of Sunday
        ("2026-10-24 23:00", "2026-10-25 21:00"),  # 1 h of Saturday, 22 of the 25 h of Sunday
    ],
)
def test_a_calendar_open_all_day_is_open_23_or_25_hours_when_the_clocks_change(
    created: str, expected: str
) -> None:
    """Section 3, item 18: business minutes wrong across daylight saving."""
    whole_days = hours("Europe/Berlin", "mon tue wed thu fri sat sun", "00:00-24:00")
    told = tell(office("23h", whole_days), opened(created), until="2026-11-30 00:00")
    assert [f"{created} started", f"{expected} breached"] == told.of("resolution")


def test_office_hours_keep_their_local_time_when_the_clocks_change() -> None:
    """Section 3, item 18: zones instead of fixed offsets."""
    told = tell(office("2h"), opened("2026-03-27 16:00"), until="2026-04-30 00:00")
    assert ["2026-03-27 16:00 started", "2026-03-30 10:00 breached"] == told.of("resolution")


# ------------------------------------------------------------------------------------------ any windows
def test_lunch_breaks_split_shifts_and_sparse_weeks_count_as_they_are_written() -> None:
    """Section 3, item 19."""
    lunch = hours("Europe/Berlin", "mon tue wed thu fri", "09:00-12:30", "13:30-18:00")
    assert "Mon 14:00" == deadline(office("1h", lunch), "Mon 12:00")
    sparse = hours("Europe/Berlin", "thu", "09:00-10:00")
    assert "Thu+2 10:00" == deadline(office("2h", sparse), "Thu+1 08:00")


def test_a_night_shift_belongs_to_the_day_it_starts_on() -> None:
    """Section 3, item 19: windows over midnight included."""
    nights = hours("Europe/Berlin", "fri", "22:00-06:00")
    assert "Sat 01:00" == deadline(office("3h", nights), "Fri 12:00")
    assert "Fri+1 23:00" == deadline(office("9h", nights), "Fri 12:00")


# ---------------------------------------------------------------------------------------------- warnings
def test_warnings_come_in_open_hours_and_before_the_deadline() -> None:
    """Section 3, item 4: warnings at midnight, or at creation, because the offset was not of the calendar."""
    told = tell(office("8h", warn="50% 1h"), opened("Fri 15:00"))
    assert [
        "Fri 15:00 started",
        "Mon+1 11:00 warned (50%)",
        "Mon+1 14:00 warned (3600s)",
        "Mon+1 15:00 breached",
    ] == told.of("resolution")


def test_a_warning_that_would_be_due_at_once_comes_at_the_first_opening() -> None:
    """Section 3, item 4: more time left than the whole target has."""
    told = tell(office("1h", warn="2h"), opened("Sat 12:00"))
    assert [
        "Sat 12:00 started",
        "Mon+1 09:00 warned (7200s)",
        "Mon+1 10:00 breached",
    ] == told.of("resolution")


def test_a_change_at_night_that_reaches_a_stage_warns_at_the_next_opening() -> None:
    """Section 3, item 4: nobody is warned at midnight."""
    by = terms(policy(calendar="office", resolution=clock({"p1": "8h", "p3": "40h"}, warn="50%")))
    told = tell(by, opened("Mon 11:00", priority="p3"), shows("Mon 23:00", priority="p1"))
    assert [
        "Mon 11:00 started",
        "Mon 23:00 deadline_changed (priority_raised)",
        "Tue 09:00 warned (50%)",
        "Tue 11:00 breached",
    ] == told.of("resolution")


# ----------------------------------------------------------------------------------- edited afterwards
def test_openings_that_change_from_an_instant_on_move_the_deadline() -> None:
    """Row "Calendar or holiday edited afterwards": future openings."""
    longer = hours("Europe/Berlin", "mon tue wed thu fri", "09:00-20:00")
    by = terms(
        policy(calendar="own", resolution="16h"),
        own=(HoursVersion(0, OFFICE), HoursVersion(us("Tue 00:00"), longer)),
    )
    told = tell(by, opened("Mon 13:00"), shows("Tue 08:00", assignee="ann"))
    # 4 h on Monday, 11 h on Tuesday, 1 h on Wednesday.
    assert ["Mon 13:00 started", "Wed 10:00 breached"] == told.of("resolution")


def test_each_interval_is_measured_in_the_version_in_force_for_it() -> None:
    """Section 1, model: each interval is measured in the calendar version in force for it."""
    longer = hours("Europe/Berlin", "mon tue wed thu fri", "09:00-20:00")
    by = terms(
        policy(calendar="own", resolution=clock("40h", pauses="customer")),
        own=(HoursVersion(0, OFFICE), HoursVersion(us("Tue 00:00"), longer)),
    )
    told = tell(
        by, opened("Mon 16:00"), waits("Tue 10:00", "customer"), works("Tue 19:00"), solves("Wed 10:00")
    )
    # 1 h on Monday, 1 h on Tuesday morning, 1 h on Tuesday evening, 1 h on Wednesday.
    assert "4h" == told.used("resolution", "Wed 10:00 met")


def test_several_edits_of_a_day_are_kept_and_the_last_that_is_in_force_counts() -> None:
    """Row "Calendar or holiday edited afterwards": several edits a day are kept."""
    until_18 = hours("Europe/Berlin", "mon tue wed thu fri", "09:00-18:00")
    until_19 = hours("Europe/Berlin", "mon tue wed thu fri", "09:00-19:00")
    by = terms(
        policy(calendar="own", resolution="3h"),
        own=(
            HoursVersion(0, OFFICE),
            HoursVersion(us("Mon 10:00"), until_18),
            HoursVersion(us("Mon 11:00"), until_19),
        ),
    )
    assert "Mon 19:00" == deadline(by, "Mon 16:00")


def test_what_was_stated_before_an_edit_stays_and_the_time_to_come_follows_it() -> None:
    """Row "Calendar or holiday edited afterwards": an edit is spliced in at the instant it is applied."""
    former = terms(policy(calendar="own", resolution="8h"), own=OFFICE)
    later = terms(policy(calendar="own", resolution="8h"), own=hours(holidays=["2026-03-02", "2026-03-03"]))
    by = former.followed(later, us("Mon 15:00"), generation=1)
    told = tell(by, opened("Mon 11:00"), opened("Mon 09:00", of="desk:2"))
    # 4 h on Monday until 15:00 count though it is a holiday now; Tuesday is closed; 4 h on Wednesday.
    assert ["Mon 11:00 started", "Wed 13:00 breached"] == told.of("resolution")


def test_an_unplanned_holiday_reaches_back_only_with_a_reason() -> None:
    """Row "Calendar or holiday edited afterwards": a retroactive edit with a reason."""
    closed = hours(holidays=["2026-03-02"])
    former = terms(policy(calendar="own", resolution="2h"), own=OFFICE)
    silent = terms(policy(calendar="own", resolution="2h"), own=closed)
    said = terms(
        policy(calendar="own", resolution="2h"),
        own=(HoursVersion(0, OFFICE), HoursVersion(us("Mon 00:00"), closed, "2", "Power cut")),
    )
    assert (None, us("Mon 00:00")) == (
        reaches_back_us(former, silent, us("Tue 08:00")), reaches_back_us(former, said, us("Tue 08:00")),
    )  # fmt: skip
    told = tell(former.followed(silent, us("Tue 08:00"), generation=1), opened("Mon 09:00"))
    assert ["Mon 09:00 started", "Mon 11:00 breached"] == told.of("resolution")
    told = tell(former.followed(said, us("Tue 08:00"), generation=1), opened("Mon 09:00"))
    assert ["Mon 09:00 started", "Tue 11:00 breached"] == told.of("resolution")


def test_a_policy_in_wall_time_counts_every_second_whatever_its_calendar() -> None:
    """Section 3, item 5: one unit for target, elapsed and pause."""
    told = tell(
        promises(calendar="office", resolution=clock("8h", wall=True, pauses="customer")),
        opened("Fri 16:00"), waits("Fri 18:00", "customer"), works("Fri 20:00"),
    )  # fmt: skip
    assert "Sat 02:00 breached" == told.of("resolution")[-1]


def test_another_calendar_by_another_policy_keeps_what_is_used() -> None:
    """Section 3, item 1: a new policy reads the same timeline; what is used is open time."""
    told = tell(
        terms(policy("vip", {"segment": "vip"}, resolution="10h"), policy("rest", None, "office", resolution="10h")),
        opened("Mon 15:00"), shows("Tue 10:00", segment="vip"),
    )  # fmt: skip
    # 3 h of office time by Tuesday 10:00, 7 h of any time are left.
    assert "Tue 17:00 breached" == told.of("resolution")[-1]


def test_a_version_of_the_policies_may_change_the_calendar_of_running_instances() -> None:
    """Row "Policy edited mid-ticket", with another calendar."""
    told = tell(
        terms(
            policy(resolution="10h"),
            since("Mon 16:00", policy("support", None, "office", "2", resolution="10h"), running=True),
        ),
        opened("Mon 09:00"),
    )  # fmt: skip
    # 7 h by Monday 16:00; 1 h until 17:00; 2 h on Tuesday.
    assert "Tue 11:00 breached" == told.of("resolution")[-1]
