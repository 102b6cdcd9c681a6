"""Named conversations, kept until the kernel ends: list, undo, fork, export, forget."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._language import tr, trn
from ..errors import InvalidArgumentError

if TYPE_CHECKING:
    import pandas as pd

    from ..resources.inference.arguments import Messages
    from ..resources.inference.reply import ChatResponse

VERBS = {
    "history": "history [SESSION]",
    "sessions": "sessions",
    "undo": "undo SESSION",
    "fork": "fork SESSION NEW",
    "export": "export SESSION FILE(.json|.jsonl|.md)",
    "forget": "forget SESSION",
}


class Sessions:
    """All named conversations of a notebook."""

    def __init__(self) -> None:
        self._conversations: dict[str, Messages] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._conversations

    def __iter__(self) -> Any:
        return iter(self._conversations)

    def __getitem__(self, name: str) -> Messages:
        if name not in self._conversations:
            names = ", ".join(self._conversations) or tr("none yet")
            raise InvalidArgumentError(tr("unknown session {name!r}; sessions: {names}", name=name, names=names))
        return self._conversations[name]

    def turns(self, name: str) -> Iterable[dict[str, Any]]:
        """Return the turns of a conversation, none for a new name."""
        return self._conversations.get(name, ())

    def store(self, name: str | None, turns: Iterable[dict[str, Any]], reply: ChatResponse) -> None:
        """Remember a conversation and its last reply under a name; without a name nothing is remembered."""
        from ..resources.inference.arguments import Messages  # noqa: PLC0415 - %load_ext stays fast

        if name:
            self._conversations[name] = Messages(turns)
            self._conversations[name].append(reply)

    def forget(self, name: str | None) -> None:
        """Forget a conversation; an unknown name is ignored."""
        if name:
            self._conversations.pop(name, None)

    def run_command(self, words: list[str]) -> Any:
        """Run a command such as `fork tour other`; return the value to show.

        Raises:
            InvalidArgumentError: the session is unknown, or the file cannot be written.
        """
        verb, arguments = words[0], words[1:]
        return getattr(self, f"_{verb}")(*arguments)

    def is_command(self, words: list[str]) -> bool:
        """Return whether a line is a command with its arguments, and not a question.

        Raises:
            InvalidArgumentError: a command lacks its arguments.
        """
        counts = {"history": (0, 1), "sessions": (0, 0), "undo": (1, 1), "fork": (2, 2), "export": (2, 2)}
        low, high = counts.get(words[0], (1, 1)) if words and words[0] in VERBS else (1, 0)
        if len(words) == 1 and words[0] in VERBS and low > 0:
            raise InvalidArgumentError(tr("usage: %qfchat {verbs}", verbs=VERBS[words[0]]))
        return low <= len(words) - 1 <= high

    def _history(self, name: str | None = None) -> pd.DataFrame:
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

        names = [name] if name else list(self._conversations)
        rows = [
            {
                "session": session,
                "turn": turn,
                "role": message["role"],
                "content": _turn_text(message),
                "reasoning": message.get("reasoning_content", ""),
            }
            for session in names
            for turn, message in enumerate(self[session])
        ]
        frame = pd.DataFrame(rows, columns=["session", "turn", "role", "content", "reasoning"])
        return frame if frame["reasoning"].any() else frame.drop(columns="reasoning")

    def _sessions(self) -> pd.DataFrame:
        import pandas as pd  # noqa: PLC0415

        rows = [{"session": name, "turns": len(turns)} for name, turns in self._conversations.items()]
        return pd.DataFrame(rows, columns=["session", "turns"])

    def _undo(self, name: str) -> str:
        """Remove the last question and its answer."""
        turns = list(self[name])
        while turns and turns.pop()["role"] != "user":
            pass
        self._conversations[name] = type(self[name])(turns)
        return trn("{name}: {n} turn", "{name}: {n} turns", len(turns), name=name)

    def _fork(self, name: str, new: str) -> str:
        if new in self._conversations:
            raise InvalidArgumentError(tr("the session {new!r} exists already: forget it first", new=new))
        self._conversations[new] = type(self[name])(self[name])
        return trn("{new}: {n} turn, from {name}", "{new}: {n} turns, from {name}", len(self[name]), new=new, name=name)

    def _forget(self, name: str) -> str:
        self[name]
        self.forget(name)
        return tr("{name} is forgotten", name=name)

    def _export(self, name: str, file: str) -> Path:
        turns, path = list(self[name]), Path(file).expanduser()
        as_json = lambda turns: json.dumps(turns, ensure_ascii=False, indent=2) + "\n"  # noqa: E731
        writers = {".json": as_json, ".jsonl": _as_jsonl, ".md": _as_markdown}
        if path.suffix not in writers:
            raise InvalidArgumentError(
                tr("export {file!r}: the file must end in {suffixes}", file=file, suffixes=", ".join(writers))
            )
        try:
            path.write_text(writers[path.suffix](turns), encoding="utf-8")
        except OSError as error:
            raise InvalidArgumentError(
                tr("export {file!r}: the file cannot be written: {reason}", file=file, reason=error.strerror)
            ) from None
        return path


def _content_text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "[image]")) for part in content)
    return str(content or "")


def _turn_text(turn: dict[str, Any]) -> str:
    """Return what a turn says, and the functions that it calls."""
    calls = [call.get("function") or {} for call in turn.get("tool_calls") or ()]
    lines = [f"→ {call.get('name', '')}({call.get('arguments', '')})" for call in calls]
    return "\n".join(filter(None, [_content_text(turn.get("content")), *lines]))


def _as_jsonl(turns: list[dict[str, Any]]) -> str:
    """Return pairs of prompt and response, a line each, as a dataset reads them."""
    lines, question = [], ""
    for turn in turns:
        if turn["role"] == "user":
            question = _content_text(turn["content"])
        elif turn["role"] == "assistant" and not turn.get("tool_calls"):  # calls of functions are no answers
            lines.append({"prompt": question, "response": _content_text(turn["content"])})
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _as_markdown(turns: list[dict[str, Any]]) -> str:
    return "\n\n".join(f"**{turn['role']}**\n\n{_folded_reasoning(turn)}{_turn_text(turn)}" for turn in turns) + "\n"


def _folded_reasoning(turn: dict[str, Any]) -> str:
    reasoning = html.escape(turn.get("reasoning_content", ""))
    return f"<details><summary>reasoning</summary>\n\n{reasoning}\n\n</details>\n\n" if reasoning else ""
