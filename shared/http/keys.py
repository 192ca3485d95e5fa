"""Who is asking: API keys, their tenant, and what they may do.

A key is a random token of 32 bytes (`bk_...`), so its plain SHA-256 is as good as a password hash is for
passwords, and costs a microsecond instead of a tenth of a second. Only the digest is configured. All
digests are compared, each in constant time, so the time taken tells nothing about any of them.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from hmac import compare_digest
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request

from shared.http.problems import Problem

DEFAULT_TENANT: Final = "default"
_DIGEST_HEX: Final = 64
_KEY_LENGTH_MAX: Final = 512
"""Longer ones are not hashed at all."""


class Scope(str, Enum):
    """What a key may do."""

    PUBLISH = "publish"
    READ = "read"
    ADMIN = "admin"
    """Acknowledge, silence, retry; includes reading."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who was authenticated. `source` None: not bound to one source of the tenant."""

    name: str
    tenant: str
    source: str | None
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Return whether `scope` is granted."""
        return scope in self.scopes or (scope is Scope.READ and Scope.ADMIN in self.scopes)


@dataclass(frozen=True, slots=True)
class Key:
    """A configured key: `sha256` in hexadecimal, as `printf %s KEY | sha256sum` prints it."""

    sha256: str
    principal: Principal

    def __post_init__(self) -> None:
        digest = self.sha256
        assert len(digest) == _DIGEST_HEX, f"{self.principal.name}: not a SHA-256 digest"
        assert set(digest) <= set("0123456789abcdef"), f"{self.principal.name}: lower case hexadecimal"


LOCAL_USER: Final = Principal("local", DEFAULT_TENANT, None, frozenset(Scope))
"""Who asks on a loopback address when no keys are configured."""


class OpenExposure(Exception):
    """The configuration would offer an unauthenticated port to other hosts."""


class Keyring:
    """The keys of all tenants and sources. Without any, everybody is the local user."""

    def __init__(self, keys: Iterable[Key]) -> None:
        """Take `keys`. The same digest twice is a mistake of the configuration, refused there."""
        self._keys = tuple((key.sha256.encode(), key.principal) for key in keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def principal(self, presented: str | None) -> Principal | None:
        """Return who has the key `presented`, None if nobody has."""
        if not self._keys:
            return LOCAL_USER
        if presented is None or len(presented) > _KEY_LENGTH_MAX:
            return None
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).hexdigest().encode()
        found: Principal | None = None
        for known, principal in self._keys:
            if compare_digest(known, digest):
                found = principal
        return found

    def authenticate(self, request: Request, scope: Scope) -> Principal:
        """Return who asks, if `scope` is theirs; else raise Problem 401 or 403."""
        if not self._keys:
            refuse_foreign_page(request)
        principal = self.principal(presented_key(request))
        if principal is None:
            raise Problem(
                "unauthenticated", 401, "give an API key as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
                headers={"WWW-Authenticate": 'Bearer realm="barometer"'},
            )  # fmt: skip
        if not principal.may(scope):
            raise Problem("forbidden", 403, f"the key {principal.name!r} lacks the scope {scope.value!r}")
        return principal

    def require(self, scope: Scope) -> Callable[[Request], Awaitable[Principal]]:
        """Return a FastAPI dependency that gives the Principal, or refuses the request."""

        async def authenticated(request: Request) -> Principal:
            return self.authenticate(request, scope)

        return authenticated


def refuse_foreign_page(request: Request) -> None:
    """Raise Problem 403 for a page of another site.

    Where nobody has to prove anything, the local user's browser is the local user too, whatever it shows.
    """
    origin = request.headers.get("origin")
    if origin is not None and not is_loopback(urlsplit(origin).hostname or ""):
        raise Problem("forbidden", 403, "pages of other sites may not use this address")


def presented_key(request: Request) -> str | None:
    """Return the key in the request's headers, if there is one. Never from the URL: those are logged."""
    authorization = request.headers.get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key") or None


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches `host`. A name other than localhost is not trusted."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_open_exposure(host: str, *, has_keys: bool) -> None:
    """Raise OpenExposure if `host` is reachable from elsewhere and no API key is configured."""
    if has_keys or is_loopback(host):
        return
    raise OpenExposure(
        f"refused to listen on {host or 'all addresses'} without API keys: everybody who reaches the port "
        f"could read and publish. Configure `tenants[].keys` in barometer.yaml, or listen on 127.0.0.1"
    )
