"""What a source's words mean is published in versions; intake follows those, not its own file."""

from __future__ import annotations

from services.intake.core.definition import ShownStatus
from services.intake.settings import definitions_of
from shared.configuration.facts import facts_digest, facts_document
from shared.configuration.models import Configuration
from shared.contracts.configuration import ConfigVersion
from shared.contracts.instants import EPOCH
from shared.contracts.tickets import Channel, Status, WaitReason


def configuration(status: str, channel: str | None = None) -> Configuration:
    source = {"name": "desk", "status": {"map": {"Parked": status}, "default": "in_progress"}}
    return Configuration.model_validate({"sources": [source | ({"channel": channel} if channel else {})]})


def published(of: Configuration) -> ConfigVersion:
    document = facts_document(of)
    return ConfigVersion(
        version=1, effective_from=EPOCH, recorded_at=EPOCH, digest=facts_digest(document), document=document
    )


def test_a_published_map_wins_over_the_file() -> None:
    [here, _] = definitions_of(configuration("new"), {}, published(configuration("waiting/vendor", "phone")))

    assert {"Parked": ShownStatus(Status.WAITING, WaitReason.VENDOR)} == here.statuses
    assert ShownStatus(Status.IN_PROGRESS) == here.status_default
    assert Channel.PHONE is here.channel


def test_a_source_that_no_version_knows_keeps_its_file() -> None:
    [here, _] = definitions_of(configuration("new"), {}, published(Configuration()))

    assert {"Parked": ShownStatus(Status.NEW)} == here.statuses
