"""The rows of a dataset: stored in parts, and listed, annotated and deleted one by one.

A part is a file that is never changed, with the time from which it is visible. An import, a
cleaning or an augmentation adds a part; annotating or deleting a row replaces one. After a crash
the dataset's document names either the old part or the new one, and both files are complete.
"""

import csv
import io
import json
import re
import secrets
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from qfnb.wire import data as wire
from qfnb.wire.base import JsonObject
from qfnb.wire.data import FORMATS

from .http.call import Call, emulates, fields_of, page_by_offset
from .state.store import Document, Store
from .state.world import World

TEXT = "Text"
PROMPT = "Prompt"
IMAGE_FORMATS = {"PromptImage", "PromptImageResponse"}
ANSWER_KEYS = {"response", "chosen", "rejected"}

Turn = JsonObject


class InvalidRow(ValueError):
    """A row that cannot be imported, with the platform's error code and the reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def format_of_template(template: int) -> str:
    """Return v2's format of a template of v1."""
    return next(name for name, template_number in FORMATS.items() if template_number == template)


def normalize(value: Any, data_format: str, *, annotated: bool = True) -> Any:
    """Return a row in the platform's shape.

    Raises:
        InvalidRow: it is not a row of the format.
    """
    row = _normalize_shape(value, data_format, annotated)
    try:
        "".join(all_texts(row)).encode()
    except UnicodeEncodeError:
        raise InvalidRow(wire.BAD_CHARACTERS, "a text holds half of a surrogate pair") from None
    return row


def last_pair(row: Any) -> tuple[str, str]:
    """Return the last prompt and its first response; a text is a response without a prompt."""
    if isinstance(row, str):
        return "", row
    turn = _last_turn(row)
    answer = turn.get("response") or turn.get("chosen") or ""
    return turn.get("prompt", ""), _first_text(answer)


def _last_turn(row: Any) -> Any:
    if isinstance(row, list):
        return row[-1]
    return row


def judged_answers(row: Any) -> list[tuple[str, str, str]]:
    """Return (prompt, chosen, rejected) of a row's last turn, "" for an answer that it does not
    have.

    A ranking gives a row for each answer but the best one; a row of another kind gives none.
    """
    turn = _last_turn(row)
    if not isinstance(turn, dict) or "prompt" not in turn:
        return []
    prompt = turn["prompt"]
    if turn.get("chosen") or turn.get("rejected"):
        chosen = _first_text(turn.get("chosen") or "")
        return [(prompt, chosen, _first_text(turn.get("rejected") or ""))]
    best, *worse = turn.get("response") or [""]
    return [(prompt, _first_text(best), _first_text(answer)) for answer in worse]


def is_annotated(row: Any) -> bool:
    """Return whether a row has responses."""
    return not isinstance(row, str) and bool(ANSWER_KEYS & _last_turn(row).keys())


def strip_annotations(row: Any) -> Any:
    """Return a row without its responses."""
    if isinstance(row, list):
        return [strip_annotations(turn) for turn in row]
    if not isinstance(row, dict):
        return row
    return {key: value for key, value in row.items() if key not in ANSWER_KEYS}


def to_text(row: Any) -> str:
    """Return a row as a line of a file."""
    if isinstance(row, str):
        return row
    return json.dumps(row, ensure_ascii=False)


def all_texts(value: Any) -> list[str]:
    """Return all texts in a row."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    texts: list[str] = []
    if isinstance(value, list):
        for item in value:
            texts += all_texts(item)
    return texts


def _normalize_shape(value: Any, data_format: str, annotated: bool) -> Any:
    if data_format == TEXT:
        return _normalize_text(value)
    if data_format in IMAGE_FORMATS:
        raise InvalidRow(wire.BAD_FORMAT, "the sandbox imports no pictures")
    turns = _as_list(value)
    if not turns:
        raise InvalidRow(wire.EMPTY_TEXT, "the row is empty")
    if data_format in {"PromptResponse", "PromptSortedresponses"}:
        return [_normalize_turn(turn, annotated) for turn in turns]
    if data_format == PROMPT:
        return [_validate_prompt(turn) for turn in turns]
    normalized = [_normalize_turn(turn, False) for turn in turns[:-1]]
    needs_both = data_format.startswith("DPO")
    normalized.append(_normalize_preference(turns[-1], annotated, needs_both=needs_both))
    return normalized


def _normalize_text(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("text")
    if not isinstance(value, str):
        raise InvalidRow(wire.BAD_TEXT, 'a text is {"text": "..."} or a string')
    if not value.strip():
        raise InvalidRow(wire.EMPTY_TEXT, "the text is empty")
    return value


def _validate_prompt(turn: Any) -> Turn:
    if not isinstance(turn, dict):
        raise InvalidRow(wire.BAD_TEXT, "a turn is an object with a prompt")
    if not isinstance(turn.get("prompt"), str):
        raise InvalidRow(wire.BAD_TEXT, "prompt is missing or not a text")
    if not turn["prompt"].strip():
        raise InvalidRow(wire.EMPTY_TEXT, "prompt is empty")
    return turn


def _normalize_turn(turn: Any, annotated: bool) -> Turn:
    fields = dict(_validate_prompt(turn))
    response = fields.pop("response", None)
    if response not in (None, "", []):
        fields["response"] = _normalize_responses(response)
    elif annotated:
        raise InvalidRow(wire.NO_ANNOTATION, "response is missing")
    return fields


def _normalize_responses(value: Any) -> list[list[str]]:
    """Return responses in the platform's shape: the best first, each a list of texts."""
    nested = []
    for item in _as_list(value):
        answer = _as_list(item)
        nested.append(answer)
        if not answer or not all(isinstance(text, str) for text in answer):
            raise InvalidRow(wire.BAD_TEXT, "response is neither a text nor a list of texts")
        if not all(text.strip() for text in answer):
            raise InvalidRow(wire.EMPTY_TEXT, "response is empty")
    return nested


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [value]


def _normalize_preference(turn: Any, annotated: bool, *, needs_both: bool) -> Turn:
    prompt_turn = _validate_prompt(turn)
    fields = {key: value for key, value in prompt_turn.items() if value or key == "prompt"}
    answers = {"chosen", "rejected"} & fields.keys()
    if annotated and len(answers) < 1 + needs_both:
        raise InvalidRow(wire.NO_ANNOTATION, "chosen or rejected is missing")
    for key in ANSWER_KEYS & fields.keys():
        _normalize_responses(fields[key])
    return fields


def _first_text(value: Any) -> str:
    while isinstance(value, list):
        value = value[0]
    return str(value)


MAX_BYTES = 256 * 1024 * 1024

MAX_PROBLEMS = 100
"""Limits of one import: bytes when unpacked, listed problems."""

_PARAGRAPH_BREAK = re.compile(r"(\n[^\S\n]*\n\s*)")
ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error)


Problem = JsonObject
"""The `file` and `line` that are invalid, with `code`, `reason` and `text`; line 0 is the whole
file.
"""


def describe(problem: Problem) -> str:
    """Return where a problem is, and its reason."""
    if problem["line"]:
        return "{file} line {line}: {reason}".format_map(problem)
    return "{file}: {reason}".format_map(problem)


@dataclass
class RowParser:
    """Collects the rows of files, each with the name of its file, and the invalid lines."""

    data_format: str  # the dataset's format
    annotated: bool  # whether rows must have responses
    named_rows: list[tuple[str, Any]] = field(default_factory=list)  # (file name, row) pairs
    # at most `MAX_PROBLEMS` of the invalid lines
    problems: list[Problem] = field(default_factory=list)
    size: int = 0  # bytes of all files, unpacked
    zipped: bool = False  # whether one of the files was a zip

    def parse_file(self, name: str, content: bytes) -> None:
        """Parse one file."""
        try:
            if name.lower().endswith(".zip"):
                self.zipped = True
                self._parse_zip(name, content)
            else:
                self._parse_rows(name, content)
        except InvalidRow as error:
            self.add_problem(name, 0, error)

    def add_problem(self, name: str, line: int, error: ValueError, text: str = "") -> None:
        """Add a problem, up to the limit."""
        code = error.code if isinstance(error, InvalidRow) else wire.BAD_FORMAT
        fields = {"file": name, "line": line, "code": code, "reason": str(error)}
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(fields | {"text": text[:200]})

    def _parse_rows(self, name: str, content: bytes) -> None:
        self._add_size(len(content))
        for line, value, text in _iter_values(name, content, self.data_format):
            try:
                if isinstance(value, InvalidRow):
                    raise value
                row = normalize(value, self.data_format, annotated=self.annotated)
                self.named_rows.append((name, row))
            except InvalidRow as error:
                self.add_problem(name, line, error, text)

    def _parse_zip(self, name: str, content: bytes) -> None:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for member in archive.infolist():
                    if _is_content_file(member):
                        self.parse_file(member.filename, self._unpack(archive, member))
        except ZIP_ERRORS as error:
            raise InvalidRow(wire.BAD_ZIP, f"{name} cannot be unpacked: {error}") from None

    def _unpack(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
        with archive.open(member) as file:
            content = file.read(MAX_BYTES - self.size + 1)
        if len(content) > MAX_BYTES - self.size:
            self._add_size(len(content))
        return content

    def _add_size(self, size: int) -> None:
        self.size += size
        if self.size > MAX_BYTES:
            raise InvalidRow(
                wire.SIZE_EXCEEDED, f"an import has at most {MAX_BYTES >> 20} MiB when unpacked"
            )


def _iter_values(name: str, content: bytes, data_format: str) -> Iterator[tuple[int, Any, str]]:
    """Yield (line number, value, text of the line); an invalid value is replaced by its reason."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidRow(wire.BAD_CHARACTERS, f"line {line} is not UTF-8") from None
    suffix = name.lower().rpartition(".")[2]
    is_text = data_format in {TEXT, PROMPT}
    if suffix == "jsonl":
        for number, row in enumerate(text.split("\n"), 1):
            if row.strip():
                yield number, _parse_json(row), row
    elif suffix == "csv":
        yield from _iter_csv_rows(text)
    elif suffix == "txt" and is_text:
        yield from _iter_texts(text, data_format)
    else:
        allowed = f".jsonl, .csv{', .txt' if is_text else ''} or .zip"
        raise InvalidRow(wire.BAD_FORMAT, f"{data_format} is imported from {allowed}")


def _iter_csv_rows(text: str) -> Iterator[tuple[int, Any, str]]:
    reader = csv.DictReader(io.StringIO(text), restkey="")
    try:
        for row in reader:
            values = {key: cell for key, cell in row.items() if key and cell is not None}
            yield reader.line_num, values, json.dumps(values, ensure_ascii=False)
    except csv.Error as error:
        raise InvalidRow(wire.BAD_FORMAT, f"line {reader.line_num + 1}: {error}") from None


def _iter_texts(text: str, data_format: str) -> Iterator[tuple[int, Any, str]]:
    """Yield the paragraphs of a text, or its lines if it has one paragraph only."""
    has_paragraphs = data_format == TEXT and _PARAGRAPH_BREAK.search(text.strip())
    # texts and separators in turn
    pieces = re.split(_PARAGRAPH_BREAK if has_paragraphs else r"(\n)", text)
    line = 1
    for index, piece in enumerate(pieces):
        if index % 2 == 0 and piece.strip():
            value: Any = piece.strip("\n")
            if data_format == PROMPT:
                value = {"prompt": piece}
            yield line, value, piece
        line += piece.count("\n")


def _parse_json(text: str) -> Any:
    """Return the value of a JSON text, or the reason why it is invalid."""
    try:
        return json.loads(text)
    except RecursionError:
        return InvalidRow(wire.BAD_FORMAT, "not JSON: nested too deeply")
    except json.JSONDecodeError as error:
        return InvalidRow(wire.BAD_FORMAT, f"not JSON: {error.msg}")


def _is_content_file(member: zipfile.ZipInfo) -> bool:
    name = member.filename.rpartition("/")[2]
    return not (member.is_dir() or member.filename.startswith("__MACOSX/") or name.startswith("."))


@dataclass(frozen=True)
class Entity:
    """One row with an id that cannot be guessed; the fields are stored under these names."""

    row: Any  # the row in the form of its format (see `row_formats`)
    name: str = ""  # the file that it came from
    annotated: float | None = None  # when it was annotated, in Unix seconds, None if it is not
    labels: list[JsonObject] = field(default_factory=list)  # of pictures, which are older states'
    id: str = field(default_factory=lambda: secrets.token_hex(12))


def visible_parts(store: Store, dataset: Document) -> list[Document]:
    """Return the parts that are visible by now, each with its `file`, `count`, `size`, `annotated`
    and `characters`.
    """
    now = store.now()
    return [part for part in dataset["parts"] if part["from"] <= now]


def count(store: Store, dataset: Document, field: str = "count") -> int:
    """Return the number of rows of a dataset, or of its "characters", bytes ("size") or "annotated"
    rows.
    """
    return sum(part[field] for part in visible_parts(store, dataset))


def iter_entities(store: Store, dataset: Document) -> Iterator[Entity]:
    """Yield all rows in order."""
    for part in visible_parts(store, dataset):
        yield from _read_part(store, part)


def find_entity(store: Store, dataset: Document, id_: str) -> Entity | None:
    """Return the row with an id, None if it does not exist."""
    for entity in iter_entities(store, dataset):
        if entity.id == id_:
            return entity
    return None


def attach_part(store: Store, dataset_id: str, part: Document, visible_from: float) -> None:
    """Add a part that `write_part` wrote, visible from a time (Unix seconds) on."""
    dataset = store.get("dataset", dataset_id)
    assert dataset is not None
    store.update(
        dataset_id, parts=[*dataset["parts"], part | {"from": visible_from}], modified=visible_from
    )


def write_part(store: Store, new_entities: Sequence[Entity]) -> Document:
    """Write rows into a new part, which belongs to no dataset yet."""
    name = f"rows-{secrets.token_hex(12)}"
    lines = []
    annotated = 0
    characters = 0
    for entity in new_entities:
        lines.append(json.dumps(vars(entity), ensure_ascii=False))
        annotated += entity.annotated is not None
        characters += len("".join(all_texts(entity.row)))
    content = "\n".join(lines).encode()
    store.write_file(name, content)
    counts = {"annotated": annotated, "characters": characters}
    return {"file": name, "count": len(new_entities), "size": len(content)} | counts


def replace_rows(store: Store, dataset: Document, changes: dict[str, Entity | None]) -> set[str]:
    """Replace the rows with these ids, or delete those with None; return the ids that existed."""
    new_parts = []
    outdated = []
    replaced_ids = set()
    for part in dataset["parts"]:
        entities: list[Entity] = []
        touched = set()
        for entity in _read_part(store, part):
            changed = changes.get(entity.id, entity)
            if changed is not entity:
                touched.add(entity.id)
            if changed is not None:
                entities.append(changed)
        if touched:
            outdated.append(part)
            part = write_part(store, entities) | {"from": part["from"]}  # noqa: PLW2901
        new_parts.append(part)
        replaced_ids |= touched
    if replaced_ids:
        store.update(dataset["id"], parts=new_parts, modified=store.now())
        delete_parts(store, outdated)
    return replaced_ids


def delete_parts(store: Store, parts: Iterable[Document]) -> None:
    """Delete the files of parts."""
    for part in parts:
        store.remove_file(part["file"])


def to_entities(named_rows: Iterable[tuple[str, Any]], annotated_at: float) -> list[Entity]:
    """Return entities of (file name, row) pairs; rows with responses are annotated from a time
    on.
    """
    entities = []
    for name, row in named_rows:
        annotated = annotated_at if is_annotated(row) else None
        entities.append(Entity(row, name, annotated))
    return entities


def _read_part(store: Store, part: Document) -> Iterator[Entity]:
    for line in (store.read_file(part["file"]) or b"").splitlines():
        yield Entity(**json.loads(line))


@emulates(wire.LIST_ENTITIES)
def list_entities(call: Call, body: wire.ListEntities) -> JsonObject:
    """List the rows that are, or are not, annotated, in their order; times and labels do not
    filter.
    """
    dataset = call.find("dataset", body.dataset_id, "datasetId")
    tabs = (wire.ALL_ENTITIES, wire.ANNOTATED_ENTITIES, wire.UNANNOTATED_ENTITIES)
    call.validate_choice("tabType", body.tab_type, tabs)
    entities = []
    for entity in iter_entities(call.store, dataset):
        tab = wire.ANNOTATED_ENTITIES if entity.annotated else wire.UNANNOTATED_ENTITIES
        if body.tab_type in (wire.ALL_ENTITIES, tab):
            entities.append(entity)
    page = page_by_offset(call, entities, body.offset, body.page_size, max_size=wire.MAX_ENTITIES)
    return {
        "totalAll": count(call.store, dataset),
        "total": len(entities),
        "items": [_entity_to_wire(call.world, dataset, entity) for entity in page],
    }


@emulates(wire.ANNOTATE)
def annotate(call: Call, body: wire.AnnotateEntity) -> bool:
    """Replace the turns of a row."""
    dataset = call.find("dataset", body.dataset_id, "datasetId")
    store = call.store
    entity = find_entity(store, dataset, body.id)
    if entity is None:
        raise call.invalid("id", f"{dataset['id']} has no entity {body.id!r}")
    try:
        row = normalize(body.content or [], dataset["form"])
    except InvalidRow as error:
        raise call.invalid("content", str(error)) from None
    changed = replace(entity, row=row, annotated=store.now())
    replace_rows(store, dataset, {entity.id: changed})
    return True


@emulates(wire.DELETE_ENTITIES)
def delete(call: Call, body: wire.DeleteEntities) -> JsonObject:
    """Delete rows; the answer lists the ids that do not exist."""
    dataset = call.find("dataset", body.dataset_id, "datasetId")
    deleted_ids = replace_rows(call.store, dataset, dict.fromkeys(body.id))
    failed_ids = [id_ for id_ in body.id if id_ not in deleted_ids]
    return {"failedOnes": failed_ids or None}


def routes(world: World) -> list[Route]:
    """Return the route of single rows, whose ids cannot be guessed."""

    async def fetch(request: Request) -> Response:
        dataset = world.store.get("dataset", request.path_params["dataset"])
        entity = dataset and find_entity(world.store, dataset, request.path_params["id"])
        if not entity:
            return PlainTextResponse("the row does not exist", 404)
        return PlainTextResponse(to_text(entity.row))

    return [Route("/_entities/{dataset}/{id}", fetch, methods=["GET"])]


def _entity_to_wire(world: World, dataset: Document, entity: Entity) -> JsonObject:
    return {
        **fields_of(vars(entity), "id", "name", "labels"),
        "url": f"{world.address.url}/_entities/{dataset['id']}/{entity.id}",
        "memorySize": len(to_text(entity.row).encode()),
        "isEncrypted": False,
        "textExtra": {},
    }
