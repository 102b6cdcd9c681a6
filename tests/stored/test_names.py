"""Names that stand in files on somebody's disk, or that people type: a rename in the code may not
touch them.

`names.json` has what 0.1.0 wrote and took. A name may be added there; one that is gone or changed
needs a migration of the files that have it, and a test that opens such a file (see
`test_opens.py`).
"""

from __future__ import annotations

import ast
import contextlib
import gzip
import importlib
import inspect
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest

from qfnb import (
    Batch,
    ChatCompletion,
    Dataset,
    LLMFinetune,
    Model,
    Service,
    config,
    errors,
    evaluation,
)
from qfnb._jobs import row_result
from qfnb.batching import journal, journal_reader, journal_store
from qfnb.evaluation import (
    judge_replies as replies,
    label_journal as journal_of_labels,
    labels,
    records,
)
from qfnb.evaluation.background import BackgroundEvaluation
from qfnb.evaluation.benchmarks import LOADERS, Benchmark
from qfnb.evaluation.evaluator import PairVerdict
from qfnb.evaluation.history import HISTORY_COLUMNS
from qfnb.evaluation.report import archive, data as report_columns, files as report_files
from qfnb.evaluation.report.card import Card
from qfnb.evaluation.samples import Sample
from qfnb.metrics import recipes
from qfnb.model.service import DeployConfig
from qfnb.notebook import (
    batch,
    chat,
    chat_run,
    conversations,
    evaluate,
    home,
    image,
    train,
    trainings,
)
from qfnb.resources.inference.batch_task import BatchTask
from qfnb.resources.inference.reply import UsageEntry
from qfnb.sandbox import process
from qfnb.trainer import actions, background, configs, consts, progress, train_action as training
from qfnb.trainer.form import launch_form as launch
from qfnb.views import formatters
from qianfan_sandbox import failures
from qianfan_sandbox.state import lifecycle
from qianfan_sandbox.state.store import Store

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
STORED = HERE / "v0.1.0"
SANDBOX = Path(inspect.getfile(lifecycle)).parents[1]
NAMES: dict[str, Any] = json.loads((HERE / "names.json").read_text(encoding="utf-8"))


def flags(parser):
    return sorted(flag for action in parser._actions for flag in action.option_strings)


def columns(table):
    return list(table)


def now():
    """Return the names that the present code has."""
    return {
        "journal: columns of an answer": list(row_result.RESULT_COLUMNS),
        "journal: error of a row without an answer": [journal_reader.NOT_ASKED],
        "batches(): columns": list(journal_store._COLUMNS),
        "usage(): columns": list(UsageEntry.__dataclass_fields__),
        "report: columns of samples": columns(report_columns.SAMPLE_COLUMNS),
        "report: columns of the summary": columns(report_columns.SUMMARY_COLUMNS),
        "report: columns of pairs": columns(report_columns.PAIR_COLUMNS),
        "report: columns of usage": columns(report_columns.USAGE_COLUMNS),
        "report: columns of repeats": columns(report_columns.REPEAT_COLUMNS),
        "report: columns of averages": columns(report_columns.AVERAGE_COLUMNS),
        "report: facts of a benchmark": list(Benchmark("", (), ()).report_fields["benchmark"]),
        "benchmarks": list(LOADERS),
        "report: fields of a sample": [field.name for field in fields(Sample)],
        "run store: states of an action": list(consts.ActionState),
        "run store: states of a run": list(consts.FinetuneStatus),
        "run store: states of a service": list(consts.ServiceStatus),
        "run store: stages by action": sorted(progress.STAGE_BY_ACTION.items()),
        "run store: actions": sorted(background.ACTION_CLASSES),
        "run store: fields of a TrainConfig": list(configs.TrainConfig.model_fields),
        "run store: fields of a DeployConfig": list(DeployConfig.model_fields),
        "run store: fields of a progress": [
            field.name for field in fields(progress.TrainingProgress)
        ],
        "run store: attributes of a TrainAction": list(training.TrainAction.persisted),
        "launches: fields of a draft": list(launch.Draft.model_fields),
        "sandbox: fields of server.json": [field.name for field in fields(process.Address)],
        "sandbox: stages": list(lifecycle.DEFAULT_SECONDS),
        "sandbox: faults": sorted(get_args(failures.FaultKind)),
        "sandbox: fields of a fault": list(failures.Fault.model_fields),
        "settings": sorted(config.Settings.model_fields),
        "%qfchat: options": flags(chat.PARSER),
        "%qfchat: verbs": sorted(conversations.VERBS),
        "%qfchat: formats": sorted(chat_run.FORMATS),
        "%qfbatch: options": flags(batch.PARSER),
        "%qfbatch: verbs": list(batch.VERBS),
        "%qftrain: options": flags(train.PARSER),
        "%qftrain: verbs": list(trainings.VERBS),
        "%qfeval: options": flags(evaluate.PARSER),
        "%qfeval: verbs": list(evaluate.VERBS),
        "%qfimage: options": flags(image.PARSER),
        "metrics": sorted(recipes.METRICS),
        "recipes": sorted(recipes.RECIPES),
        "evaluations: fields of a record": [
            field.name for field in fields(records.EvaluationRecord)
        ],
        "reports: fields of a record": [field.name for field in fields(records.ReportRecord)],
        "history: version and fields of the first line": [archive.VERSION, *history_fields()],
        "history: later fields of a report": list(report_files.LATER_FIELDS),
        "history(): columns": list(HISTORY_COLUMNS),
        "kept_keys.json": [config.FILE_NAME, "keys"],
        "conversations.db: columns": table_columns(conversations._TABLES),
        "labels.db: columns": [
            journal_of_labels.FILE_NAME,
            *table_columns(journal_of_labels.TABLES),
        ],
        "labels: columns of the table": list(labels.COLUMNS),
        "labels: words": [*labels.PAIR_WORDS, *labels.RIGHT_WORDS],
        "judges.db: columns": [replies.FILE_NAME, *table_columns(replies.TABLES)],
        "report: fields of a verdict": [field.name for field in fields(PairVerdict)],
        "%qf: options": flags(home.PARSER),
        "%qf: verbs": list(home.VERBS),
    }


def table_columns(tables):
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(tables)
        query = (
            "select m.name || '.' || c.name from sqlite_master m, pragma_table_info(m.name) "
            "c where m.type = 'table'"
        )
        return [name for (name,) in database.execute(f"{query} order by m.rowid, c.cid")]


def history_fields():
    (path,) = (STORED / "history").iterdir()
    report = evaluation.EvaluationResult(
        **report_files.from_json(gzip.decompress(path.read_bytes()).splitlines()[1])
    )
    return ["qfnb_history", "id", "created", *archive._facts_of(report)]


@pytest.mark.parametrize("what", NAMES["names"])
def test_every_pinned_name_is_there(what):
    have = [tuple(name) if isinstance(name, list) else name for name in NAMES["names"][what]]
    assert set(have) <= set(now()[what])


def test_every_name_that_is_pinned_is_looked_at_and_the_other_way_round():
    assert list(NAMES["names"]) == list(now())


@pytest.mark.parametrize("name", sorted(row_result.TRANSIENT_ERRORS))
def test_errors_that_say_nothing_about_a_row_are_errors(name):
    assert issubclass(getattr(errors, name), errors.QianfanError)


def test_journals_hold_the_names_of_errors_that_there_are():
    for name in ("InvalidArgumentError", *NAMES["errors"]):
        assert issubclass(getattr(errors, name), errors.QianfanError)


@pytest.mark.parametrize(("module", "name", "view", "function"), formatters._FORMATTERS)
def test_what_shows_itself_in_a_notebook_is_a_class_of_that_module(module, name, view, function):
    assert callable(getattr(importlib.import_module(f"qfnb.views.{view}"), function))
    kind = getattr(importlib.import_module(module), name)
    assert (kind.__module__, kind.__name__) == (module, name)  # IPython looks a class up by both


def test_completion_offers_variables_of_classes_that_there_are():
    assert set(evaluate.MODEL_KINDS) == names(Service, Model, ChatCompletion, LLMFinetune)
    assert set(evaluate.DATA_KINDS) == names(pd.DataFrame, Dataset, list)
    assert set(evaluate.REPORT_KINDS) == names(
        evaluation.EvaluationResult, BackgroundEvaluation, Card
    )
    assert set(evaluate.EVALUATOR_KINDS) == names(evaluation.LocalEvaluator)
    assert set(batch.DATA_KINDS) == names(pd.DataFrame, pd.Series, Dataset, list)
    assert set(batch.BATCH_KINDS) == names(Batch, BatchTask)


def names(*kinds):
    return {kind.__name__ for kind in kinds}


def test_actions_are_stored_by_the_names_of_their_classes():
    kinds = (
        actions.LoadDataSetAction, training.TrainAction, actions.ModelPublishAction, actions.DeployAction,
        actions.EvaluateAction,
    )  # fmt: skip
    assert set(progress.STAGE_BY_ACTION) == set(background.ACTION_CLASSES) == names(*kinds)


def test_every_key_of_a_stored_document_still_stands_in_the_code_of_the_sandbox():
    pinned = {key for keys in NAMES["documents"].values() for key in keys} | set(NAMES["documents"])
    assert pinned - words(SANDBOX) == set()


def words(folder):
    """Return the texts and the keywords of calls that stand in a folder's code."""
    nodes = [
        node
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]
    texts = {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    attributes = {
        node.target.id
        for node in nodes
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return texts | attributes | {node.arg for node in nodes if isinstance(node, ast.keyword)}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What the present code writes when it does what the code of 0.1.0 did."""
    target = tmp_path_factory.mktemp("written")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(HERE / "write.py"), str(target)]
    subprocess.run(command, env=environment, check=True, timeout=240)
    return target


def test_databases_have_the_tables_and_columns_that_they_had_once_they_are_migrated(
    written, tmp_path
):
    shutil.copytree(STORED, tmp_path / "stored")
    for path in (tmp_path / "stored" / "batches").glob("*.db"):
        journal.Journal(path).close()
    Store(tmp_path / "stored" / "sandbox").close()
    assert databases(written) == databases(tmp_path / "stored")


def test_a_journal_of_the_first_version_is_read_without_being_changed(tmp_path):
    for path in (STORED / "batches").glob("*.db"):
        copy = Path(shutil.copy(path, tmp_path))
        answers = [row for row in journal_reader.read_rows(copy) if row.ok]
        assert answers
        assert all(row.cost_low is None and row.cost_range.low == row.cost for row in answers)
        assert rows(copy, "pragma user_version") == [(1,)]


def test_documents_of_the_sandbox_have_the_keys_that_they_had_once_they_are_migrated(
    written, tmp_path
):
    present = documents(written / "sandbox" / "state.db")
    older = Path(shutil.copytree(STORED / "sandbox", tmp_path / "sandbox"))
    Store(older).close()
    for kind, keys in documents(older / "state.db").items():
        assert keys <= present[kind], kind


def test_facts_and_plans_of_journals_have_the_names_that_they_had(written):
    for path in (STORED / "batches").glob("*.db"):
        assert journal_facts(written / "batches" / path.name) == journal_facts(path)


@pytest.mark.parametrize(
    "path", sorted(path.relative_to(STORED) for path in STORED.glob("*/*.json"))
)
def test_json_files_have_the_keys_that_they_had(written, path):
    facts = [json.loads((folder / "facts.json").read_text()) for folder in (STORED, written)]
    same = {str(old): str(new) for old, new in zip(*(fact.values() for fact in facts), strict=True)}
    twin = path.with_stem(same.get(path.stem, path.stem))
    assert paths(read(STORED / path)) <= paths(read(written / twin))


def test_a_report_has_the_keys_that_it_had(written):
    assert paths(read(written / "report.json")) >= paths(read(STORED / "report.json"))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def paths(value, at=""):
    """Return where keys are in a JSON value; the items of a list share a place."""
    if isinstance(value, dict):
        return {at} | {place for key, item in value.items() for place in paths(item, f"{at}.{key}")}
    return (
        {at} | {place for item in value for place in paths(item, at)}
        if isinstance(value, list)
        else {at}
    )


def rows(path, query):
    with sqlite3.connect(path) as database:
        found = database.execute(query).fetchall()
    database.close()
    return found


def databases(folder):
    """Return the tables, columns and version of each database, by its place in a folder."""
    return {
        str(path.relative_to(folder)): [
            rows(path, "pragma user_version"),
            {name: rows(path, f"pragma table_info({name})") for (name,) in tables_of(path)},
        ]
        for path in folder.rglob("*.db")
    }


def tables_of(path):
    return rows(path, "select name from sqlite_master where type = 'table' order by name")


def documents(path):
    """Return the keys of all documents, by their kind."""
    found: dict[str, set[str]] = {}
    for kind, body in rows(path, "select kind, body from document"):
        found.setdefault(kind, set()).update(json.loads(body))
    return found


def journal_facts(path):
    facts = dict(rows(path, "select name, value from fact"))
    return {
        name: sorted(json.loads(value)) if name == "plan" else "" for name, value in facts.items()
    }
