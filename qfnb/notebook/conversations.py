"""Named conversations, which last beyond the kernel: list, open, undo, fork, export, delete."""

from __future__ import annotations

import contextlib
import html
import inspect
import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import config
from ..base.language import tr, tr_noop, trn
from ..base.text import clip, did_you_mean, labelled, listed, near_miss, turn_text
from ..batching.fork_safe_sqlite import open_database, open_for_step, prepare_tables
from ..errors import InvalidArgumentError, QianfanError
from ..resources.inference.arguments import Messages
from . import parser
from .verb_magic import listing

if TYPE_CHECKING:
    import pandas as pd

    from ..resources.inference.reply import ChatResponse


FILE_NAME: Final = "conversations.db"
SCHEMA_VERSION: Final = 1

_TABLES: Final = """
create table if not exists conversation(
    id integer primary key, name text not null, created real not null, updated real not null);
create table if not exists turn(
    conversation integer not null, position integer not null, content text not null,
    primary key(conversation, position)) without rowid;
"""

Turn = dict[str, Any]


class ConversationsError(QianfanError):
    """The file of the conversations cannot be used."""


@dataclass(frozen=True)
class StoredConversation:
    """One conversation; times in Unix seconds."""

    id: int
    name: str
    turns: int
    updated: float


class ConversationStore:
    """The conversations in a file; those in memory, without one, end with the kernel.

    Args:
        path: the SQLite file, created with the first conversation; None for memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._memory: sqlite3.Connection | None = None
        if path is None:
            memory = open_database(":memory:", isolation_level=None)
            self._memory = prepare_tables(memory, _TABLES, SCHEMA_VERSION)

    def begin(self, name: str) -> int:
        """Begin a conversation; return its number."""
        now = time.time()
        query = "insert into conversation(name, created, updated) values (?, ?, ?) returning id"
        ((number,),) = self._run(query, name, now, now)
        return int(number)

    def add(self, id_: int, turns: Sequence[Turn]) -> bool:
        """Add turns at the end, all of them or none; return False where the conversation was
        deleted.
        """
        with self._open() as database, database:
            database.execute("begin immediate")
            change = "update conversation set updated = ? where id = ?"
            if not database.execute(change, (time.time(), id_)).rowcount:
                return False
            query = "select coalesce(max(position), -1) + 1 from turn where conversation = ?"
            start = database.execute(query, (id_,)).fetchone()[0]
            rows = []
            for n, turn in enumerate(turns, start):
                rows.append((id_, n, json.dumps(turn, ensure_ascii=False, default=str)))
            database.executemany("insert into turn values (?, ?, ?)", rows)
            return True

    def read(self, id_: int) -> list[Turn]:
        """Return the turns of a conversation, in their order."""
        query = "select content from turn where conversation = ? order by position"
        return [json.loads(content) for (content,) in self._run(query, id_)]

    def cut(self, id_: int, length: int) -> None:
        """Remove the turns from a position on."""
        self._run("delete from turn where conversation = ? and position >= ?", id_, length)

    def delete(self, id_: int) -> None:
        """Delete a conversation with its turns."""
        self._run("delete from conversation where id = ?", id_)
        self.cut(id_, 0)

    def list_all(self) -> list[StoredConversation]:
        """Return all conversations, the latest first."""
        if self.path is not None and not self.path.exists():
            return []
        query = """select id, name, count(turn.position), updated
            from conversation left join turn on turn.conversation = id group by id
            order by updated desc, id desc"""
        return [StoredConversation(*row) for row in self._run(query)]

    def find(self, key: str) -> list[StoredConversation]:
        """Return the conversations with a name, the latest first, or the one with a number.

        Raises:
            InvalidArgumentError: there is none.
        """
        rows = self.list_all()
        matches = [row for row in rows if row.name == key]
        matches = matches or [row for row in rows if str(row.id) == key]
        if not matches:
            hint = did_you_mean(key, [row.name for row in rows])
            raise InvalidArgumentError(
                tr(
                    "no conversation {name!r} is stored{hint} (`%qfchat list` shows all)",
                    name=key,
                    hint=hint,
                )
            )
        return matches

    def _run(self, query: str, *values: object) -> list[Any]:
        with self._open() as database:
            return database.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one step, so that no kernel keeps it.

        Raises:
            ConversationsError: it cannot be used.
        """
        if self.path is None:
            assert self._memory is not None
            yield self._memory
            return
        try:
            with open_for_step(self.path, _TABLES, SCHEMA_VERSION) as database:
                yield database
        except (sqlite3.Error, OSError, ValueError) as error:
            raise ConversationsError(
                tr(
                    "the conversations cannot be read or written: {path}: {reason}",
                    path=self.path,
                    reason=error,
                )
            ) from None


VERBS = {
    "open": "open NAME",
    "list": "list",
    "delete": "delete NAME",
    "history": "history [NAME]",
    "sessions": "sessions",
    "undo": "undo NAME",
    "fork": "fork NAME NEW",
    "export": "export NAME FILE(.json|.jsonl|.md)",
    "forget": "forget NAME",
}

COMMANDS = {**VERBS, "alias": "alias NAME MODEL"}
"""Name -> how it is typed."""

NO_SESSION = tr_noop(
    "this kernel has no conversation: `%%qfchat --session NAME` begins one, `%qfchat open NAME` "
    "opens a stored one"
)

log = logging.getLogger("qfnb.chat")


class Conversations:
    """The conversations of a notebook: each name stands for one that this kernel has begun or
    opened.

    They are on disk (`keep_conversations`), so another kernel can open them; a kernel that runs a
    notebook again begins new ones, and the earlier ones stay.
    """

    def __init__(self) -> None:
        self._bound: dict[str, tuple[ConversationStore, int]] = {}
        self._memory = ConversationStore(None)

    def __contains__(self, name: object) -> bool:
        return name in self._bound

    def __iter__(self) -> Iterator[str]:
        return iter(self._bound)

    def __getitem__(self, name: str) -> Messages:

        if name not in self._bound:
            names = listed(self._bound) or tr("none yet")
            raise InvalidArgumentError(
                tr(
                    "no conversation {name!r} in this kernel; there are: {names}",
                    name=name,
                    names=names,
                )
            )
        return Messages(self.turns(name))

    def turns(self, name: str | None) -> Sequence[Turn]:
        """Return the turns of a conversation, those that other kernels have added too; none for a
        new name, or without one.
        """
        if name not in self._bound:
            return ()
        conversations, id_ = self._bound[name]
        return conversations.read(id_)

    def store(self, name: str | None, turns: Sequence[Turn], reply: ChatResponse) -> None:
        """Add a question, the last of the turns, and its reply to a conversation; without a name to
        none.

        What cannot be written stays in memory: an answer that has come is not lost.
        """
        if not name:
            return
        messages = Messages(turns)
        messages.append(reply)
        new_turns = list(messages)[len(turns) - 1 :]
        try:
            is_kept = name in self._bound and self._add(name, new_turns)
            if not is_kept:  # it is new, or another kernel has deleted it
                self._begin(name, list(messages))
        except ConversationsError as error:
            log.warning("%s", tr("{error}\nthis conversation ends with the kernel", error=error))
            self._begin(name, list(messages), self._memory)

    def reset(self, name: str | None) -> None:
        """Begin anew under a name; what was said stays on disk. An unknown name is ignored."""
        self._bound.pop(name or "", None)

    @staticmethod
    def _on_disk() -> ConversationStore:
        return ConversationStore(config.state_dir() / FILE_NAME)

    def _begin(
        self, name: str, turns: Sequence[Turn], conversations: ConversationStore | None = None
    ) -> None:
        """Begin a conversation with turns, where the settings want it or in a given place."""
        if conversations is None:
            is_kept = config.settings().keep_conversations
            conversations = self._on_disk() if is_kept else self._memory
        self._bound[name] = conversations, conversations.begin(name)
        self._add(name, turns)

    def _add(self, name: str, turns: Sequence[Turn]) -> bool:
        conversations, id_ = self._bound[name]
        return conversations.add(id_, turns)

    def names_behind(self, verb: str) -> list[str]:
        """Return the names that a verb takes: of stored conversations, or of those of this
        kernel.
        """
        if verb in {"open", "delete"}:
            return list(dict.fromkeys(row.name for row in self._on_disk().list_all()))
        if verb in {*VERBS} - {"sessions", "list"}:
            return list(self)
        return []

    def run_command(self, words: list[str]) -> Any:
        """Run a command such as `fork tour other`; return the value to show.

        Raises:
            InvalidArgumentError: the conversation is unknown, or the file cannot be written.
        """
        return getattr(self, f"_{words[0]}")(*words[1:])

    def is_command(self, words: list[str]) -> bool:
        """Return whether a line is a command with its arguments, and not a question.

        Raises:
            InvalidArgumentError: a command lacks its arguments, or one word is nearly a command.
        """
        if not words:
            return False
        verb, *arguments = words
        if verb in COMMANDS:
            try:
                inspect.signature(getattr(self, f"_{verb}")).bind(*arguments)
            except TypeError:
                if arguments:
                    return False
                usage = tr("usage: %qfchat {verbs}", verbs=COMMANDS[verb])
                raise InvalidArgumentError(usage) from None
            return True
        match = near_miss(verb, COMMANDS)
        if match and (not arguments or arguments[0] in self):
            text = tr(
                "{word!r} is not a verb of {magic}; did you mean {match}?",
                word=verb,
                magic="%qfchat",
                match=match,
            )
            question = tr("\nto ask a model: %%qfchat, and the question on the line below")
            raise InvalidArgumentError(
                f"{text}{question}\n{' '.join(['%qfchat', match, *arguments])}"
            )
        return False

    def _alias(self, name: str = "", model: str = "") -> dict[str, str] | None:
        """Set a model's alias, or return all."""
        if aliases := parser.run_command([name, model] if model else []):
            return aliases
        print(tr("there is no alias: `%qfchat alias NAME MODEL` makes one"))  # noqa: T201 - what was asked for
        return None

    def _open(self, key: str) -> Any:
        from ..views.chat import ConversationView  # noqa: PLC0415

        conversations = self._on_disk()
        conversation = conversations.find(key)[0]
        self._bound[conversation.name] = conversations, conversation.id
        turns = tuple(conversations.read(conversation.id))
        return ConversationView(conversation.name, turns, conversation.updated)

    def _list(self) -> pd.DataFrame | None:
        conversations = self._on_disk()
        rows = []
        for row in conversations.list_all():
            first = next(iter(conversations.read(row.id)), {})
            updated = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.updated))
            begins = clip(" ".join(turn_text(first).split()), 40)
            rows.append((row.id, row.name, row.turns, updated, begins))
        when_empty = tr("no conversation is stored: `%%qfchat --session NAME` begins one")
        return _table(rows, ["id", "name", "turns", "updated", "begins"], when_empty)

    def _delete(self, key: str) -> str:
        """Delete a stored conversation; of several with one name the number must say which."""
        conversations = self._on_disk()
        matches = conversations.find(key)
        if len(matches) > 1:
            numbers = listed(str(row.id) for row in matches)
            raise InvalidArgumentError(
                tr(
                    "several conversations are named {name!r}: delete one by its number: {numbers}",
                    name=key,
                    numbers=numbers,
                )
            )
        row = matches[0]
        conversations.delete(row.id)
        for name, (bound_to, id_) in [*self._bound.items()]:
            if bound_to.path is not None and id_ == row.id:
                self._bound.pop(name)
        return tr("{name} is deleted", name=f"{row.name} ({row.id})")

    def _history(self, name: str = "") -> pd.DataFrame | None:
        rows = []
        for conversation in [name] if name else self:
            for turn, message in enumerate(self[conversation]):
                reasoning = message.get("reasoning_content", "")
                content = turn_text(message)
                rows.append((conversation, turn, message["role"], content, reasoning))
        columns = ["conversation", "turn", "role", "content", "reasoning"]
        table = _table(rows, columns, tr(NO_SESSION))
        if table is None or table["reasoning"].any():
            return table
        return table.drop(columns="reasoning")

    def _sessions(self) -> pd.DataFrame | None:
        rows = [(name, len(self.turns(name))) for name in self]
        return _table(rows, ["conversation", "turns"], tr(NO_SESSION))

    def _undo(self, name: str) -> str:
        """Remove the last question and its answer."""
        turns = list(self[name])
        while turns and turns.pop()["role"] != "user":
            pass
        conversations, id_ = self._bound[name]
        conversations.cut(id_, len(turns))
        return labelled(name, trn("{n} turn", "{n} turns", len(turns)))

    def _fork(self, name: str, new: str) -> str:
        if new in self:
            raise InvalidArgumentError(
                tr("the conversation {name!r} exists already: forget it first", name=new)
            )
        turns = list(self[name])
        self._begin(new, turns)
        count = trn("{n} turn", "{n} turns", len(turns))
        return tr("{new}: {turns}, from {name}", new=new, turns=count, name=name)

    def _forget(self, name: str) -> str:
        self[name]
        conversations, id_ = self._bound.pop(name)
        conversations.delete(id_)
        return tr("{name} is forgotten", name=name)

    def _export(self, name: str, file: str) -> Path:
        turns = list(self[name])
        path = Path(file).expanduser()
        writers = {".json": _as_json, ".jsonl": _as_jsonl, ".md": _as_markdown}
        if path.suffix not in writers:
            suffixes = listed(writers)
            raise InvalidArgumentError(
                tr("export {file!r}: the file must end in {suffixes}", file=file, suffixes=suffixes)
            )
        try:
            path.write_text(writers[path.suffix](turns), encoding="utf-8")
        except OSError as error:
            raise InvalidArgumentError(
                tr(
                    "export {file!r}: the file cannot be written: {reason}",
                    file=file,
                    reason=error.strerror,
                )
            ) from None
        return path


def _table(rows: Sequence[object], columns: list[str], when_empty: str) -> pd.DataFrame | None:
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    return listing(pd.DataFrame(rows, columns=columns), when_empty)


def _as_json(turns: list[Turn]) -> str:
    return json.dumps(turns, ensure_ascii=False, indent=2) + "\n"


def _as_jsonl(turns: list[Turn]) -> str:
    """Return pairs of prompt and response, a line each, as a dataset reads them."""
    text = ""
    question = ""
    for turn in turns:
        if turn["role"] == "user":
            question = turn_text(turn)
        # calls of functions are no answers
        elif turn["role"] == "assistant" and not turn.get("tool_calls"):
            pair = {"prompt": question, "response": turn_text(turn)}
            text += json.dumps(pair, ensure_ascii=False) + "\n"
    return text


def _as_markdown(turns: list[Turn]) -> str:
    parts = []
    for turn in turns:
        parts.append(f"**{turn['role']}**")
        if reasoning := html.escape(turn.get("reasoning_content", "")):
            parts.append(f"<details><summary>reasoning</summary>\n\n{reasoning}\n\n</details>")
        parts.append(turn_text(turn))
    return "\n\n".join(parts) + "\n"
