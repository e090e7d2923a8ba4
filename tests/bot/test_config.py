"""A wrong setting is one sentence that names the key; a secret is never part of it."""

import logging
import stat
from pathlib import Path

import pytest

from bot.config import discord_token, link_token, load
from bot.errors import Misconfigured, unexpected
from bot.log import HIDDEN, RedactingFormatter


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in os.environ:
        if name.startswith("DARKROOM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def sentence(text: str) -> str:
    file = Path("settings.toml")
    file.write_text(text)
    with pytest.raises(Misconfigured) as wrong:
        load(file)
    return str(wrong.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[dicsord]", "dicsord is not a setting; did you mean discord."),
        ('[discord]\ntokn = "s3cret"', "discord.tokn is not a setting; did you mean discord.token."),
        ("zzz = 1", "zzz is not a setting."),
        ("[limits]\njobs_per_person = 0", "limits.jobs_per_person must be at least 1; it was 0."),
        ("[limits]\njobs_per_person = 101", "limits.jobs_per_person must be at most 100; it was 101."),
        ("[limits]\nwait_hours = 0", "limits.wait_hours must be more than 0; it was 0."),
        (
            '[limits]\njobs_per_person = "many"',
            "limits.jobs_per_person must be a whole number; it was 'many'.",
        ),
        (
            '[log]\nlevel = "loud"',
            "log.level must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'; it was 'loud'.",
        ),
        ('[link]\nurl = "box"', "link.url must begin with http:// or https://; it was 'box'."),
        ("[paths]\ndata = 5", "paths.data must be a path in quotes; it was 5."),
        (
            "[discord]\nsync_guilds = 5",
            "discord.sync_guilds must be a list in square brackets; it was 5.",
        ),
        (
            "discord = 5",
            "discord must be a table: write [discord] on a line of its own and its settings below.",
        ),
    ],
)
def test_a_wrong_setting_names_the_key_the_limit_and_the_value(text: str, said: str) -> None:
    assert sentence(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "[discord]\ntoken = 53211",
        '[discord.token]\nvalue = "53211"',
        'discord = "53211"',
        "[history]\nurl = 53211",
        '[link]\ntoken = ["53211"]',
    ],
)
def test_a_secret_is_never_part_of_the_sentence(text: str) -> None:
    assert "53211" not in sentence(text)


def test_broken_toml_is_told_with_its_line() -> None:
    said = sentence("[link]\nurl = \n")
    assert said.startswith("settings.toml is not valid TOML: ")
    assert "line 2" in said


def test_a_file_that_is_not_text_is_said_so() -> None:
    Path("settings.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured, match="not a text file"):
        load(Path("settings.toml"))


def test_a_missing_file_is_told_by_name() -> None:
    with pytest.raises(Misconfigured, match=r"There is no settings file nowhere\.toml\."):
        load(Path("nowhere.toml"))


def test_without_a_file_everything_has_a_default() -> None:
    assert load(None).limits.jobs_per_person == 5


def test_config_toml_in_the_working_folder_is_read_unasked() -> None:
    Path("config.toml").write_text("[limits]\njobs_per_person = 7\n")
    assert load(None).limits.jobs_per_person == 7


def test_a_variable_comes_before_the_file_and_leaves_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("config.toml").write_text("[limits]\njobs_per_person = 7\ncrashes = 3\n")
    monkeypatch.setenv("DARKROOM_LIMITS__JOBS_PER_PERSON", "9")
    limits = load(None).limits
    assert (limits.jobs_per_person, limits.crashes) == (9, 3)


def test_an_unknown_variable_of_a_table_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_LINK__URI", "http://x")
    with pytest.raises(Misconfigured, match=r"link\.uri is not a setting; did you mean link\.url\."):
        load(None)


def test_a_variable_that_cannot_be_a_table_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_LINK", "s3cret")
    with pytest.raises(Misconfigured) as wrong:
        load(None)
    assert "s3cret" not in str(wrong.value)


def test_the_engines_table_is_left_to_the_engine() -> None:
    Path("config.toml").write_text('[engine]\nanything = "goes"\n')
    assert load(None).engine == {"anything": "goes"}


def test_a_missing_bot_token_says_where_to_get_one() -> None:
    with pytest.raises(Misconfigured, match=r"^discord\.token is not set: .*developers/applications"):
        discord_token(load(None))


def test_settings_do_not_print_their_secrets() -> None:
    Path("config.toml").write_text('[discord]\ntoken = "s3cret"\n')
    settings = load(None)
    assert discord_token(settings) == "s3cret"
    assert "s3cret" not in repr(settings)


def test_the_link_token_is_made_once_and_is_private() -> None:
    settings = load(None)
    token = link_token(settings)
    assert len(token) >= 32
    assert link_token(settings) == token
    file = Path("data/engine.token")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["engine.token"]


def test_a_link_token_in_the_settings_is_used_as_it_is() -> None:
    Path("config.toml").write_text('[link]\ntoken = "shared"\n')
    assert link_token(load(None)) == "shared"
    assert not Path("data").exists()


def test_the_data_folder_is_made_for_its_owner_alone() -> None:
    link_token(load(None))
    assert stat.S_IMODE(Path("data").stat().st_mode) == 0o700


def test_an_empty_token_file_is_told_by_name() -> None:
    Path("data").mkdir()
    Path("data/engine.token").touch()
    with pytest.raises(Misconfigured, match=r"data/engine\.token is empty"):
        link_token(load(None))


def test_a_data_folder_that_cannot_be_made_is_told_by_name() -> None:
    Path("data").write_text("a file")
    with pytest.raises(Misconfigured, match=r"data/engine\.token cannot be used"):
        link_token(load(None))


@pytest.mark.parametrize(
    "text",
    [
        "PATCH https://discord.com/api/v10/webhooks/123/s3cret-t0ken_x/messages/@original failed",
        "POST /interactions/123/s3cret-t0ken_x/callback",
        "Authorization: Bearer s3cret-t0ken_x",
        "MTAxMDEwMTAxMDEwMTAxMDEw.GabcDE.s3cret-t0ken_xs3cret-t0ken_x",
        "logging in with our-own-s3cret-t0ken_x",
    ],
)
def test_tokens_are_taken_out_of_the_log(text: str) -> None:
    record = logging.LogRecord("bot", logging.INFO, __file__, 1, text, None, None)
    line = RedactingFormatter(["our-own-s3cret-t0ken_x"]).format(record)
    assert "s3cret-t0ken_x" not in line
    assert HIDDEN in line


def test_the_unexpected_shows_a_reference_and_is_logged_with_it(caplog: pytest.LogCaptureFixture) -> None:
    said = unexpected(ValueError("inner secrets"), doing="testing")
    reference = said.removeprefix("Something broke (ref ").removesuffix(").")
    assert len(reference) == 6
    assert f"ref {reference}: failed while testing" in caplog.text
    assert "inner secrets" in caplog.text
    assert "inner secrets" not in said
