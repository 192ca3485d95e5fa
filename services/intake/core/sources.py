"""For which source an event counts: what its sender may publish for, and what it names.

A key bound to a source publishes for that one only. Any other publisher may name a source of its
tenant; one that names none means the source `default`, or the only one there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import unquote

from services.intake.core.definition import DEFAULT_SOURCE, SourceDefinition
from services.intake.core.normalise import Normaliser
from services.intake.core.rejection import Reason, Rejection, rejected

_SOURCES: Final = "/sources/"
_SHOWN_CHARACTERS_MAX: Final = 80


class Publisher(NamedTuple):
    """Who was authenticated: for which tenant, bound to which source (None: any of the tenant's)."""

    tenant: str
    source: str | None
    verified: str
    """How: `key:<name>`. Kept with what is rejected, so that a retry needs no second proof."""


class Sources:
    """The configured sources, each with its normaliser."""

    def __init__(self, definitions: Iterable[SourceDefinition]) -> None:
        self._normalisers: dict[tuple[str, str], Normaliser] = {}
        self._of_tenant: dict[str, list[str]] = {}
        self.replace(definitions)

    def replace(self, definitions: Iterable[SourceDefinition]) -> None:
        """Normalise by `definitions` from now on."""
        self._normalisers = {(each.tenant, each.name): Normaliser(each) for each in definitions}
        self._of_tenant = {}
        for tenant, name in self._normalisers:
            self._of_tenant.setdefault(tenant, []).append(name)

    def get(self, tenant: str, name: str) -> Normaliser | None:
        """Return the normaliser of a source, None if it is not configured."""
        return self._normalisers.get((tenant, name))

    def choose(self, publisher: Publisher, named: str | None) -> Normaliser | Rejection:
        """Return the normaliser of the source that `publisher` means by `named`."""
        if publisher.source is not None and named not in {None, publisher.source}:
            detail = f"this key publishes for the source {publisher.source!r} only"
            return rejected(Reason.FORBIDDEN_SOURCE, detail)
        name = named or publisher.source or self._unnamed(publisher.tenant)
        if name is None:
            known = ", ".join(sorted(self._of_tenant.get(publisher.tenant, ()))) or "none"
            detail = f"name the source by the parameter `source`; configured are: {known}"
            return rejected(Reason.UNKNOWN_SOURCE, detail)
        found = self._normalisers.get((publisher.tenant, name))
        if found is None:
            detail = f"the source {name[:_SHOWN_CHARACTERS_MAX]!a} is not configured for this key's tenant"
            return rejected(Reason.UNKNOWN_SOURCE, detail)
        return found

    def _unnamed(self, tenant: str) -> str | None:
        names = self._of_tenant.get(tenant, [])
        if DEFAULT_SOURCE in names:
            return DEFAULT_SOURCE
        return names[0] if len(names) == 1 else None


def named_by(source: str) -> tuple[str, str] | None:
    """Return (tenant, source) if a CloudEvents source is `/sources/<tenant>/<source>`, else None.

    Any other value (a sender's own address) names no source of ours, and is no fault.
    """
    if not source.startswith(_SOURCES):
        return None
    tenant, slash, name = source.removeprefix(_SOURCES).partition("/")
    return (unquote(tenant), unquote(name)) if tenant and slash and name else None
