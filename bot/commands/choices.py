"""What Discord offers while an option is being typed."""

from collections.abc import Sequence

from discord.app_commands import Choice

from bot.menus import closest

MAX_CHOICES = 25  # Discord's limits on autocomplete: this many, and 100 characters each
MAX_CHOICE_CHARS = 100
Choices = list[Choice[str]]


def offered(typed: str, labels: Sequence[str], values: Sequence[str]) -> Choices:
    """The likeliest choices for what was typed. A value too long for Discord is left out."""
    by_label = dict(zip(labels, values, strict=True))
    return [
        Choice(name=label[:MAX_CHOICE_CHARS], value=by_label[label])
        for label in closest(typed, by_label, MAX_CHOICES)
        if len(by_label[label]) <= MAX_CHOICE_CHARS
    ]
