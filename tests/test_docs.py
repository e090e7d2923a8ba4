"""What the documents claim is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FILE = re.compile(r"`((?:bot|engine|tests|docs|bench|\.ci)/[\w./-]+?)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
MAKE = re.compile(r"^ {4}make (\w+)", re.MULTILINE)
DARKROOM = re.compile(r"`?darkroom (\w+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    named = [ROOT / name for name in FILE.findall(text)]
    linked = [document.parent / name for name in LINK.findall(text)]
    assert [str(path) for path in named + linked if not path.exists()] == []


def hops() -> list[tuple[str, str]]:
    """File and description of each hop in docs/architecture.md."""
    rows = re.findall(
        r"^\| (\d+) \| `([^`]+)` \| (.+) \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE
    )
    assert [int(number) for number, _, _ in rows] == list(range(1, len(rows) + 1))
    return [(file, what) for _, file, what in rows]


def test_one_imagine_takes_twelve_hops_or_fewer() -> None:
    assert 8 <= len(hops()) <= 12


@pytest.mark.parametrize(("file", "what"), hops())
def test_a_hop_defines_what_it_is_said_to_define(file: str, what: str) -> None:
    source = (ROOT / file).read_text()
    names = re.findall(r"`(\w+)`", what.split(":")[0])
    assert names
    assert [name for name in names if not re.search(rf"(class|def) {name}\b", source)] == []


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for document in DOCUMENTS for name in MAKE.findall(document.read_text())}
    assert named >= {"try", "test"}
    assert named <= targets


def test_every_command_in_the_documents_exists() -> None:
    known = subprocess.run(
        [sys.executable, "-m", "bot.cli", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    ).stdout
    fenced = "\n".join(
        line for document in DOCUMENTS for line in document.read_text().splitlines() if "darkroom " in line
    )
    named = set(re.findall(r"(?:^ {4}|`|bin/)darkroom (\w+)", fenced, re.MULTILINE))
    assert named >= {"try", "run", "generate", "doctor"}
    assert [name for name in named if not re.search(rf"^\W*{name}\b", known, re.MULTILINE)] == []


def traps() -> list[tuple[str, str]]:
    """File and name of each test in docs/traps.md."""
    rows = re.findall(r"^\| .+ \| (.+) \|$", (ROOT / "docs/traps.md").read_text(), re.MULTILINE)
    return [tuple(row.strip("`").split("::")) for row in rows if row != "Test"]


@pytest.mark.parametrize(("file", "name"), traps())
def test_a_trap_has_the_test_that_is_named_for_it(file: str, name: str) -> None:
    source = (ROOT / file).read_text()
    assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE)


def test_every_trap_has_a_test() -> None:
    lines = [line for line in (ROOT / "docs/traps.md").read_text().splitlines() if line.startswith("| ")]
    assert len(lines) == len(traps()) + 1  # and the heading
    assert len(traps()) >= 30


def test_ci_runs_what_the_readme_tells_people_to_run() -> None:
    assert "make test" in (ROOT / ".ci/run").read_text()
    assert "    make test" in (ROOT / "README.md").read_text()
