"""The keyring that a configuration describes."""

from __future__ import annotations

from shared.configuration.models import ApiKey, Configuration, SourceKey
from shared.http.keys import Key, Keyring, Principal, Scope


def keyring_of(configuration: Configuration) -> Keyring:
    """Return the keys of all tenants and sources."""
    keys = [_key(key, tenant.name, None) for tenant in configuration.tenants for key in tenant.keys]
    keys += [_key(key, source.tenant, source.name) for source in configuration.sources for key in source.keys]
    return Keyring(keys)


def _key(key: ApiKey | SourceKey, tenant: str, source: str | None) -> Key:
    scopes = frozenset(Scope(scope.value) for scope in key.scopes)
    return Key(key.sha256, Principal(key.name, tenant, source, scopes))
