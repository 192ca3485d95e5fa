"""Why a record could not be read. Two different things: broken, or simply not known here yet."""

from __future__ import annotations

from enum import Enum
from typing import Final

DETAIL_CHARACTERS_MAX: Final = 500
"""What a parser says of hostile input is cut here, so that it cannot fill logs and rejected records."""


class Reason(str, Enum):
    """Why a record is broken: a closed list, fit for the label of a metric."""

    NO_VALUE = "no_value"
    MISSING_TYPE = "missing_type"
    UNSUPPORTED_VERSION = "unsupported_version"
    BAD_ENVELOPE = "bad_envelope"
    INVALID_UTF8 = "invalid_utf8"
    MALFORMED_JSON = "malformed_json"
    TOO_DEEP = "too_deep"
    WRONG_SHAPE = "wrong_shape"


class CodecError(Exception):
    """What can go wrong while a record is read."""


class Undecodable(CodecError):
    """The record is broken and will be at every reading: keep it whole, count it, go on."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail[:DETAIL_CHARACTERS_MAX]
        super().__init__(f"{reason.value}: {self.detail}")


class UnknownType(CodecError):
    """A sound event of a type this version does not know (a newer writer): count it, go on."""

    def __init__(self, name: str) -> None:
        self.name = name[:DETAIL_CHARACTERS_MAX]
        super().__init__(self.name)
