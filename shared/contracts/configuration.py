"""Configuration that changes facts travels as numbered versions, not as files (docs/decisions/0006)."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.contracts.instants import Instant


class ConfigVersion(msgspec.Struct, frozen=True, kw_only=True):
    """`barometer.config.recorded.v1`, on the compacted topic `config.v1`, keyed by its number.

    `document` holds the sections that change facts (age, sources' maps, calendars, sla), already
    validated, without secrets. `digest` is the digest of `document`: content that did not change is no
    new version. A version counts from `effective_from` on.
    """

    version: int
    effective_from: Instant
    recorded_at: Instant
    digest: str
    document: dict[str, Any]


class ConfigApplied(msgspec.Struct, frozen=True, kw_only=True):
    """`barometer.config.applied.v1`: control record in every events partition; use `version` from here."""

    version: int
    at: Instant
