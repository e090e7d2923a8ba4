"""What holds for all tests, also where several processes share them (`make test`)."""

import shlex
import sys
from collections.abc import Sequence

import execnet
import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: Sequence[execnet.XSpec]) -> None:
    """Start xdist's workers in Python's development mode if we are in it: they inherit no -X options."""
    if sys.flags.dev_mode:
        for spec in specs:
            spec.python = shlex.join([sys.executable, "-X", "dev"])
