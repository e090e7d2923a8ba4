from bot.jobs.states import MOVES, UNFINISHED, JobState, sources


def test_every_state_has_its_moves_and_every_unfinished_one_can_end() -> None:
    assert set(MOVES) == set(JobState)
    ends = set(JobState) - UNFINISHED
    assert ends == {JobState.POSTED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}
    for state in UNFINISHED:
        assert MOVES[state] & ends or MOVES[state] & UNFINISHED


def test_the_sources_of_a_state_are_the_moves_read_backwards() -> None:
    for target in JobState:
        assert sources(target) == {state for state in JobState if target in MOVES[state]}


def test_nothing_is_posted_that_was_not_about_to_be() -> None:
    assert sources(JobState.POSTED) == {JobState.POSTING}
    assert sources(JobState.POSTING) == {JobState.GENERATED}
    assert JobState.CANCELLED not in MOVES[JobState.POSTING]
