"""What docker-compose.yml and the image promise, read from the files: no container engine is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.configuration.loader import load
from shared.http.configured import keyring_of
from tests.architecture.tree import PACKAGES, ROOT
from tests.servers.postgres import PostgresServer

DEPLOY = ROOT / "deploy"
OURS = {"intake", "aging", "alerting"}
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+\.?\d*[a-z0-9.-]*")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """Give the services of docker-compose.yml."""
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = document["services"]
    return found


def test_every_yaml_file_parses() -> None:
    for file in [ROOT / "docker-compose.yml", *DEPLOY.rglob("*.yml"), *DEPLOY.rglob("*.yaml")]:
        assert list(yaml.safe_load_all(file.read_text(encoding="utf-8"))), file.name


def test_every_image_is_pinned_to_a_version(services: dict[str, dict[str, Any]]) -> None:
    bases = re.findall(r"^FROM (\S+:\S+)", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    images = [*bases, *(service["image"] for service in services.values())]

    assert [] == [image for image in images if not PINNED.fullmatch(image)]


def test_every_port_is_bound_to_loopback(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]

    assert ports
    assert [] == [port for port in ports if not port.startswith("127.0.0.1:")]


def test_our_processes_are_not_root_and_cannot_write_to_their_image(
    services: dict[str, dict[str, Any]],
) -> None:
    last_user = re.findall(
        r"^USER (\d+):(\d+)$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert [("10001", "10001")] == last_user
    for name in OURS | {"migrate-aging", "migrate-alerting"}:
        service = services[name]
        assert service["read_only"]
        assert ["ALL"] == service["cap_drop"]
        assert ["no-new-privileges:true"] == service["security_opt"]
        assert "user" not in service


def test_everything_that_stays_up_has_a_healthcheck(services: dict[str, dict[str, Any]]) -> None:
    without = {name for name, service in services.items() if "healthcheck" not in service}

    assert OURS == without
    assert "/readyz" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_whoever_is_waited_for_can_be_waited_for(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, needed in service.get("depends_on", {}).items():
            once = needed["condition"] == "service_completed_successfully"
            assert once == name.startswith("migrate-")


def test_secrets_come_from_the_environment_and_addresses_hold_none(
    services: dict[str, dict[str, Any]],
) -> None:
    example = (DEPLOY / "env.example").read_text(encoding="utf-8")
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                wanted = re.fullmatch(r"\$\{(\w+):\?run deploy/prepare.sh first\}", value)
                assert wanted, name
                assert f"\n{wanted[1]}=\n" in example
            assert not re.search(r"://[^/@]*:[^/@]*@", value), name


def test_every_setting_named_here_is_one_that_the_services_read() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    )
    files = [ROOT / "docker-compose.yml", DEPLOY / "Dockerfile", DEPLOY / "README.md"]
    named = {
        name
        for file in files
        for name in re.findall(r"\bBAROMETER_([A-Z_]+)\b", file.read_text(encoding="utf-8"))
    }
    ours_alone = {"FILE"}  # which file Compose mounts

    unknown = {name for name in named - ours_alone if not _is_read(source, name)}

    assert set() == unknown


def _is_read(source: str, name: str) -> bool:
    """Tell whether the setting is written out, behind a prefix, or named to a reader of settings."""
    if name.startswith("KAFKA_"):
        return _is_read(source, name.removeprefix("KAFKA_").removesuffix("_FILE"))
    return re.search(rf'(BAROMETER_|PREFIX\}}|\("|, "|\s"){name}\b', source) is not None


def _prepared(directory: Path) -> tuple[Path, str]:
    shutil.copytree(DEPLOY, directory / "deploy")
    done = subprocess.run(
        [directory / "deploy" / "prepare.sh"], check=True, capture_output=True, text=True, timeout=60
    )
    return directory, done.stdout


def test_preparing_makes_a_configuration_that_is_valid_and_has_keys(tmp_path: Path) -> None:
    directory, said = _prepared(tmp_path)

    configuration = load(directory / "deploy" / "barometer.local.yaml")
    environment = dict(
        line.split("=", 1)
        for line in (directory / ".env").read_text(encoding="utf-8").splitlines()
        if "=" in line
    )

    assert keyring_of(configuration)
    assert "bk_" in said
    assert [] == [name for name, value in environment.items() if not value]
    assert 0o600 == (directory / ".env").stat().st_mode & 0o777


def test_preparing_twice_keeps_the_first_secrets(tmp_path: Path) -> None:
    directory, _ = _prepared(tmp_path)
    before = (directory / ".env").read_bytes()

    again = subprocess.run(
        [directory / "deploy" / "prepare.sh"], check=False, capture_output=True, timeout=60
    )

    assert again.returncode == 1
    assert before == (directory / ".env").read_bytes()


@pytest.mark.postgres
def test_each_service_gets_a_database_of_its_own_with_an_awkward_password() -> None:
    with PostgresServer() as server:
        secrets = {f"{name}_DATABASE_PASSWORD": "o'clock \"$1" for name in ("INTAKE", "AGING", "ALERTING")}
        address = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "POSTGRES_USER": "barometer"}
        subprocess.run(
            [DEPLOY / "postgres" / "databases.sh"],
            env={"PATH": f"{server.programs}:/usr/bin:/bin", **secrets, **address},
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip

        owners = server.ask(
            "SELECT datname || ' ' || rolname FROM pg_database JOIN pg_roles ON datdba = pg_roles.oid"
            " WHERE datname IN ('intake', 'aging', 'alerting') ORDER BY 1"
        )
        others = server.ask("SELECT has_database_privilege('aging', 'alerting', 'CONNECT')")

    assert ["aging aging", "alerting alerting", "intake intake"] == owners
    assert ["f"] == others
