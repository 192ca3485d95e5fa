"""What the helpers of these tests assert is explained like what the tests assert."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.e2e.harness", "tests.e2e.records", "tests.e2e.truth")
