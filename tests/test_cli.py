"""What the command line makes of words."""

import argparse

import pytest

from fidip.commands.config_scripts import free_overrides


@pytest.mark.parametrize(
    ("rows", "opts", "expected"),
    [
        (["start", "real", "DATASET.ROOT", "data", "SEED", "3"], [], ["DATASET.ROOT", "data", "SEED", "3"]),
        (["start", "real"], ["SEED", "3"], ["SEED", "3"]),
        (["start", "real", "SEED", "3"], ["WORKERS", "0"], ["SEED", "3", "WORKERS", "0"]),
    ],
)
def test_an_option_with_many_words_leaves_the_overrides_alone(rows, opts, expected):
    arguments = free_overrides(argparse.Namespace(only=rows, opts=opts), "only")
    assert arguments.only == ["start", "real"] and arguments.opts == expected
