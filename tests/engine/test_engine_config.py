import asyncio
import logging
import os
import signal
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import child, program
from engine.__main__ import main
from engine.config import Settings, load, make_data_folder, token_of
from engine.errors import Misconfigured
from engine.log import RedactingFormatter
from engine.program import worker_arguments


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def refusal(path: Path | None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(path, environ or {})
    return str(caught.value)


def test_without_a_file_everything_has_a_default() -> None:
    settings = load(None, {})
    assert settings == Settings()
    assert settings.address == ("127.0.0.1", 7801)
    assert settings.models_folder == Path("data/models")


def test_the_file_is_read_and_the_tables_of_the_bot_are_left_alone(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[engine]\nthreads = 3\nlisten = "127.0.0.1:9"\n[discord]\nanything = 1\n[limits]\n[history]\n',
    )
    settings = load(path, {})
    assert (settings.engine.threads, settings.address) == (3, ("127.0.0.1", 9))


def test_variables_go_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[engine]\nthreads = 3\nqueue = 7\n")
    environ = {
        "DARKROOM_ENGINE__THREADS": "5",
        "DARKROOM_DISCORD__TOKEN": "x",
        "DARKROOM_OTHER": "y",
        "HOME": "z",
    }
    settings = load(path, environ)
    assert (settings.engine.threads, settings.engine.queue) == (5, 7)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert refusal(path) == f"There is no configuration file {path}."


def test_broken_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    sentence = refusal(write(tmp_path, "[engine]\nthreads = = 3\n"))
    assert "is not valid TOML" in sentence
    assert "line 2" in sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[engine]\ntreads = 3", "engine.treads is not a setting; did you mean engine.threads?"),
        ("[engin]\nthreads = 3", "engin is not a setting; did you mean engine?"),
        ("[link]\nxyzzy = 3", "link.xyzzy is not a setting."),
        ("[engine]\nqueue = 0", "engine.queue must be at least 1; it was 0."),
        ("[engine]\nqueue = 100000", "engine.queue must be at most 1000; it was 100000."),
        ("[paths]\ndata = 5", "paths.data must be a path in quotes; it was 5."),
        ("[engine]\nthreads = 1.5", "engine.threads must be a whole number; it was 1.5."),
        ('[engine]\ngrace_s = "long"', "engine.grace_s must be a number; it was 'long'."),
        ("engine = 3", "engine must be a table; it was 3."),
        (
            '[engine]\ndtype = "float8"',
            "engine.dtype must be auto, float32, bfloat16 or float16; it was 'float8'.",
        ),
        (
            '[engine]\ndevice = "gpu"',
            "engine.device must be auto, cpu, mps, cuda or cuda:N; it was 'gpu'.",
        ),
        ('[engine]\nlisten = "7801"', "engine.listen must look like 127.0.0.1:7801; it was '7801'."),
        ('[link]\nurl = "localhost"', "link.url must look like http://127.0.0.1:7801; it was 'localhost'."),
        (
            '[link]\nurl = "http://h:99999"',
            "link.url must look like http://127.0.0.1:7801; it was 'http://h:99999'.",
        ),
        *(
            (
                f'[engine]\nwatermark = "{mark}"',
                "engine.watermark must be exactly 6 ASCII characters without spaces, or empty;"
                f" it was '{mark}'.",
            )
            for mark in ("short", "too long", "Häuser", "a cat!")
        ),
        ('[engine]\nsign = "maybe"', "engine.sign must be true or false; it was 'maybe'."),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    assert refusal(write(tmp_path, text)) == sentence


def test_a_wrong_variable_is_one_sentence() -> None:
    assert refusal(None, {"DARKROOM_ENGINE__QUEUE": "many"}) == (
        "engine.queue must be a whole number; it was 'many'."
    )


@pytest.mark.parametrize(
    "environ",
    [
        {"DARKROOM_ENGINE__LISTEN": "0.0.0.0:7801"},
        {"DARKROOM_LINK__URL": "http://engine.internal:7801"},
        {"DARKROOM_ENGINE__LISTEN": "[::]:7801", "DARKROOM_LINK__TOKEN": " "},
    ],
)
def test_the_engine_listens_to_others_only_with_a_token(environ: dict[str, str]) -> None:
    assert "set link.token" in refusal(None, environ)
    load(None, environ | {"DARKROOM_LINK__TOKEN": "secret"})


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    assert "12345" not in refusal(write(tmp_path, "[link]\ntoken = 12345"))
    settings = load(None, {"DARKROOM_LINK__TOKEN": "hunter2", "DARKROOM_DISCORD__TOKEN": "hunter3"})
    assert "hunter" not in repr(settings)


def test_the_token_file_is_made_once_and_only_for_us(tmp_path: Path) -> None:
    settings = load(None, {"DARKROOM_PATHS__DATA": str(tmp_path / "data")})
    with ThreadPoolExecutor() as pool:
        tokens = set(pool.map(lambda _: token_of(settings), range(8)))
    assert len(tokens) == 1
    assert len(tokens.pop()) >= 43
    assert stat.S_IMODE(settings.token_file.stat().st_mode) == 0o600
    assert list(settings.token_file.parent.iterdir()) == [settings.token_file]


def test_the_data_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    settings = load(None, {"DARKROOM_PATHS__DATA": str(tmp_path / "data"), "DARKROOM_LINK__TOKEN": "t"})
    make_data_folder(settings)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_the_token_of_the_settings_goes_before_the_file(tmp_path: Path) -> None:
    settings = load(None, {"DARKROOM_PATHS__DATA": str(tmp_path), "DARKROOM_LINK__TOKEN": "mine"})
    assert token_of(settings) == "mine"
    assert list(tmp_path.iterdir()) == []


def test_an_empty_token_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "engine.token").write_text("\n")
    with pytest.raises(Misconfigured, match="is empty"):
        token_of(load(None, {"DARKROOM_PATHS__DATA": str(tmp_path)}))


def test_a_wrong_configuration_ends_with_one_sentence_and_78_and_the_worker_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARKROOM_LINK__TOKEN", "secret")
    workers = []

    async def start(argv: Sequence[str], environ: Mapping[str, str]) -> Process:
        assert (argv, "DARKROOM_LINK__TOKEN" in environ) == (child.WORKER, False)
        workers.append(await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=PIPE))
        return workers[0]

    monkeypatch.setattr(child, "start", start)
    monkeypatch.setattr(child, "kill", Process.kill)  # it leads no session here
    assert main(["--config", str(write(tmp_path, "[engine]\ntreads = 3"))]) == 78
    assert capsys.readouterr().err == "engine.treads is not a setting; did you mean engine.threads?\n"
    assert [worker.returncode for worker in workers] == [-signal.SIGKILL]


def test_a_signal_while_the_front_is_still_imported_ends_both_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = []

    async def start(_argv: Sequence[str], _environ: Mapping[str, str]) -> Process:
        workers.append(await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=PIPE))
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        return workers[0]

    async def run(_file: Path | None, _worker: Process) -> int:
        await asyncio.Event().wait()  # as long as the signal takes
        return 70

    monkeypatch.setattr(child, "start", start)
    monkeypatch.setattr(child, "kill", Process.kill)  # it leads no session here
    monkeypatch.setattr(program, "run", run)
    assert main([]) == 0
    assert [worker.returncode for worker in workers] == [-signal.SIGKILL]


def test_a_machine_that_starts_no_process_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(child, "WORKER", ("/nowhere/python",))
    assert main([]) == 71
    assert capsys.readouterr().err == "The engine cannot start its worker: No such file or directory.\n"


def test_the_worker_gets_the_settings_and_none_of_the_secrets(tmp_path: Path) -> None:
    data = {"DARKROOM_PATHS__DATA": str(tmp_path / "data"), "DARKROOM_ENGINE__MODELS": str(tmp_path)}
    assert worker_arguments(load(None, data | {"DARKROOM_ENGINE__THREADS": "2"})) == [
        *("--models", str(tmp_path.resolve())),
        *("--wildcards", str(tmp_path.resolve() / "data" / "wildcards")),
        *("--loras", str(tmp_path.resolve().parent / "loras")),
        *("--embeddings", str(tmp_path.resolve().parent / "embeddings")),
        *("--vaes", str(tmp_path.resolve().parent / "vaes")),
        *("--clip", str(tmp_path.resolve() / "data" / "clip")),
        *("--safety-checker", str(tmp_path.resolve() / "data" / "safety")),
        *("--controls", str(tmp_path.resolve() / "data" / "controlnets")),
        *("--upscalers", str(tmp_path.resolve() / "data" / "upscalers")),
        *("--faces", str(tmp_path.resolve() / "data" / "faces")),
        *("--tiny", str(tmp_path.resolve() / "data" / "tiny")),
        *("--previews", "matrix"),
        *("--decoder", "own"),
        *("--device", "auto"),
        *("--dtype", "auto"),
        *("--threads", "2"),
        *("--max-rows", "0"),
        *("--speed", "exact"),
        *("--compiler", "auto"),
        *("--caps", str((tmp_path / "data" / "row-caps.json").resolve())),
        *("--compiled", str((tmp_path / "data" / "compiled").resolve())),
        *("--memory", "auto"),
        *("--model-cache", "auto"),
        *("--unload-minutes", "0.0"),
        "--watermark=DRKROM",
        *("--signing-key", str(tmp_path.resolve() / "data" / "signing.pem")),
    ]
    environ = child.environ_of({"PATH": "/bin", "DARKROOM_DISCORD__TOKEN": "secret"})
    assert environ["PATH"] == "/bin"
    assert environ["HF_HUB_OFFLINE"] == "1"
    assert "secret" not in environ.values()


def test_the_workers_threads_wait_awake_for_a_moment_only_unless_the_operator_says_more() -> None:
    assert child.environ_of({})["GOMP_SPINCOUNT"] == "1000"
    assert child.environ_of({"GOMP_SPINCOUNT": "7"})["GOMP_SPINCOUNT"] == "7"


def test_reproducible_means_one_image_a_tick() -> None:
    argv = worker_arguments(
        load(None, {"DARKROOM_ENGINE__REPRODUCIBLE": "true", "DARKROOM_ENGINE__MAX_ROWS": "8"})
    )
    assert argv[argv.index("--max-rows") + 1] == "1"


def test_memory_is_a_size_or_auto() -> None:
    assert load(None, {"DARKROOM_ENGINE__MEMORY": "6GB"}).engine.memory == "6GB"
    assert "--cpu-fallback" in worker_arguments(load(None, {"DARKROOM_ENGINE__CPU_FALLBACK": "true"}))
    with pytest.raises(
        Misconfigured, match=r"engine\.model_cache must be auto or look like 8GB; it was 'much'\."
    ):
        load(None, {"DARKROOM_ENGINE__MODEL_CACHE": "much"})


def test_what_is_switched_off_the_worker_hears_nothing_of() -> None:
    argv = worker_arguments(load(None, {"DARKROOM_ENGINE__SIGN": "false", "DARKROOM_ENGINE__WATERMARK": ""}))
    assert argv[-1] == "--watermark="


def test_a_damaged_signing_key_ends_with_one_sentence_and_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "signing.pem").write_text("no key")
    settings = f'[paths]\ndata = "{tmp_path}"\n[link]\ntoken = "mine"'
    assert main(["--config", str(write(tmp_path, settings))]) == 78
    assert "signing.pem is damaged: move it away, and a new one is made." in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["token hunter2", "Authorization: Bearer abc.def", f"{'M' * 26}.{'G' * 6}.{'x' * 38}"]
)
def test_tokens_are_taken_out_of_the_log(text: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (text,), None)
    line = RedactingFormatter(["hunter2", ""]).format(record)
    assert "[redacted]" in line
    assert not {"hunter2", "abc.def", "M" * 26} & set(line.split())


def test_a_compiler_that_is_not_installed_is_one_sentence_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    path = write(tmp_path, '[engine]\ncompiler = "openvino"\n')
    assert main(["--config", str(path), "--check"]) == 78
    assert capsys.readouterr().err == (
        "engine.compiler is 'openvino', but OpenVINO is not installed: .venv/bin/pip install openvino,"
        " or set it to 'auto'.\n"
    )
