"""The lock files pin everything and name no index: they install from whatever the machine is configured for."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_python_package_is_pinned_with_hashes_and_without_an_address(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.findall(r"^(\S+)==", text, re.MULTILINE)
    assert len(packages) > 40
    assert len(packages) <= text.count("--hash=sha256:")
    assert not re.search(r"://|--(?:extra-)?index-url|--find-links", text)


def test_every_node_package_is_pinned_with_a_hash_and_without_an_address() -> None:
    lock = json.loads((ROOT / "tests/playground/discord_js/package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert "node_modules/discord.js" in packages
    assert [name for name, package in packages.items() if "integrity" not in package] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
