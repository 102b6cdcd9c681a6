"""What a model is asked so that its answer has a form: in the question's language, as the answer is
to be.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...base.text import is_chinese, turn_text

Turns = Sequence[Mapping[str, Any]]
Prompt = tuple[str, str]
"""A text for an English question, and the one for a Chinese question."""

JSON_ONLY: Final = (
    "Answer with JSON only: no explanation, no code fence.",
    "只输出 JSON，不要解释，不要用代码块。",
)
ROWS_ONLY: Final = (
    "Answer with a JSON array only, one object for each row, no explanation.",
    "只输出一个 JSON 数组，每行数据是一个对象，不要解释。",
)
_CORRECTION: Final = (
    "The answer above cannot be read: {error}\nCorrect it. {instruction}",
    "上面的回答无法解析：{error}\n请改正。{instruction}",
)


def in_language_of(turns: Turns, prompt: Prompt) -> str:
    """Return a prompt in the language of the last question of a conversation."""
    texts = [turn_text(turn) for turn in turns if turn["role"] == "user"]
    corrections = tuple(text.partition("{")[0] for text in _CORRECTION)
    return prompt[
        is_chinese(next((text for text in reversed(texts) if not text.startswith(corrections)), ""))
    ]


def correction_turns(
    answer: str, error: ValueError, instruction: str, turns: Turns
) -> list[dict[str, Any]]:
    """Return the turns that ask once more: the answer, and what was wrong with it.

    Args:
        answer: the text that cannot be read.
        error: what is wrong with it.
        instruction: the form that it must have.
        turns: the conversation, in whose language is asked.
    """
    prompt = in_language_of(turns, _CORRECTION).format(error=error, instruction=instruction)
    return [{"role": "assistant", "content": answer or "…"}, {"role": "user", "content": prompt}]
