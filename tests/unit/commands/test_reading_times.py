"""Times of a log are read as strptime reads them, whatever path they take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barometer.rows import _naive_reader

FORMATS = (
    "%d/%m/%Y %H:%M", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y%m%d%H%M%S", "%d.%m.%Y", "%m/%d/%Y %H:%M:%S",
    "%d/%m/%y", "%Y-%m-%d %H:%M:%S.%f", "%H:%M", "%d %b %Y", "%Y-%m-%d (%H)", "%Y/%d %S",
)  # fmt: skip


def _by_the_library(written: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, written)  # noqa: DTZ007 - a zone comes later


def _said(read: Callable[[str], datetime], text: str) -> datetime | str:
    try:
        return read(text)
    except ValueError:
        return "no time"


@given(st.sampled_from(FORMATS), st.datetimes())
def test_what_a_format_wrote_it_reads(written: str, instant: datetime) -> None:
    text = instant.strftime(written)
    assert _said(_by_the_library(written), text) == _said(_naive_reader(written), text)


@given(st.sampled_from(FORMATS), st.text("0123456789/-:. T٣", max_size=20))
def test_what_is_odd_is_taken_or_refused_alike(written: str, text: str) -> None:
    assert _said(_by_the_library(written), text) == _said(_naive_reader(written), text)


@pytest.mark.parametrize(
    "text", ["29/02/2015 01:16", "00/01/2016 00:00", "01/13/2016 00:00", "01/01/0000 00:00"]
)
def test_a_day_that_never_was_is_no_time(text: str) -> None:
    with pytest.raises(ValueError):
        _naive_reader("%d/%m/%Y %H:%M")(text)
