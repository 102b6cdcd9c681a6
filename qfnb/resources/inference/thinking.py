"""`think=`: one switch, sent in the one spelling that a model takes."""

from collections.abc import Mapping
from typing import Any

from ..._notices import warn_once
from ...base.language import tr, tr_noop
from ...base.text import did_you_mean, format_value
from ...errors import InvalidArgumentError
from ...wire.base import JsonObject
from ...wire.catalog import CatalogModel

Think = bool | int | str
"""True or False, an effort, or the number of tokens for thinking."""

EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")

SPELLINGS = ("thinking", "enable_thinking", "thinking_budget", "reasoning_effort")
"""The platform's own fields, one of which `think=` becomes."""

CUT_WHILE_THINKING = tr_noop(
    "Cut off while thinking, no answer: raise max_completion_tokens, or think less "
    '(think="low", a number of tokens, or think=False)'
)

_LENGTHS = ("max_output_tokens", "max_tokens")
"""Names of the longest answer without its thinking: v1's and v2's."""


def validate_think(options: Mapping[str, Any]) -> Think | None:
    """Return the value of `think=` in these options, None where it is not set.

    Raises:
        InvalidArgumentError: it is no bool, effort or positive number, or one of its spellings is
            set, too.
    """
    think = options.get("think")
    if think is None:
        return None
    if spelling := next((name for name in SPELLINGS if options.get(name) is not None), None):
        raise InvalidArgumentError(
            tr(
                "think= and {spelling}=: set one of them; think= becomes what the model takes",
                spelling=spelling,
            )
        )
    is_valid = think in EFFORTS if isinstance(think, str) else isinstance(think, int) and think >= 0
    if not is_valid:
        value = think if isinstance(think, (int, float)) else format_value(think)
        suggestion = did_you_mean(think, EFFORTS, "'{}'") if isinstance(think, str) else ""
        raise InvalidArgumentError(
            tr(
                "think={value}: must be True, False, a number of tokens from 1 or one of "
                "{efforts}{suggestion}",
                value=value,
                efforts=tr(", ").join(EFFORTS),
                suggestion=suggestion,
            )
        )
    return bool(think) if think == 0 else think


def parse_think(text: str) -> Think:
    """Return the value of `think=` from a word: on, off, an effort or a number of tokens.

    Raises:
        InvalidArgumentError: it is something else.
    """
    if text in EFFORTS:
        return text
    if not is_think_level(text):
        raise InvalidArgumentError(
            tr(
                "--think {text}: must be on, off, a number of tokens or one of {efforts}",
                text=text,
                efforts=tr(", ").join(EFFORTS),
            )
            + did_you_mean(text, ("on", "off", *EFFORTS))
        )
    if text in {"on", "off"}:
        return {"on": True, "off": False}[text]
    return int(text)


def is_think_level(text: str) -> bool:
    """Return whether a word is a value of `parse_think`."""
    return text in {*EFFORTS, "on", "off"} or (text.isascii() and text.isdigit())


def with_thinking(
    options: Mapping[str, Any], name: str, model: CatalogModel | None, *, is_qianfan: bool
) -> JsonObject:
    """Return the options of a v2 request with `think=` as the model takes it; warn once where it
    takes none.

    Args:
        options: validated options.
        name: the model's id.
        model: its row of the catalogue, None if it is unknown.
        is_qianfan: False for another server with OpenAI's API.

    Source: platform page "deep thinking" (thinking, enable_thinking, thinking_budget,
    reasoning_effort).
    """
    think = validate_think(options)
    sent = {key: value for key, value in options.items() if key != "think"}
    if think is None:
        return sent
    if is_qianfan:
        fields = _fields(think, name, model)
    else:
        fields = _openai_fields(think, name)
    if "thinking_budget" in fields and "max_completion_tokens" not in sent:
        length = next((sent.pop(key) for key in _LENGTHS if key in sent), None)
        fields |= (
            {} if length is None else {"max_completion_tokens": length + fields["thinking_budget"]}
        )
    return {**sent, **fields}


def _fields(think: Think, name: str, model: CatalogModel | None) -> JsonObject:
    ability, efforts = (model.thinking, model.efforts) if model else ("", ())
    if ability == "no":
        return _send_nothing(tr("{name} does not think", name=name) if think is not False else "")
    if isinstance(think, str) and efforts:
        return {"reasoning_effort": think}
    if ability == "always":
        return _send_nothing(
            ""
            if think is True
            else tr("{name} always thinks, and takes no switch, level or budget", name=name)
        )
    if model is None and not isinstance(think, bool) and not _takes_enable_thinking(name, model):
        warn_once(
            tr(
                "nothing is known about the thinking of {name}: it is switched on, and {think} is "
                "not sent; "
                "if the model takes reasoning_effort= or thinking_budget=, set that instead of "
                "think=",
                name=name,
                think=format_value(think),
            )
        )
        think = True
    if _takes_enable_thinking(name, model):
        if isinstance(think, str):
            warn_once(
                tr(
                    "{name} has no levels of thinking: it just thinks; think=2000 would limit it "
                    "to 2000 tokens",
                    name=name,
                )
            )
        if type(think) is int:
            budget = {"thinking_budget": think}
        else:
            budget = {}
        return {"enable_thinking": think is not False, **budget}
    if not isinstance(think, bool):
        limit = tr("max_completion_tokens limits thinking and answer together")
        if isinstance(think, str):
            warn_once(
                tr(
                    "{name} has no levels of thinking: it just thinks; {limit}",
                    name=name,
                    limit=limit,
                )
            )
        else:
            warn_once(
                tr(
                    "{name} has no budget of thinking: it just thinks; {limit}",
                    name=name,
                    limit=limit,
                )
            )
    return {"thinking": {"type": "disabled" if think is False else "enabled"}}


def _takes_enable_thinking(name: str, model: CatalogModel | None) -> bool:
    """Return whether the switch is `enable_thinking`; models that are not in the catalogue go by
    their family.
    """
    if model is not None and model.thinking_field:
        return model.thinking_field == "enable_thinking"
    return name.lower().startswith("qwen")


def _openai_fields(think: Think, name: str) -> JsonObject:
    if type(think) is int:
        warn_once(
            tr(
                "{name} is not on Qianfan, where think= is a number of tokens: sending "
                "reasoning_effort='medium'",
                name=name,
            )
        )
    return {"reasoning_effort": think if isinstance(think, str) else "medium" if think else "none"}


def _send_nothing(reason: str) -> JsonObject:
    if reason:
        warn_once(tr("{reason}: think= is not sent", reason=reason))
    return {}
