"""The text that Prometheus reads: right, valid, and only written anew where something changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from services.alerting.adapters.health import Health
from services.alerting.core.picture import TenantPicture, exposition
from shared.contracts.backlog import DURATION_BOUNDS_SECONDS, CellKind, ClockFlow
from shared.telemetry import exposed
from tests.unit.alerting.cells import HOUR_US, NOW_US, a_cell, a_flow

BUCKETS = (86_400, 259_200)


def text_of(*pictures: TenantPicture, now_us: int = NOW_US) -> str:
    return "".join(exposition(pictures, [now_us] * len(pictures)))


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    wanted = {f"{key}={text_}" for key, text_ in labels.items()}
    found = [number for key, number in samples(text).items() if key[0] == name and wanted <= set(key[1:])]
    assert found, (name, labels)
    return sum(found)


def a_picture(**limits: int) -> TenantPicture:
    return TenantPicture("default", BUCKETS, **limits)


def test_age_buckets_add_up_to_the_open_tickets() -> None:
    picture = a_picture()
    created = [NOW_US - hours * HOUR_US for hours in (1, 23, 24, 50, 72, 100)]
    picture.apply(a_cell(1, created_us=created))
    text = text_of(picture)
    assert 2 == value(text, "backlog_tickets", age_bucket="0-24h")
    assert 2 == value(text, "backlog_tickets", age_bucket="24-72h")
    assert 2 == value(text, "backlog_tickets", age_bucket="72h+")
    assert 6 == value(text, "backlog_tickets", tenant="default", queue="tier1", status="new", channel="email")
    assert 4 == value(text, "backlog_tickets_older_than", age="24h")
    assert min(created) / 1e6 == value(text, "backlog_oldest_ticket_created_timestamp_seconds")


def test_buckets_that_were_published_anew_cut_what_is_known_already() -> None:
    picture = a_picture()
    picture.apply(a_cell(1, created_us=[NOW_US - hours * HOUR_US for hours in (1, 30, 60, 100)]))
    text_of(picture)
    picture.cut((48 * 3_600,))
    text = text_of(picture)
    assert 2 == value(text, "backlog_tickets", age_bucket="0-48h")
    assert 2 == value(text, "backlog_tickets", age_bucket="48h+")
    assert "24-72h" not in text


def test_cells_of_several_aging_partitions_are_added_up() -> None:
    picture = a_picture()
    picture.apply(a_cell(1, partition=0, created_us=[NOW_US - HOUR_US], past_sla=1))
    picture.apply(a_cell(1, partition=1, created_us=[NOW_US - 3 * HOUR_US], past_sla=1, at_risk=2))
    text = text_of(picture)
    assert 2 == value(text, "backlog_tickets")
    assert 2 == value(text, "backlog_past_sla_tickets")
    assert 2 == value(text, "backlog_at_risk_tickets")
    assert 4 * 3_600 == value(text, "backlog_combined_ticket_age_seconds")
    assert 4 * 3_600 + 120 == value(
        text_of(picture, now_us=NOW_US + 60_000_000), "backlog_combined_ticket_age_seconds"
    )


def test_a_cell_that_is_not_newer_is_ignored() -> None:
    picture = a_picture()
    picture.apply(a_cell(2, epoch=2, created_us=[NOW_US]))
    picture.apply(a_cell(2, epoch=2, created_us=[NOW_US, NOW_US]))
    picture.apply(a_cell(9, epoch=1, created_us=[NOW_US] * 3))
    assert 1 == value(text_of(picture), "backlog_tickets")


def test_an_emptied_group_stays_at_zero_without_an_oldest_ticket() -> None:
    picture = a_picture()
    picture.apply(a_cell(1, created_us=[NOW_US]))
    text_of(picture)
    picture.apply(a_cell(2))
    text = text_of(picture)
    assert 0 == value(text, "backlog_tickets")
    assert 0 == value(text, "backlog_combined_ticket_age_seconds")
    assert not [key for key in samples(text) if key[0].startswith("backlog_oldest")]


def test_flows_count_up_and_explain_the_stock() -> None:
    picture = a_picture()
    picture.apply(a_cell(1, created_us=[NOW_US] * 3))
    picture.apply_flow(
        a_flow(1, opened=4, reopened=1, solved=2, corrected_in=1, imported_in=2, imported_out=3)
    )
    text = text_of(picture)
    assert 4 == value(text, "backlog_tickets_opened_total")
    assert 1 == value(text, "backlog_tickets_reopened_total")
    assert 2 == value(text, "backlog_tickets_closed_total", outcome="solved")
    assert 0 == value(text, "backlog_tickets_closed_total", outcome="void")
    assert 1 == value(text, "backlog_flow_corrections_total", direction="in")
    assert 0 == value(text, "barometer_flow_identity_error")
    picture.apply(a_cell(2, created_us=[NOW_US] * 5))
    assert 2 == value(text_of(picture), "barometer_flow_identity_error")


def test_verdicts_of_several_aging_partitions_are_added_up_by_clock() -> None:
    picture = a_picture()
    picture.apply_flow(
        a_flow(1, clocks={"resolution": ClockFlow(met=3, breached=1), "team": ClockFlow(met=7)})
    )
    picture.apply_flow(a_flow(1, partition=1, clocks={"resolution": ClockFlow(met=2, breached_corrected=1)}))
    text = text_of(picture)
    assert 5 == value(text, "backlog_sla_met_total", clock="resolution", queue="tier1", channel="email")
    assert 1 == value(text, "backlog_sla_breaches_total", clock="resolution")
    assert 1 == value(text, "backlog_sla_corrections_total", clock="resolution", verdict="breached")
    assert 0 == value(text, "backlog_sla_corrections_total", clock="resolution", verdict="met")
    assert (7, 0) == tuple(
        value(text, f"backlog_sla_{name}_total", clock="team") for name in ("met", "breaches")
    )


def test_a_clock_that_only_began_has_its_series_at_zero() -> None:
    picture = a_picture()
    picture.apply_flow(a_flow(1, clocks={"first_response": ClockFlow()}))
    text = text_of(picture)
    assert 0 == value(text, "backlog_sla_breaches_total", clock="first_response")
    assert 0 == value(text, "backlog_first_response_seconds_count")
    assert not [key for key in samples(text) if key[0].startswith("backlog_resolution_seconds")]


def test_durations_are_cumulative_buckets_with_their_sum_and_never_go_back() -> None:
    picture = a_picture()
    bounds = DURATION_BOUNDS_SECONDS["resolution"]
    counts = tuple(range(1, len(bounds) + 2))
    flow = ClockFlow(durations=counts, duration_sum_us=90 * HOUR_US)
    picture.apply_flow(a_flow(1, clocks={"resolution": flow}))
    nothing = {"resolution": ClockFlow()}  # nobody writes that after something; it takes nothing away
    picture.apply_flow(a_flow(2, clocks=nothing))
    text = text_of(picture)
    for place, bound in enumerate(bounds):
        assert sum(counts[: place + 1]) == value(
            text, "backlog_resolution_seconds_bucket", le=str(float(bound))
        )
    assert sum(counts) == value(text, "backlog_resolution_seconds_bucket", le="+Inf")
    assert sum(counts) == value(text, "backlog_resolution_seconds_count")
    assert 90 * 3_600 == value(text, "backlog_resolution_seconds_sum")


def test_a_flow_that_is_not_newer_counts_no_verdict_twice() -> None:
    picture = a_picture()
    for _ in range(2):
        picture.apply_flow(a_flow(1, clocks={"team": ClockFlow(met=1)}))
    picture.apply_flow(a_flow(9, epoch=0, clocks={"team": ClockFlow(met=5)}))
    picture.apply_flow(a_flow(1, epoch=2, clocks={"team": ClockFlow(met=2)}))
    assert 2 == value(text_of(picture), "backlog_sla_met_total")


def test_side_cells_count_no_ticket_twice() -> None:
    picture = a_picture()
    picture.apply(a_cell(1, created_us=[NOW_US]))
    picture.apply(a_cell(2, kind=CellKind.CATEGORY, value="billing", created_us=[NOW_US]))
    assert 1 == value(text_of(picture), "backlog_tickets")


def test_more_queues_than_the_limit_are_counted_under_other() -> None:
    picture = a_picture(queues_max=2)
    for number in range(5):
        picture.apply(a_cell(number, queue=f"queue-{number}", created_us=[NOW_US]))
    text = text_of(picture)
    assert 3 == value(text, "backlog_tickets", queue="other")
    assert 5 == value(text, "backlog_tickets")


def test_labels_of_any_text_are_read_back_equal() -> None:
    queue = 'a "quoted" \\ back\nslash'
    picture = a_picture()
    picture.apply(a_cell(1, queue=queue, created_us=[NOW_US]))
    assert 1 == value(text_of(picture), "backlog_tickets", queue=queue, age_bucket="0-24h")


def test_the_text_passes_promtool(promtool: Path, tmp_path: Path) -> None:
    one, other, registry = a_picture(), TenantPicture("other", BUCKETS), CollectorRegistry()
    for picture in (one, other):
        picture.apply(a_cell(1, created_us=[NOW_US - HOUR_US]))
    durations = tuple([1] * (len(DURATION_BOUNDS_SECONDS["resolution"]) + 1))
    one.apply_flow(a_flow(1, opened=1, clocks={"resolution": ClockFlow(met=11, durations=durations)}))
    health = Health(registry, rules=[("backlog", "critical")], receivers=["chat"])
    health.record("applied")
    health.notification("chat", "delivered")
    health.refresh(firing={("backlog", "critical"): 2}, statuses=(), judged_us=NOW_US, now_us=NOW_US)
    text = text_of(one, other).encode() + exposed([registry])
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (0, b"") == (done.returncode, done.stdout + done.stderr)


def test_metrics_of_several_services_stand_under_one_name() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    for registry in (first, second):
        Health(registry, rules=[], receivers=[]).record("applied")
    text = exposed([first, second]).decode()
    assert 1 == text.count("# TYPE barometer_events_total counter")
    assert 1 == text.count('barometer_events_total{outcome="applied",service="alerting"} 2.0')
    assert "_created" not in text


def test_only_what_changed_is_written_anew() -> None:
    picture = a_picture()
    for number in range(2_000):
        picture.apply(a_cell(number, queue=f"queue-{number % 50}", channel=f"c{number}", created_us=[NOW_US]))
    assert sum(1 for piece in exposition([picture], [NOW_US]) if piece == "") > 2
    picture.apply(a_cell(9_000, queue="queue-1", channel="c1", created_us=[NOW_US] * 2))
    assert 3 == len(picture._changed)
    list(exposition([picture], [NOW_US]))
    assert {} == picture._changed
