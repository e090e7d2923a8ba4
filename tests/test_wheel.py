"""What is built from the repository holds all that the programs need, offline."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.flow
def test_the_wheel_holds_the_demo_models_the_page_and_the_notices(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("bot", "engine"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    build = "import setuptools.build_meta as build; build.build_wheel('wheels')"
    subprocess.run([sys.executable, "-c", build], cwd=tree, capture_output=True, timeout=120, check=True)
    (wheel,) = (tree / "wheels").glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "bot", "engine"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    assert [name for name in tracked if name not in held] == []
    for model in ("model", "upscaler"):
        assert any(name.endswith(f"licenses/engine/demo/{model}/LICENSE.noto-emoji.txt") for name in held)
