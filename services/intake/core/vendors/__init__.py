"""Vendors' adapters, by the word that a source's `kind` names them with.

A module of this package that has a `VENDOR` is an adapter: nobody has to be told of it but the word of its
`kind` (shared/configuration/webhooks.py). The others are what adapters share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from services.intake.core.vendors.port import Vendor


def _found() -> Iterator[Vendor]:
    for each in iter_modules(__path__, f"{__name__}."):
        vendor: Vendor | None = getattr(import_module(each.name), "VENDOR", None)
        if vendor is not None:
            yield vendor


VENDORS: Final[Mapping[str, Vendor]] = {vendor.name: vendor for vendor in _found()}
"""Every vendor there is."""
