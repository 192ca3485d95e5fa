from __future__ import annotations

from pathlib import Path

import pytest

from services.intake.core.definition import ShownStatus
from services.intake.settings import Limits, Settings, definitions_of
from shared.configuration.loader import read
from shared.configuration.models import Configuration
from shared.contracts.tickets import Priority, Status, WaitReason
from shared.contracts.topics import EVENTS, REJECTED
from shared.http.configured import keyring_of
from shared.runtime.environment import SettingsInvalid


def test_the_environment_says_where_the_bus_is_and_may_say_the_limits() -> None:
    settings = Settings.from_environment(
        {"BAROMETER_BUS": "kafka://k:9092", "BAROMETER_PORT": "9", "BAROMETER_CONFIG": "b.yaml",
         "BAROMETER_INTAKE_BODY_BYTES_MAX": "1000"}
    )  # fmt: skip

    assert (9, Path("b.yaml"), 1_000) == (settings.port, settings.config, settings.limits.body_bytes_max)
    assert Limits().batch_items_max == settings.limits.batch_items_max
    assert {EVENTS.name: 4, REJECTED.name: 1}.items() <= settings.partitions.items()
    assert 1 == Settings("embedded:data").partitions[EVENTS.name]


@pytest.mark.parametrize(
    "environment",
    [{}, {"BAROMETER_BUS": "x", "BAROMETER_PORT": "web"}, {"BAROMETER_BUS": "x", "BAROMETER_INTAKE_BODY_BYTES_MAX": "0"}],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_start(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid):
        Settings.from_environment(environment)


def test_without_a_configuration_a_plain_ticket_belongs_to_default() -> None:
    (only,) = definitions_of(Configuration(), {})

    assert ("default", "default") == (only.tenant, only.name)


def test_a_configured_source_is_known_with_its_maps_and_siblings() -> None:
    configuration = read(
        """
        sources:
          - name: desk
            inbox: true
            status: {map: {Pending: waiting/customer, Held: waiting}, default: in_progress}
            priority: {map: {Urgent: p1}, default: p3}
          - name: tracker
        """
    )
    desk = {each.name: each for each in definitions_of(configuration, {})}["desk"]

    assert {
        "Pending": ShownStatus(Status.WAITING, WaitReason.CUSTOMER),
        "Held": ShownStatus(Status.WAITING, WaitReason.INTERNAL),
    } == desk.statuses
    assert (ShownStatus(Status.IN_PROGRESS), Priority.P3) == (desk.status_default, desk.priority_default)
    assert (frozenset({"desk", "tracker", "default"}), True) == (desk.siblings, desk.inbox)


def test_a_sources_key_is_bound_to_it_and_a_tenants_key_is_not() -> None:
    configuration = Configuration.model_validate(
        {
            "tenants": [{"name": "default", "keys": [{"name": "t", "sha256": "0" * 64, "scopes": ["read"]}]}],
            "sources": [{"name": "desk", "keys": [{"name": "s", "sha256": "1" * 64}]}],
        }
    )
    keyring = keyring_of(configuration)

    assert {("t", None), ("s", "desk")} == {(who.name, who.source) for _, who in keyring._keys}
