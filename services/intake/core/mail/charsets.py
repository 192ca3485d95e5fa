"""Bytes of a mail as text, whatever charset they claim: mails lie about it, misspell it or say nothing.

Python's own reading raises for unknown charsets and gives U+FFFD for bytes without one. Here nothing raises:
the claimed charset, then UTF-8, then windows-1252, which reads everything. Declared ISO-8859-1 is mostly
windows-1252; read as declared it gives C1 control characters, which CloudEvents forbid.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

WORDS_MAX: Final = 500
"""Encoded words decoded in one header; a subject of a thousand characters has some thirty."""

_TEXTUAL: Final = re.compile(
    r"(utf|us-?ascii|ascii|iso|windows|cp|koi8|mac|euc|shift|s?jis|gb|big5|ks|johab|hz|tis|latin|ms)[\w.:-]*"
)
"""Charsets of mails. Python knows codecs that are none, some of which take minutes (punycode)."""
_MEANT: Final = {
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "big5": "big5hkscs",
    "cp-850": "cp850",
}
"""What senders mean who write these: the wider set that their programs really used."""
_WORD: Final = re.compile(r"=\?([^?\s]{1,64})\?([bBqQ])\?([^?]{0,4000})\?=")
_BETWEEN: Final = re.compile(r"\?=[ \t\r\n]+=\?")
_KANJI: Final = re.compile(rb"\x1b\$[@B]([^\x1b]*)")
_TO_ASCII: Final = re.compile(rb"\x1b\([BJ]")
_JAPANESE: Final = "iso-2022-jp"


def text_of(raw: bytes, charset: str = "") -> str:
    """Return `raw` as text, by `charset` if it says something usable."""
    for name in (_codec(charset), "utf-8", "cp1252"):
        found = _decoded(raw, name) if name else None
        if found is not None:
            return found
    return raw.decode("cp1252", "replace")


def unfolded(raw: bytes, charset: str = "") -> str:
    """Return a header's value as text: encoded words (RFC 2047) decoded, everything else as `text_of` does."""
    text = text_of(raw, charset)
    if "=?" not in text:
        return text
    text = _BETWEEN.sub("?==?", text)  # white space between two words only separates them
    pieces: list[str] = []
    pending: tuple[str, bytes] | None = None
    place = 0
    for number, found in enumerate(_WORD.finditer(text)):
        if number == WORDS_MAX:
            break
        between = text[place : found.start()]
        language_free = found[1].partition("*")[0].lower()
        raw_word = _unpacked(found[2], found[3])
        if pending is not None and not between and pending[0] == language_free:
            pending = (language_free, pending[1] + raw_word)  # a character may be cut between two words
        else:
            pieces += [] if pending is None else [text_of(pending[1], pending[0])]
            pieces.append(between)
            pending = (language_free, raw_word)
        place = found.end()
    pieces += [] if pending is None else [text_of(pending[1], pending[0])]
    return "".join([*pieces, text[place:]])


def _codec(charset: str) -> str:
    name = charset.strip().strip("\"'").lower()
    if not _TEXTUAL.fullmatch(name):
        return ""
    return _MEANT.get(name, name)


def _decoded(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except (LookupError, ValueError):
        return _japanese(raw) if codec == _JAPANESE else None


def _japanese(raw: bytes) -> str | None:
    """Return ISO-2022-JP with characters that only its vendors have (circled digits): Python knows none of them."""
    shifted = _KANJI.sub(lambda found: bytes(byte | 0x80 for byte in found[1]), raw)
    try:
        return _TO_ASCII.sub(b"", shifted).decode("euc_jis_2004")
    except ValueError:
        return None


def _unpacked(encoding: str, text: str) -> bytes:
    """Return the bytes of an encoded word; of a broken one, as many as there are."""
    if encoding in "qQ":
        return binascii.a2b_qp(text.replace("_", " ").encode("utf-8", "replace"), header=True)
    letters = re.sub(r"[^A-Za-z0-9+/]", "", text)
    letters = letters[: len(letters) - 1] if len(letters) % 4 == 1 else letters
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4))
    except binascii.Error:
        return b""
