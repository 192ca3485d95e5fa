"""Outbox blocks are read back as they were written, and foreign ones are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.port import Outgoing
from shared.runtime.block import decode_block, encode_block
from shared.runtime.port import StoreMisconfigured

headers = st.lists(st.tuples(st.text(), st.binary()), max_size=3).map(tuple)
records = st.builds(
    Outgoing, st.text(), st.binary(), st.none() | st.binary(), headers, st.none() | st.integers(0, 99)
)


@given(st.lists(records, max_size=5))
def test_a_block_is_read_back_equal(written: list[Outgoing]) -> None:
    assert written == decode_block(encode_block(written))


def test_a_block_of_another_format_is_refused_with_the_mend() -> None:
    with pytest.raises(StoreMisconfigured, match=r"format 02, this version knows 01"):
        decode_block(b"\x02rest")
