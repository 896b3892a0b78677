"""Every error maps to the exit code that the README promises."""

import re
from pathlib import Path

import pytest

from mitobench import errors

README = Path(__file__).parents[2] / "README.md"
CODES = {
    errors.MitobenchError: 1,
    errors.ContractError: 1,
    errors.UsageError: 2,
    errors.DataError: 3,
    errors.MissingError: 4,
    errors.RegressionError: 6,
    errors.ResourceError: 5,
    errors.DeviceMemoryError: 5,
}


def test_every_error_has_a_code_and_there_are_no_others():
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert set(classes) == set(CODES)
    assert sorted(errors.__all__) == sorted(["INTERRUPTED", *(c.__name__ for c in classes)])


@pytest.mark.parametrize(("error", "code"), CODES.items())
def test_the_code_is_that_of_the_class(error, code):
    assert error("x").exit_code == code
    assert issubclass(error, errors.MitobenchError)
    assert error.__doc__


def test_the_readme_lists_every_code():
    section = README.read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)} == {
        0,
        *CODES.values(),
        errors.INTERRUPTED,
    }


def test_what_was_interrupted_has_a_code_that_no_error_has_and_that_is_written_once():
    assert errors.INTERRUPTED == 130
    assert errors.INTERRUPTED not in CODES.values()
    sources = [path for folder in ("core", "cli", "plugins") for path in (README.parent / folder).rglob("*.py")]
    assert [p.name for p in sources if re.search(r"INTERRUPTED\b.*= *\d", p.read_text(encoding="utf-8"))] == [
        "errors.py"
    ]


def test_a_full_device_is_a_resource_that_ran_out():
    assert issubclass(errors.DeviceMemoryError, errors.ResourceError)
