"""Functions fit on a screen, modules have one subject and a name; and the test that says so bites."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.sizes import FUNCTION_LINES_MAX, MODULE_LINES_MAX, violations
from tests.architecture.tree import ROOT


def _function(lines: int, docstring: str = "") -> str:
    return "\n".join(
        ["def planted():", *([f'    """{docstring}"""'] if docstring else []), *["    1"] * (lines - 1)]
    )


def _planted(directory: Path, name: str, text: str) -> list[str]:
    module = directory / name
    module.parent.mkdir(parents=True)
    module.write_text(text + "\n", encoding="utf-8")
    return violations(directory)


def test_the_product_keeps_the_rules() -> None:
    assert [] == violations(ROOT)


def test_a_function_of_the_limit_is_allowed_and_its_docstring_is_free(tmp_path: Path) -> None:
    text = _function(FUNCTION_LINES_MAX, "Say\n    what\n    comes back.")

    assert [] == _planted(tmp_path, "services/planted.py", text)


def test_a_function_one_line_longer_is_caught(tmp_path: Path) -> None:
    found = _planted(tmp_path, "services/planted.py", _function(FUNCTION_LINES_MAX + 1))

    assert ["services/planted.py:1: planted has 51 lines"] == found


def test_a_module_of_the_limit_is_allowed_and_one_line_more_is_caught(tmp_path: Path) -> None:
    allowed = "\n".join(["1"] * MODULE_LINES_MAX)

    assert [] == _planted(tmp_path / "a", "shared/planted.py", allowed)
    assert ["shared/planted.py: 401 lines"] == _planted(tmp_path / "b", "shared/planted.py", allowed + "\n1")


@pytest.mark.parametrize(
    "name", ["shared/utils.py", "services/aging/helpers/time.py", "barometer/manager.py"]
)
def test_a_name_that_says_nothing_is_caught(tmp_path: Path, name: str) -> None:
    assert ["says nothing"] == [found[-12:] for found in _planted(tmp_path, name, "1")]


@pytest.mark.parametrize("caught", ["except Exception:", "except (ValueError, BaseException):", "except:"])
def test_catching_everything_is_caught(tmp_path: Path, caught: str) -> None:
    found = _planted(tmp_path, "services/planted.py", f"try:\n    1\n{caught}\n    pass")

    assert ["services/planted.py:3: catches everything"] == [each.partition(",")[0] for each in found]


def test_cleaning_up_and_raising_on_is_allowed(tmp_path: Path) -> None:
    text = "try:\n    1\nexcept BaseException:\n    close()\n    raise"

    assert [] == _planted(tmp_path, "services/planted.py", text)
