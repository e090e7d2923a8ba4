"""Who may import whom. The two programs share engine/wire and nothing else."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TORCH = {"torch", "torchvision", "diffusers", "transformers", "open_clip", "accelerate", "safetensors"}
TRAINING = "engine/demo/training/"
TORCH_FOLDERS = ("engine/worker/", "engine/models/", "engine/tasks/", "engine/prompts/", TRAINING)
TORCH_FILES = ("engine/clip.py", "engine/safety.py")


def modules(*folders: str) -> list[str]:
    return sorted(
        path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py")
    )


def imports(module: str) -> Iterator[str]:
    """Every module name that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            yield node.module or ""


def roots(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(module)}


@pytest.mark.parametrize("module", modules("bot"))
def test_the_bot_knows_the_engine_only_by_its_wire(module: str) -> None:
    of_the_engine = {name for name in imports(module) if name.split(".")[0] == "engine"}
    assert of_the_engine <= {"engine.wire"}
    assert not roots(module) & (TORCH | {"numpy"})


@pytest.mark.parametrize("module", modules("engine"))
def test_the_engine_knows_nothing_of_chats_and_databases(module: str) -> None:
    assert not roots(module) & {"bot", "discord", "sqlalchemy", "alembic"}


@pytest.mark.parametrize("module", modules("engine"))
def test_torch_stays_where_drawing_happens(module: str) -> None:
    if not module.startswith(TORCH_FOLDERS) and module not in TORCH_FILES:
        assert not roots(module) & TORCH


@pytest.mark.parametrize("module", [name for name in modules("engine") if not name.startswith(TRAINING)])
def test_the_product_does_not_import_the_training(module: str) -> None:
    assert not {name for name in imports(module) if name.startswith("engine.demo")}


@pytest.mark.parametrize("module", modules("bot/jobs", "bot/history"))
def test_jobs_and_history_do_not_know_discord(module: str) -> None:
    assert "discord" not in roots(module)


@pytest.mark.parametrize(
    "module", [name for name in modules("bot") if not name.startswith("bot/playground/")]
)
def test_only_a_trial_knows_the_playground(module: str) -> None:
    knows = any(name.startswith("bot.playground") for name in imports(module))
    assert not knows or module in {
        "bot/__main__.py",
        "bot/cli/programs.py",
        "bot/cli/trial.py",
        "bot/trial.py",
    }


@pytest.mark.parametrize("entry", ["bot.__main__", "bot.cli"])
def test_the_bot_for_the_real_discord_never_loads_the_playground(entry: str) -> None:
    code = f"import sys, {entry}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert not [name for name in run.stdout.split() if name.startswith("bot.playground")]


def test_the_command_line_waits_for_no_library_that_a_picture_does_not_need() -> None:
    code = "import sys, bot.cli; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert not {"discord", "sqlalchemy", "alembic", "torch"} & set(run.stdout.split())


def test_a_package_that_is_imported_for_its_wire_brings_nothing_along() -> None:
    assert (ROOT / "engine/__init__.py").read_text() == ""


@pytest.mark.parametrize(
    ("entry", "forbidden"),
    [
        ("bot.__main__", {"torch", "diffusers"}),
        ("engine.__main__", {"pydantic", "aiohttp", "engine.config"}),  # the worker is started first
        ("engine.program", {"torch", "diffusers", "discord"}),
        (
            "engine.worker.program",
            {"cv2", "open_clip", "spandrel", "timm", "diffusers.pipelines.auto_pipeline"},
        ),
    ],
)
def test_a_program_starts_without_what_it_does_not_need(entry: str, forbidden: set[str]) -> None:
    code = f"import sys, {entry}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert not forbidden & set(run.stdout.split())
