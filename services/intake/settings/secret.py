"""Secrets of sources, read where the configuration says they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared.configuration.loader import read_secret
from shared.configuration.models import Source
from shared.configuration.problems import ConfigurationInvalid
from shared.configuration.secrets import SecretReference


def secret_of(source: Source, reference: SecretReference, environment: Mapping[str, str]) -> str:
    """Return a secret of `source`. Raises ConfigurationInvalid that names the source."""
    try:
        return read_secret(reference, environment)
    except ConfigurationInvalid as error:
        named = (replace(one, what=f"source `{source.name}`: {one.what}") for one in error.problems)
        raise ConfigurationInvalid(named) from None
