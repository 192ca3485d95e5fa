"""`barometer check`: is this file right? Offline, with the line and the mend of everything wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from barometer.exits import Refused, reported
from barometer.mapping import load_mapping
from barometer.places import configuration_path
from shared.clock import SystemClock
from shared.configuration.loader import editor_schema, load
from shared.configuration.models import Configuration
from shared.contracts.durations import bucket_labels
from shared.contracts.instants import from_us


def check(
    file: Path | None = None,
    /,
    *,
    config: Path | None = None,
    mapping: Path | None = None,
    schema: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Validate a configuration (by default barometer.yaml) or a mapping, offline.

    Args:
        file: The configuration; without one BAROMETER_CONFIG, or barometer.yaml here.
        config: The same, by name.
        mapping: Validate this mapping of a log instead.
        schema: Print the JSON Schema of the configuration, for editors.
    """
    return reported(lambda: _check(file or config, mapping, schema=schema))


def _check(file: Path | None, mapping: Path | None, *, schema: bool) -> int:
    if schema:
        print(json.dumps(editor_schema(), indent=2))
        return 0
    if mapping is not None:
        found = load_mapping(mapping)
        print(f"{mapping}: fine ({len(found.fields)} fields of source `{found.source}`)")
        if file is None:
            return 0
    path = configuration_path(file)
    if path is None:
        raise Refused("there is no barometer.yaml here; name the file: `barometer check FILE`")
    print(f"{path}: fine ({summary(load(path, now=from_us(SystemClock().now_us())))})")
    return 0


def summary(configuration: Configuration) -> str:
    """Return what a configuration holds, in a line."""
    parts = [
        _count(len(configuration.tenants), "tenant"),
        _count(len(configuration.sources), "source"),
        _count(len(configuration.rules), "rule") if configuration.has_rules else "default rules",
        _count(len(configuration.receivers), "receiver"),
        _count(len(configuration.calendars), "calendar"),
        _count(len(configuration.sla.policies), "policy", "policies")
        if "policies" in configuration.sla.model_fields_set
        else "default policies",
    ]
    return f"{', '.join(parts)}; buckets {', '.join(bucket_labels(configuration.age.buckets_seconds))}"


def _count(number: int, what: str, many: str = "") -> str:
    return f"{number} {what if number == 1 else many or f'{what}s'}"
