"""How a URL and the environment name a bus."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.bus.connect import connect, kafka_settings
from shared.bus.kafka.settings import KafkaSettings
from shared.bus.port import BusMisconfigured
from shared.clock import ManualClock

SASL = {
    "BAROMETER_KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
    "BAROMETER_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "BAROMETER_KAFKA_SASL_USERNAME": "barometer",
    "BAROMETER_KAFKA_SASL_PASSWORD": "s3cret-word",
}


def test_addresses_come_from_the_url() -> None:
    expected = KafkaSettings(bootstrap=("one:9092", "two:9093"))
    assert expected == kafka_settings("kafka://one:9092, two:9093/", {})


def test_security_comes_from_the_environment() -> None:
    settings = kafka_settings("kafka://one:9092", SASL)
    assert ("SASL_SSL", "SCRAM-SHA-512", "barometer", "s3cret-word") == (
        settings.security_protocol, settings.sasl_mechanism, settings.sasl_username, settings.sasl_password,
    )  # fmt: skip


def test_the_password_is_in_no_representation() -> None:
    assert "s3cret-word" not in repr(kafka_settings("kafka://one:9092", SASL))


def test_the_password_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from-file\n", encoding="utf-8")
    environment = SASL | {"BAROMETER_KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password")}
    assert "from-file" == kafka_settings("kafka://one:9092", environment).sasl_password


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_every_client_gets_the_credentials(mechanism: str) -> None:
    options = kafka_settings(
        "kafka://one:9092", SASL | {"BAROMETER_KAFKA_SASL_MECHANISM": mechanism}
    ).options()
    assert ("SASL_SSL", mechanism, "barometer", "s3cret-word") == (
        options["security_protocol"], options["sasl_mechanism"],
        options["sasl_plain_username"], options["sasl_plain_password"],
    )  # fmt: skip
    assert options["ssl_context"].check_hostname


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"BAROMETER_KAFKA_SECURITY_PROTOCOL": "TLS"}, "must be one of PLAINTEXT, SSL"),
        ({"BAROMETER_KAFKA_SASL_MECHANISM": "GSSAPI"}, "must be one of PLAIN, SCRAM-SHA-256"),
        ({"BAROMETER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs BAROMETER_KAFKA_SASL_USERNAME"),
        ({"BAROMETER_KAFKA_SASL_PASSWORD_FILE": "/nowhere/at/all"}, "PASSWORD_FILE cannot be read"),
    ],
)
def test_wrong_settings_are_told_by_their_variable(environment: dict[str, str], text: str) -> None:
    with pytest.raises(BusMisconfigured, match=text):
        kafka_settings("kafka://one:9092", environment)


@pytest.mark.parametrize(
    "url", ["kafka://", "kafka://one", "kafka://user:word@one:9092", "kafka://one:9092,"]
)
def test_addresses_of_another_form_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(BusMisconfigured) as caught:
        kafka_settings(url, {})
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "redis://x", "embedded:", "sqlite:///x"])
def test_other_urls_are_refused_with_the_forms_there_are(url: str) -> None:
    with pytest.raises(BusMisconfigured, match="embedded:"):
        asyncio.run(connect(url, clock=ManualClock(), environment={}))
