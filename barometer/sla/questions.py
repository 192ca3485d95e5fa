"""Many questions on standard input, one JSON object a line; one line of answer for each, in order.

A question that cannot be answered gets an answer that says so, and the next one is read: a list of a
million must not stop at the first mistake.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, BinaryIO, Final, NoReturn

from barometer.exits import Refused
from shared.calendars.hours import NoOpening

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""What is said of one question, without its id. Raises Refused and NoOpening."""

QUESTION_BYTES_MAX: Final = 4 * 1024 * 1024
"""A calendar with its overrides for centuries takes less."""


def answer_all(answer: Answer) -> int:
    """Answer the questions of standard input on standard output; return the exit code."""
    try:
        for line in _lines(sys.stdin.buffer):
            print(json.dumps(answered(line, answer)), flush=True)
    except BrokenPipeError:  # whoever reads the answers, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def answered(line: bytes, answer: Answer) -> dict[str, Any]:
    """Return the answer to one line: the id of its question and what `answer` says, or `error`."""
    try:
        question = _decoded(line)
    except Refused as refused:
        return {"id": None, "error": str(refused)}
    try:
        return {"id": question.get("id"), **answer(question)}
    except (Refused, NoOpening) as refused:
        return {"id": question.get("id"), "error": str(refused)}


def _decoded(line: bytes) -> Mapping[str, Any]:
    """Return the question, its numbers exact. Raises Refused."""
    if len(line) > QUESTION_BYTES_MAX:
        raise Refused(f"the line is longer than {QUESTION_BYTES_MAX} bytes")
    try:
        question = json.loads(line, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise Refused("the line is no JSON") from None
    if not isinstance(question, dict):
        raise Refused('a question is an object, such as {"id": 1, "calendar": "24x7", "start": ...}')
    if not isinstance(question.get("id"), str | int | None):
        raise Refused("id: write a text or a whole number")
    return question


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines that say something; of one that is too long, only its beginning."""
    while line := stream.readline(QUESTION_BYTES_MAX + 1):
        rest = line
        while len(rest) > QUESTION_BYTES_MAX and not rest.endswith(b"\n"):
            rest = stream.readline(QUESTION_BYTES_MAX + 1)
        if not line.isspace():
            yield line
