"""The command line as an operator and a script use it: real processes, exit codes, one sentence each."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from tests.engine.tiny_esrgan import make_tiny_upscaler

pytestmark = pytest.mark.flow

ROOT = Path(__file__).parents[2]
TOKEN = "this-is-not-a-token-and-must-never-be-shown"


def darkroom(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder` as a person would, without our own settings in the environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    return subprocess.run(
        [sys.executable, "-m", "bot.cli", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env=clean | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
    )


def test_once_types_a_command_saves_the_picture_and_prints_one_line_of_json(tmp_path: Path) -> None:
    done = darkroom(
        "try", "--once", "/imagine prompt:a hamster steps:5 count:2", "--out", "pictures", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert told["state"] == "posted"
    assert told["job"]
    assert len(told["files"]) == 2
    assert (
        0 < told["seconds"]["acknowledged"] <= told["seconds"]["first_progress"] <= told["seconds"]["posted"]
    )
    for file in told["files"]:
        with Image.open(tmp_path / file) as picture:
            assert picture.size == (256, 256)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("/imagine prompt:a hamster steps:100000", "steps must be at most 150; you gave 100000."),
        ("/imagine prompt:a hamster model:dall-e", "There is no model called"),
        ("/paint a hamster", "paint"),
    ],
)
def test_once_fails_in_words_where_nothing_can_be_posted(tmp_path: Path, command: str, sentence: str) -> None:
    done = darkroom("try", "--once", command, "--out", "pictures", folder=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "pictures").exists()


def test_once_says_at_once_what_is_no_command(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[engine]\nqueue = 0\n")  # an engine would not start with it
    done = darkroom("try", "--once", "a hamster", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == ("A command begins with a slash and its name, such as /imagine prompt:a hamster.\n")


def test_a_trial_prints_one_address_serves_the_page_there_and_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "try"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as trial:
        try:
            assert trial.stdout is not None
            line = trial.stdout.readline()
            (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", line)
            with urllib.request.urlopen(address, timeout=10) as page:
                assert b"<html" in page.read()
            trial.send_signal(signal.SIGINT)
            assert trial.wait(timeout=60) == 0
        finally:
            trial.kill()


def test_generate_draws_without_a_chat(tmp_path: Path) -> None:
    first = darkroom(
        *("generate", "--prompt", "a hamster", "--seed", "5", "--steps", "4", "--out", "a.png"),
        folder=tmp_path,
    )
    assert first.returncode == 0, first.stderr
    assert first.stdout == "a.png\n"  # for `file=$(darkroom generate …)`
    again = darkroom(
        *("generate", "--prompt", "a hamster", "--seed", "5", "--steps", "4", "--out", "b.png"),
        folder=tmp_path,
    )
    assert again.returncode == 0, again.stderr
    # the files differ by their signatures
    with Image.open(tmp_path / "a.png") as one, Image.open(tmp_path / "b.png") as other:
        assert one.tobytes() == other.tobytes()
        assert one.info["parameters"] == other.info["parameters"]
    redrawn = darkroom(
        *("generate", "--prompt", "a hamster", "--init-image", "a.png", "--strength", "0.5", "--count", "2"),
        *("--steps", "4", "--out", "c.png"),
        folder=tmp_path,
    )
    assert redrawn.returncode == 0, redrawn.stderr
    with Image.open(tmp_path / "c-1.png") as picture:
        assert "Denoising strength: 0.5" in picture.info["parameters"]


def test_generate_needs_nothing_but_words_and_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "darkroom-7-1.png").touch()
    for words in (("a", "hamster"), ("--prompt", "a hamster")):
        drawn = darkroom("generate", *words, "--size", "64x64", "--steps", "1", folder=tmp_path)
        assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout == "darkroom-9.png\n"
    with Image.open(tmp_path / "darkroom-8.png") as picture:
        assert picture.info["parameters"].startswith("a hamster\n")
    # the operator's engine but for its spool: what it measured and compiled is there the next time
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"row-caps.json", "signing.pem"}
    both = darkroom("generate", "a", "hamster", "--prompt", "a cat", folder=tmp_path)
    assert (both.returncode, both.stderr) == (
        1,
        "prompt: say it behind the command or by --prompt, not both.\n",
    )


def test_a_terminated_generate_leaves_no_folder_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    own = {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), "DARKROOM_LOG__LEVEL": "INFO"}
    with subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "generate", "a", "hamster"],
        cwd=tmp_path,
        env=os.environ | own,
        stderr=subprocess.PIPE,
        text=True,
    ) as drawing:
        try:
            assert drawing.stderr is not None
            assert any("listening" in line for line in drawing.stderr)
            assert list(temporary.glob("darkroom-*"))
            drawing.terminate()
            drawing.stderr.read()
            assert drawing.wait(timeout=60) == 128 + signal.SIGTERM
        finally:
            drawing.kill()
    assert not list(temporary.glob("darkroom-*"))


def test_what_is_said_beside_a_picture_goes_to_stderr_as_it_stands(tmp_path: Path) -> None:
    drawn = darkroom(
        *("generate", "--prompt", "a giraffe", "--size", "64x64", "--steps", "2", "--out", "a.png"),
        folder=tmp_path,
    )
    assert drawn.stdout == "a.png\n"
    (line,) = [line for line in drawn.stderr.splitlines() if line.strip()]
    assert line.startswith("This model does not know “giraffe”.")
    assert line.endswith("the README says how.")


def test_the_best_of_several_is_kept_and_described(tmp_path: Path) -> None:
    prompt = "a hamster on a blue background"
    drawn = darkroom(
        *("generate", "--prompt", prompt, "--seed", "5", "--steps", "8", "--best-of", "3", "--out", "a.png"),
        folder=tmp_path,
    )
    assert drawn.returncode == 0, drawn.stderr
    with Image.open(tmp_path / "a.png") as file:
        record = json.loads(file.info["darkroom"])
    assert record["seed"] in (5, 6, 7)
    assert record["score"] > 0.3
    told = darkroom("describe", "a.png", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "blue background" in told.stdout


def test_what_nobody_can_check_is_not_drawn(tmp_path: Path) -> None:
    refused = darkroom(
        "generate", "--prompt", "a cat", "--safety", "block", "--out", "a.png", folder=tmp_path
    )
    assert refused.returncode == 1
    assert "there is no safety checker for demo: nothing is shown unchecked." in refused.stderr
    assert not (tmp_path / "a.png").exists()


def test_an_operators_words_hold_back_what_they_name(tmp_path: Path) -> None:
    (tmp_path / "data" / "safety").mkdir(parents=True)
    (tmp_path / "data" / "safety" / "unsafe.txt").write_text("a blue background\n")
    (tmp_path / "data" / "safety" / "safe.txt").write_text("a red background\n")
    for colour, code in (("blue", 1), ("red", 0)):
        drawn = darkroom(
            *("generate", "--prompt", f"a {colour} background", "--seed", "5", "--steps", "8"),
            *("--out", f"{colour}.png"),
            folder=tmp_path,
            environment={"DARKROOM_ENGINE__SAFETY": "block"},
        )
        assert drawn.returncode == code, drawn.stderr
        assert (tmp_path / f"{colour}.png").exists() is (code == 0)
        assert ("held every picture back" in drawn.stderr) is (code == 1)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_verify_tells_where_a_picture_comes_from(tmp_path: Path, name: str) -> None:
    prompt = "a hamster on a blue background"  # an unfinished or a white picture leaves a watermark no room
    options = ("--prompt", prompt, "--steps", "12", "--seed", "3", "--out", name)
    drawn = darkroom("generate", *options, folder=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    told = darkroom("verify", "--json", name, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["recipe"]["prompt"] == prompt
    assert found["source_type"] == "trainedAlgorithmicMedia"
    assert found["signature"]["state"] == "ours"
    assert [mark["text"] for mark in found["watermarks"]] == ["DRKROM"]
    assert "nothing was changed since" in darkroom("verify", name, folder=tmp_path).stdout


def test_generate_draws_larger_and_processes_what_is_there(tmp_path: Path) -> None:
    make_tiny_upscaler(tmp_path / "data" / "upscalers" / "tiny.safetensors")
    drawn = darkroom(
        *("generate", "--prompt", "a hamster", "--size", "64x64", "--steps", "2", "--seed", "5"),
        *("--hires", "1.5:lanczos", "--post", "sharpen amount=1", "--out", "a.png"),
        folder=tmp_path,
    )
    assert drawn.returncode == 0, drawn.stderr
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (96, 96)
        assert "Hires upscaler: Lanczos" in picture.info["parameters"]
    enlarged = darkroom(
        *("generate", "--init-image", "a.png", "--upscale", "tiny:3", "--post", "crop width=100 height=50"),
        *("--out", "b.png"),
        folder=tmp_path,
    )
    assert enlarged.returncode == 0, enlarged.stderr
    with Image.open(tmp_path / "b.png") as picture:
        assert picture.size == (100, 50)
        assert "Postprocess upscale by: 3, Postprocess upscaler: tiny" in picture.info["parameters"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--steps", "100000"), "steps must be between 1 and 150; it was 100000."),
        (("--strength", "0.5"), "strength needs an image to start from"),
        (("--init-image", "missing.png"), "missing.png: No such file or directory."),
        (("--init-image", "empty.png"), "image: the file is empty."),
        (("--out", "x.gif"), "out: the name must end in .png, .jpg, .jpeg or .webp; it was x.gif."),
        (("--out", "."), "out: . is a folder; give the name of a file in it, such as picture.png."),
        (("--out", "empty.png/x.png"), "empty.png cannot be written to: Not a directory."),
        (("--out", "/proc/x.png"), "out: /proc cannot be written to: "),
    ],
)
def test_generate_refuses_in_words(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    (tmp_path / "empty.png").touch()
    done = darkroom("generate", "--prompt", "x", "--out", "x.png", *arguments, folder=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.png").exists()


def test_every_command_explains_itself(tmp_path: Path) -> None:
    for name in ("try", "run", "bot", "engine", "generate", "describe", "verify", "doctor", "version"):
        told = darkroom(name, "--help", folder=tmp_path)
        assert told.returncode == 0, told.stderr
        assert f" {name} [OPTIONS]" in told.stdout


@pytest.mark.parametrize("command", ["run", "bot", "engine"])
def test_a_typo_in_the_settings_is_one_sentence_and_an_exit_code(tmp_path: Path, command: str) -> None:
    (tmp_path / "config.toml").write_text("[engine]\ntreads = 4\n[discrod]\n")
    done = darkroom(command, folder=tmp_path)
    assert done.returncode == os.EX_CONFIG
    assert "is not a setting" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_token_is_one_sentence_that_says_where_to_get_one(tmp_path: Path) -> None:
    done = darkroom("bot", folder=tmp_path)
    assert done.returncode == os.EX_CONFIG
    assert done.stderr.startswith("discord.token is not set: copy the token from the Bot page")
    assert len(done.stderr.splitlines()) == 1


def test_a_port_in_use_is_one_sentence_and_an_exit_code(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = darkroom("engine", folder=tmp_path, environment={"DARKROOM_LINK__URL": url})
    assert done.returncode == os.EX_UNAVAILABLE
    assert str(url.rpartition(":")[2]) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_names_what_is_missing_and_shows_no_secret(tmp_path: Path) -> None:
    done = darkroom("doctor", folder=tmp_path, environment={"DARKROOM_DISCORD__TOKEN": TOKEN})
    assert done.returncode == 1
    assert "WRONG  engine         never started here" in done.stdout
    assert "ok     engine.*       the engine accepts its settings" in done.stdout
    assert "ok     discord.token" in done.stdout
    assert list(tmp_path.iterdir()) == []  # it only looks
    assert TOKEN not in done.stdout + done.stderr


def test_the_doctor_passes_on_what_the_engine_says_of_its_settings(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[engine]\nqueue = 0\n")
    done = darkroom("doctor", folder=tmp_path)
    assert done.returncode == 1
    assert "engine.queue must be at least 1; it was 0." in done.stdout


def test_run_without_a_token_says_so_before_anything_is_started(tmp_path: Path) -> None:
    done = darkroom("run", folder=tmp_path)
    assert done.returncode == os.EX_CONFIG
    assert done.stderr.startswith("discord.token is not set")
    assert len(done.stderr.splitlines()) == 1
