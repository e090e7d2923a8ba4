"""A button's id says all that has to be known, for every job and after any restart."""

import re
from datetime import timedelta

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.history import PageButton
from bot.ui.actions import Action, custom_id
from bot.ui.buttons import JobButton, result_view, waiting_view
from bot.ui.debounce import WINDOW, Debounce
from engine.wire import JOB_ID_PATTERN, Sharpen, Task
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


async def test_under_one_picture_is_what_can_be_done_with_it_and_around_it() -> None:
    assert rows(result_view(job())) == [
        ["Again", "Variation", "Edit", "Upscale", "Zoom out"],
        ["◀", "▲", "▼", "▶", "Delete"],
    ]


async def test_each_of_four_pictures_has_its_own_in_rows_that_discord_takes() -> None:
    assert rows(result_view(job(count=4))) == [
        ["Again", "Edit"],
        ["V1", "V2", "V3", "V4"],
        ["U1", "U2", "U3", "U4", "Delete"],
    ]


async def test_what_was_not_drawn_cannot_be_drawn_again() -> None:
    post = (Sharpen(),)
    assert rows(result_view(job(task=Task.PROCESS, post=post)))[0] == ["Variation", "Upscale", "Zoom out"]
    assert rows(result_view(job(task=Task.PROCESS, post=post, prompt=""))) == [["Upscale", "Delete"]]
    assert rows(result_view(job(task=Task.DESCRIBE))) == [["Draw this", "Delete"]]
    assert rows(result_view(job(task=Task.UPSCALE))) == [["Again", "Edit", "Upscale", "Delete"]]


async def test_a_job_under_way_can_be_cancelled() -> None:
    assert rows(waiting_view(job())) == [["Cancel"]]


async def test_views_are_not_kept_in_memory() -> None:
    assert waiting_view(job()).is_finished()
    assert result_view(job()).is_finished()


def rows(view: discord.ui.View) -> list[list[str | None]]:
    return [[button["label"] for button in row["components"]] for row in view.to_components()]


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
