"""A button's id says all that has to be known, for every job and after any restart."""

import re
from datetime import timedelta

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.history import PageButton
from bot.ui.buttons import Action, JobButton, custom_id, result_view, waiting_view
from bot.ui.debounce import WINDOW, Debounce
from engine.wire import JOB_ID_PATTERN
from tests.bot.samples import NOW, job

TEMPLATE = JobButton.__discord_ui_compiled_template__


@given(
    st.sampled_from(list(Action)),
    st.from_regex(JOB_ID_PATTERN, fullmatch=True),
    st.none() | st.integers(0, 3),
)
async def test_an_id_is_read_back_as_it_was_written(action: Action, job_id: str, index: int | None) -> None:
    key = custom_id(action, job_id.strip("\n"), index)
    assert len(key) <= 100
    match = TEMPLATE.fullmatch(key)
    assert match is not None
    assert (match["action"], match["job"]) == (action, job_id.strip("\n"))
    assert match["index"] == (None if index is None else str(index))


@pytest.mark.parametrize(
    "key",
    [
        "darkroom:burn:job-1",
        "darkroom:again:",
        "darkroom:again:a b",
        "other:again:job-1",
        "darkroom:history:3",
    ],
)
def test_other_ids_are_not_ours(key: str) -> None:
    assert TEMPLATE.fullmatch(key) is None


def test_the_pages_of_the_history_have_ids_of_their_own() -> None:
    assert re.fullmatch(PageButton.__discord_ui_compiled_template__, "darkroom:history:3")


async def test_one_picture_has_one_variation_button() -> None:
    assert looks(result_view(job())) == [("Again", 0), ("Variation", 0), ("Delete", 0)]


async def test_four_pictures_have_four_in_rows_that_discord_takes() -> None:
    assert looks(result_view(job(count=4))) == [
        ("Again", 0),
        ("V1", 0),
        ("V2", 0),
        ("V3", 0),
        ("V4", 0),
        ("Delete", 1),
    ]


async def test_a_job_under_way_can_be_cancelled() -> None:
    assert looks(waiting_view(job())) == [("Cancel", 0)]


async def test_views_are_not_kept_in_memory() -> None:
    assert waiting_view(job()).is_finished()
    assert result_view(job()).is_finished()


def looks(view: discord.ui.View) -> list[tuple[str | None, int]]:
    rows = view.to_components()
    return [(button["label"], number) for number, row in enumerate(rows) for button in row["components"]]


def test_the_second_press_within_two_seconds_is_a_repetition() -> None:
    now = NOW
    debounce = Debounce(clock=lambda: now)
    assert not debounce.again(7, "a")
    assert debounce.again(7, "a")
    assert not debounce.again(8, "a")
    assert not debounce.again(7, "b")
    now += WINDOW
    assert not debounce.again(7, "a")


def test_pressing_on_and_on_is_heard_every_two_seconds() -> None:
    now = NOW
    debounce = Debounce(clock=lambda: now)
    heard = 0
    for _ in range(9):
        heard += not debounce.again(7, "a")
        now += timedelta(seconds=0.5)
    assert heard == 3
