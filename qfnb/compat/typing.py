"""Types of the official SDK that users name."""

from enum import StrEnum


class QfRole(StrEnum):
    """Who speaks in a turn of a conversation."""

    User = "user"
    Assistant = "assistant"
    Function = "function"
