"""How deeply a JSON body is nested, told before anything parses it.

A parser recurses, so a kilobyte of brackets can exhaust the stack of the thread that serves everybody.
Python loops over bytes are too slow for every body, so brackets are counted by a few passes that run in
C: strings are cut out, then each pass removes the innermost pairs; the passes it takes are the depth.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)
_STRING: Final = re.compile(rb'"[^"]*"')
_ONE_BRACKET: Final = bytes.maketrans(b"[]", b"{}")
_NEITHER_QUOTE_NOR_BRACKET: Final = bytes(set(range(256)) - set(b'"[]{}'))


def depth_exceeds(body: bytes, limit: int) -> bool:
    """Tell whether arrays and objects in `body` are nested more than `limit` deep.

    Exact for well-formed JSON (a bare string or number has depth 0). For anything else it may answer
    True a little early, never False too late.
    """
    if body.count(b"{") + body.count(b"[") <= limit:
        return False
    brackets = _brackets(body)
    for removed in range(limit):
        inner = brackets.replace(b"{}", b"")
        if len(inner) == len(brackets):
            return removed + brackets.count(b"{") > limit
        brackets = inner
    return b"{" in brackets


def _brackets(body: bytes) -> bytes:
    """Return the brackets of `body` outside strings, all of them written as braces."""
    if b"\\" in body:
        body = _ESCAPE.sub(b"", body)
    shape = body.translate(_ONE_BRACKET, _NEITHER_QUOTE_NOR_BRACKET).replace(b'""', b"")
    return _STRING.sub(b"", shape)
