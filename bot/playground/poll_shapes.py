"""Polls in the JSON that Discord sends for them.

https://discord.com/developers/docs/resources/poll
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.playground.components import emoji
from bot.playground.guilds import User
from bot.playground.state import Json, Message

DURATION_H = 24  # where the bot said nothing


def opened(sent: Json, now: float) -> Json:
    """A poll as Discord answers it, from a body that was checked."""
    ends = datetime.fromtimestamp(now, UTC) + timedelta(hours=sent.get("duration") or DURATION_H)
    answers = [
        {"answer_id": number, "poll_media": _media(answer["poll_media"])}
        for number, answer in enumerate(sent["answers"], 1)
    ]
    return {
        "question": {"text": sent["question"]["text"]},
        "answers": answers,
        "allow_multiselect": bool(sent.get("allow_multiselect")),
        "layout_type": 1,
        "expiry": ends.isoformat(),
        "results": {"answer_counts": [], "is_finalized": False},
    }


def counts(message: Message, viewer: User) -> list[Json]:
    """The votes of every answer that has some; `me_voted` is about the viewer."""
    return [
        {"id": answer, "count": len(voters), "me_voted": viewer.id in voters}
        for answer, voters in sorted(message.votes.items())
        if voters
    ]


def result(message: Message) -> Json:
    """The embed of a POLL_RESULT. No victor where two answers are ahead.

    resources/message#embed-fields-by-embed-type-poll-result-embed-fields
    """
    poll = message.body["poll"]
    texts = {answer["answer_id"]: answer["poll_media"]["text"] for answer in poll["answers"]}
    votes = {answer: len(message.votes.get(answer, [])) for answer in texts}
    most = max(votes.values())
    ahead = [answer for answer, count in votes.items() if count == most and most]
    said: dict[str, Any] = {
        "poll_question_text": poll["question"]["text"],
        "victor_answer_votes": most,
        "total_votes": sum(votes.values()),
    }
    if len(ahead) == 1:
        said |= {"victor_answer_id": ahead[0], "victor_answer_text": texts[ahead[0]]}
    fields = [{"name": name, "value": str(value), "inline": False} for name, value in said.items()]
    return {"type": "poll_result", "fields": fields}


def _media(sent: Json) -> Json:
    return {
        "text": sent["text"],
        **({"emoji": {"id": None, **emoji(sent["emoji"])}} if sent.get("emoji") else {}),
    }
