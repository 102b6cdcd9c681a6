"""Named conversations, which last beyond the kernel: list, open, undo, fork, export, delete."""

from __future__ import annotations

import contextlib
import html
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
from ..base.text import clip, did_you_mean, labelled, near_miss, turn_text
from ..batching.fork_safe_sqlite import open_database, open_for_step, prepare_tables
from ..errors import InvalidArgumentError, QianfanError
from .verb_magic import listing

if TYPE_CHECKING:
    import pandas as pd

    from ..resources.inference.arguments import Messages
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
    created: float
    updated: float


class ConversationStore:
    """The conversations in a file; those in memory, without one, end with the kernel.

    Args:
        path: the SQLite file, created with the first conversation; None for memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path:
            memory = None
        else:
            memory = open_database(":memory:", isolation_level=None)
        if memory is None:
            self._memory = None
        else:
            self._memory = prepare_tables(memory, _TABLES, SCHEMA_VERSION)

    def begin(self, name: str) -> int:
        """Begin a conversation; return its number."""
        with self._open() as database:
            now = time.time()
            values = (name, now, now)
            row = database.execute(
                "insert into conversation(name, created, updated) values (?, ?, ?)", values
            )
            return int(row.lastrowid or 0)

    def add(self, id_: int, turns: Sequence[Turn]) -> bool:
        """Add turns at the end, all of them or none; return False where the conversation was
        deleted.
        """
        with self._open() as database, _transaction(database):
            if not database.execute(
                "update conversation set updated = ? where id = ?", (time.time(), id_)
            ).rowcount:
                return False
            query = "select coalesce(max(position), -1) + 1 from turn where conversation = ?"
            start = database.execute(query, (id_,)).fetchone()[0]
            rows = [
                (id_, n, json.dumps(turn, ensure_ascii=False, default=str))
                for n, turn in enumerate(turns, start)
            ]
            database.executemany("insert into turn values (?, ?, ?)", rows)
            return True

    def read(self, id_: int) -> list[Turn]:
        """Return the turns of a conversation, in their order."""
        with self._open() as database:
            query = "select content from turn where conversation = ? order by position"
            return [
                json.loads(content) for (content,) in database.execute(query, (id_,)).fetchall()
            ]

    def cut(self, id_: int, length: int) -> None:
        """Remove the turns from a position on."""
        with self._open() as database:
            database.execute(
                "delete from turn where conversation = ? and position >= ?", (id_, length)
            )

    def delete(self, id_: int) -> None:
        """Delete a conversation with its turns."""
        with self._open() as database, _transaction(database):
            database.execute("delete from turn where conversation = ?", (id_,))
            database.execute("delete from conversation where id = ?", (id_,))

    def list_all(self) -> list[StoredConversation]:
        """Return all conversations, the latest first."""
        if self.path is not None and not self.path.exists():
            return []
        with self._open() as database:
            query = """select id, name, count(turn.position), created, updated
                from conversation left join turn on turn.conversation = id group by id
    order by updated desc, id desc"""
            return [StoredConversation(*row) for row in database.execute(query).fetchall()]

    def find(self, key: str) -> StoredConversation:
        """Return the conversation with a number, or the latest with a name.

        Raises:
            InvalidArgumentError: there is none.
        """
        rows = self.list_all()
        matches = [row for row in rows if row.name == key] or [
            row for row in rows if str(row.id) == key
        ]
        if not matches:
            hint = did_you_mean(key, [row.name for row in rows])
            raise InvalidArgumentError(
                tr(
                    "no conversation {name!r} is stored{hint} (`%qfchat list` shows all)",
                    name=key,
                    hint=hint,
                )
            )
        return matches[0]

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one step, so that no kernel keeps it.

        Raises:
            ConversationsError: it cannot be used.
        """
        if self._memory is not None:
            yield self._memory
            return
        assert self.path is not None
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


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("begin immediate")
    try:
        yield
    except BaseException:
        database.execute("rollback")
        raise
    database.execute("commit")


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

    def __iter__(self) -> Any:
        return iter(self._bound)

    def __getitem__(self, name: str) -> Messages:
        from ..resources.inference.arguments import Messages  # noqa: PLC0415 - %load_ext stays fast

        if name not in self._bound:
            names = tr(", ").join(self._bound) or tr("none yet")
            raise InvalidArgumentError(
                tr(
                    "no conversation {name!r} in this kernel; there are: {names}",
                    name=name,
                    names=names,
                )
            )
        return Messages(self.turns(name))

    def turns(self, name: str) -> Sequence[dict[str, Any]]:
        """Return the turns of a conversation, those that other kernels have added too; none for a
        new name.
        """
        if name not in self._bound:
            return ()
        conversations, id_ = self._bound[name]
        return conversations.read(id_)

    def store(self, name: str | None, turns: Sequence[dict[str, Any]], reply: ChatResponse) -> None:
        """Add a question, the last of the turns, and its reply to a conversation; without a name to
        none.

        What cannot be written stays in memory: an answer that has come is not lost.
        """
        from ..resources.inference.arguments import Messages  # noqa: PLC0415

        if not name:
            return
        messages = Messages(turns)
        messages.append(reply)
        try:
            conversations, id_ = self._bound.get(name) or self._begin(name, self._preferred())
            # another kernel has deleted it
            if not conversations.add(id_, list(messages)[len(turns) - 1 :]):
                conversations, id_ = self._begin(name, conversations)
                conversations.add(id_, list(messages))
        except ConversationsError as error:
            log.warning("%s", tr("{error}\nthis conversation ends with the kernel", error=error))
            conversations, id_ = self._begin(name, self._memory)
            conversations.add(id_, list(messages))

    def reset(self, name: str | None) -> None:
        """Begin anew under a name; what was said stays on disk. An unknown name is ignored."""
        if name:
            self._bound.pop(name, None)

    def _preferred(self) -> ConversationStore:
        if config.settings().keep_conversations:
            return self._on_disk()
        return self._memory

    @staticmethod
    def _on_disk() -> ConversationStore:
        return ConversationStore(config.state_dir() / FILE_NAME)

    def _begin(self, name: str, conversations: ConversationStore) -> tuple[ConversationStore, int]:
        self._bound[name] = conversations, conversations.begin(name)
        return self._bound[name]

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
        verb = words[0]
        arguments = words[1:]
        return getattr(self, f"_{verb}")(*arguments)

    def is_command(self, words: list[str]) -> bool:
        """Return whether a line is a command with its arguments, and not a question.

        Raises:
            InvalidArgumentError: a command lacks its arguments, or one word is nearly a command.
        """
        if (
            words
            and (len(words) == 1 or words[1] in self)
            and (match := near_miss(words[0], [*VERBS, "alias"]))
        ):
            raise InvalidArgumentError(
                tr(
                    "{word!r} is not a verb of {magic}; did you mean {match}?",
                    word=words[0],
                    magic="%qfchat",
                    match=match,
                )
                + tr("\nto ask a model: %%qfchat, and the question on the line below")
                + f"\n{' '.join(['%qfchat', match, *words[1:]])}"
            )
        counts = {
            "history": (0, 1),
            "sessions": (0, 0),
            "list": (0, 0),
            "fork": (2, 2),
            "export": (2, 2),
        }
        low, high = counts.get(words[0], (1, 1)) if words and words[0] in VERBS else (1, 0)
        if len(words) == 1 and words[0] in VERBS and low > 0:
            raise InvalidArgumentError(tr("usage: %qfchat {verbs}", verbs=VERBS[words[0]]))
        return low <= len(words) - 1 <= high

    def _open(self, key: str) -> Any:
        from ..views.chat import ConversationView  # noqa: PLC0415

        conversations = self._on_disk()
        conversation = conversations.find(key)
        self._bound[conversation.name] = conversations, conversation.id
        return ConversationView(
            conversation.name, tuple(conversations.read(conversation.id)), conversation.updated
        )

    def _list(self) -> pd.DataFrame:
        import pandas as pd  # noqa: PLC0415

        conversations = self._on_disk()
        rows = []
        for row in conversations.list_all():
            first = next(iter(conversations.read(row.id)), {})
            updated = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.updated))
            begins = clip(" ".join(turn_text(first).split()), 40)
            rows.append(
                {
                    "id": row.id,
                    "name": row.name,
                    "turns": row.turns,
                    "updated": updated,
                    "begins": begins,
                }
            )
        table = pd.DataFrame(rows, columns=["id", "name", "turns", "updated", "begins"])
        return listing(table, tr("no conversation is stored: `%%qfchat --session NAME` begins one"))

    def _delete(self, key: str) -> str:
        """Delete a stored conversation; of several with one name the number must say which."""
        conversations = self._on_disk()
        matches = [row for row in conversations.list_all() if row.name == key]
        if len(matches) > 1:
            numbers = tr(", ").join(str(row.id) for row in matches)
            raise InvalidArgumentError(
                tr(
                    "several conversations are named {name!r}: delete one by its number: {numbers}",
                    name=key,
                    numbers=numbers,
                )
            )
        if matches:
            row = matches[0]
        else:
            row = conversations.find(key)
        conversations.delete(row.id)
        for name, (bound_to, id_) in [*self._bound.items()]:
            if bound_to.path is not None and id_ == row.id:
                self._bound.pop(name)
        return tr("{name} is deleted", name=f"{row.name} ({row.id})")

    def _history(self, name: str | None = None) -> pd.DataFrame:
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

        if name:
            names = [name]
        else:
            names = list(self._bound)
        rows = [
            {
                "conversation": conversation,
                "turn": turn,
                "role": message["role"],
                "content": turn_text(message),
                "reasoning": message.get("reasoning_content", ""),
            }
            for conversation in names
            for turn, message in enumerate(self[conversation])
        ]
        frame = pd.DataFrame(rows, columns=["conversation", "turn", "role", "content", "reasoning"])
        return listing(
            frame if frame["reasoning"].any() else frame.drop(columns="reasoning"), tr(NO_SESSION)
        )

    def _sessions(self) -> pd.DataFrame:
        import pandas as pd  # noqa: PLC0415

        rows = [{"conversation": name, "turns": len(self.turns(name))} for name in self._bound]
        return listing(pd.DataFrame(rows, columns=["conversation", "turns"]), tr(NO_SESSION))

    def _undo(self, name: str) -> str:
        """Remove the last question and its answer."""
        turns = list(self[name])
        while turns and turns.pop()["role"] != "user":
            pass
        conversations, id_ = self._bound[name]
        conversations.cut(id_, len(turns))
        return labelled(name, trn("{n} turn", "{n} turns", len(turns)))

    def _fork(self, name: str, new: str) -> str:
        if new in self._bound:
            raise InvalidArgumentError(
                tr("the conversation {name!r} exists already: forget it first", name=new)
            )
        turns = list(self[name])
        conversations, id_ = self._begin(new, self._preferred())
        conversations.add(id_, turns)
        return tr(
            "{new}: {turns}, from {name}",
            new=new,
            turns=trn("{n} turn", "{n} turns", len(turns)),
            name=name,
        )

    def _forget(self, name: str) -> str:
        self[name]
        conversations, id_ = self._bound.pop(name)
        conversations.delete(id_)
        return tr("{name} is forgotten", name=name)

    def _export(self, name: str, file: str) -> Path:
        turns = list(self[name])
        path = Path(file).expanduser()
        as_json = lambda turns: json.dumps(turns, ensure_ascii=False, indent=2) + "\n"  # noqa: E731
        writers = {".json": as_json, ".jsonl": _as_jsonl, ".md": _as_markdown}
        if path.suffix not in writers:
            raise InvalidArgumentError(
                tr(
                    "export {file!r}: the file must end in {suffixes}",
                    file=file,
                    suffixes=tr(", ").join(writers),
                )
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


def _as_jsonl(turns: list[dict[str, Any]]) -> str:
    """Return pairs of prompt and response, a line each, as a dataset reads them."""
    lines = []
    question = ""
    for turn in turns:
        if turn["role"] == "user":
            question = turn_text(turn)
        # calls of functions are no answers
        elif turn["role"] == "assistant" and not turn.get("tool_calls"):
            lines.append({"prompt": question, "response": turn_text(turn)})
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _as_markdown(turns: list[dict[str, Any]]) -> str:
    return (
        "\n\n".join(
            f"**{turn['role']}**\n\n{_folded_reasoning(turn)}{turn_text(turn)}" for turn in turns
        )
        + "\n"
    )


def _folded_reasoning(turn: dict[str, Any]) -> str:
    reasoning = html.escape(turn.get("reasoning_content", ""))
    if reasoning:
        return f"<details><summary>reasoning</summary>\n\n{reasoning}\n\n</details>\n\n"
    return ""
