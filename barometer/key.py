"""`barometer key new`: a random token for the sender, and its SHA-256 for the configuration."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

KEY_BYTES: Final = 32
PREFIX: Final = "bk_"


def new() -> int:
    """Make an API key. The token is shown once and kept nowhere."""
    token = f"{PREFIX}{secrets.token_urlsafe(KEY_BYTES)}"
    print(f"key:    {token}")
    print(f"sha256: {hashlib.sha256(token.encode()).hexdigest()}")
    print("The key goes to the sender (Authorization: Bearer KEY), the sha256 into `keys` in barometer.yaml.")
    return 0
