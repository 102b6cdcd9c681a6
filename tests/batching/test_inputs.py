"""Inputs: where rows come from, what is sent for them, and the messages about invalid ones."""

import json
import math
import re

import pandas as pd
import pytest

import qfnb
from qfnb.batching import validation
from qfnb.batching.input_source import open_source
from qfnb.batching.journal import repeat_key
from qfnb.batching.request_spec import RequestSpec, RowTemplate
from qfnb.errors import DatasetError, InvalidArgumentError

CONVERSATION = [{"role": "user", "content": "你好"}]


def items(rows):
    return list(open_source(rows).items())


@pytest.mark.parametrize(
    ("text", "row", "message"),
    [
        ("评价：{text}", {"text": "好"}, "评价：好"),
        ("{列 一}-{b}", {"列 一": 1, "b": 2.5}, "1-2.5"),
        ('{{"a": {x}}}', {"x": 1}, '{"a": 1}'),
        ("no placeholder", {}, "no placeholder"),
        ("{x}{x}", {"x": "{y}"}, "{y}{y}"),
    ],
)
def test_templates_take_columns(text, row, message):
    assert RowTemplate(text).fill(row) == message


@pytest.mark.parametrize("text", ["{", "}", "{}", "{x!r}", "{x:>3}", '{"a": 1}'])
def test_a_template_that_is_none_is_refused_with_the_way_to_write_braces(text):
    with pytest.raises(InvalidArgumentError, match=r"write \{\{ and \}\}"):
        RowTemplate(text).validate_columns(["x"])


def test_an_unknown_column_is_named_with_those_there_are():
    with pytest.raises(
        InvalidArgumentError, match=r"\{revew\}.*did you mean \{review\}.*review, stars"
    ):
        qfnb.estimate(pd.DataFrame({"review": ["x"], "stars": [1]}), "{revew}")


@pytest.mark.parametrize("value", [None, math.nan, pd.NA, pd.NaT, "", "  "])
def test_a_row_without_a_prompt_is_named_before_anything_is_sent(value, count_requests):
    frame = pd.DataFrame({"q": ["你好", value, "再见"]}, dtype=object)
    with pytest.raises(InvalidArgumentError, match=r"1 of 3 rows cannot be sent: row 1: q is"):
        qfnb.batch(frame, "{q}")
    assert count_requests()["came"] == 0


@pytest.mark.fault("F76")
@pytest.mark.parametrize(
    ("row", "message"), [(None, "prompt is"), ("\u534a\ud83d", "lone surrogate at character 1")]
)
def test_wrong_rows_are_named_or_kept_as_failed_rows(sandbox, row, message):
    with pytest.raises(InvalidArgumentError, match=message):
        qfnb.batch([row, "你好"])
    batch = qfnb.batch([row, "你好"], invalid_rows="fail", name=f"wrong-{row is None}")
    answers = batch.results()
    assert [answer.error for answer in answers] == ["InvalidArgumentError", ""]
    assert message in answers[0].message
    assert (batch.progress.ok, batch.progress.failed) == (1, 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"prompt": "x"}\n{"prompt": ', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", b"1\n", r"a\.jsonl:1: must be an object"),
        ("a.jsonl", b'{"prompt": "x"}\n\xff\n', r"a\.jsonl:2: not UTF-8"),
        ("a.jsonl", b"[" * 100_000, r"a\.jsonl:1: not JSON"),
        ("a.jsonl", b"\n", r"a\.jsonl: the file has no rows"),
        ("a.csv", b"prompt\n", r"a\.csv: there are no rows below the header"),
        (
            "a.jsonl",
            b'{"prompt": ' + b"1" * 5000 + b"}",
            r"a\.jsonl:1: not JSON \(a number has more than",
        ),
        ("a.csv", b"a,b\n1,2,3\n", r"a\.csv:2: more cells"),
        ("a.csv", b"prompt,b,prompt\n1,2,3\n", r"a\.csv:1: two columns are called 'prompt'"),
        ("a.csv", "a\n\u4f60".encode("gb18030") + b"\n\xff", r"a\.csv:2: not UTF-8"),
        ("a.parquet", b"nonsense", r"a\.parquet: not Parquet"),
        ("a.xlsx", b"", r"must end in"),
        ("a.jsonl", None, r"a\.jsonl: there is no such file"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        qfnb.estimate(tmp_path / name)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (5, "rows is a"),
        ({"a": 1}, "rows is a"),
        (b"x", "rows is a"),
        ([], "the input has no rows"),
        (pd.DataFrame({"prompt": []}), "the input has no rows"),
        (iter(()), "the input has no rows"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"the prompt\? The columns are a, b"),
    ],
)
def test_what_has_no_prompts_is_refused(rows, message):
    with pytest.raises(InvalidArgumentError, match=message):
        qfnb.estimate(rows)


@pytest.mark.parametrize(
    "row",
    [CONVERSATION, {"messages": CONVERSATION}, {"messages": json.dumps(CONVERSATION)}],
    ids=["list", "column", "JSON"],
)
def test_conversations_are_asked_as_they_are(row):
    assert RequestSpec("").build_conversation(row) == CONVERSATION


@pytest.mark.parametrize(
    "row", [[], {"messages": "x"}, {"messages": [{"role": "assistant", "content": "x"}]}]
)
def test_a_conversation_that_cannot_be_asked_is_refused(row):
    with pytest.raises(InvalidArgumentError):
        RequestSpec("").build_conversation(row)


def test_keys_tell_content_model_options_and_repetition_apart():
    specs = [
        RequestSpec("h", "a"),
        RequestSpec("h", "b"),
        RequestSpec("h", "a", options={"temperature": 0.5}),
        RequestSpec("g", "a"),
    ]
    keys = {
        spec.row_key(conversation) for spec in specs for conversation in ("x", "y", CONVERSATION)
    }
    assert len(keys) == 12
    assert len({repeat_key(specs[0].row_key("x"), times) for times in range(5)}) == 5
    assert RequestSpec("h", "a").row_key("x") == specs[0].row_key("x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 0}, "workers=0"),
        ({"budget": math.nan}, "budget=nan"),
        ({"budget_tokens": 0}, "budget_tokens=0"),
        ({"canary": -1}, "canary=-1"),
        ({"name": "../x"}, "name='../x'"),
        ({"out": "x.docx"}, "out='x.docx'"),
        ({"temperature": "3"}, "temperature='3'"),
        ({"stream": True}, "stream=True"),
        ({"invalid_rows": ["fail"]}, "invalid_rows=['fail']"),
        ({"client": 5}, "client=5"),
        ({"allow_changed_input": 1}, "allow_changed_input=1"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_sent(arguments, message, count_requests):
    for call in (qfnb.batch, qfnb.estimate):
        with pytest.raises(InvalidArgumentError, match=re.escape(message)):
            call(["你好"], **arguments)
    assert count_requests()["came"] == 0


def test_a_retired_model_is_refused_before_anything_is_sent_where_models_are_strict(count_requests):
    qfnb.get_config().strict_models = True
    with pytest.raises(
        InvalidArgumentError, match=r"ernie-speed-8k ended .*; ask ernie-4\.5-turbo-128k"
    ):
        qfnb.batch(["你好"], model="ernie-speed-8k")
    assert count_requests()["came"] == 0


def test_an_estimate_is_a_range_where_the_hour_decides_and_unknown_where_there_is_no_price():
    qfnb.get_config().api_key = "bce-v3/ALTAK-test/x"
    by_hour = qfnb.estimate(["你好"] * 1000, model="deepseek-v4.1-flash")
    assert by_hour.cost_range.low < by_hour.cost_range.high == by_hour.cost
    assert f"≈ {by_hour.cost_range} CNY" in str(by_hour)
    unknown = qfnb.estimate(["你好"], model="my-own", budget_tokens=10)
    assert unknown.cost is None
    assert "price unknown" in str(unknown)
    assert "the budget of 10 tokens is enough for about" in str(unknown)


def test_offline_costs_less_only_where_there_is_a_batch_price():
    qfnb.get_config().api_key = "bce-v3/ALTAK-test/x"
    costs = {
        model: [
            qfnb.estimate(["你好"], model=model, mode=mode).cost for mode in ("online", "offline")
        ]
        for model in ("ernie-4.5-turbo-128k", "ernie-5.1")
    }
    assert costs["ernie-4.5-turbo-128k"][1] == pytest.approx(0.4 * costs["ernie-4.5-turbo-128k"][0])
    assert costs["ernie-5.1"][1] == costs["ernie-5.1"][0]


def test_an_estimate_tells_rows_repetitions_tokens_and_what_is_too_long():
    qfnb.get_config().api_key = "bce-v3/ALTAK-test/x"
    preflight = qfnb.estimate(["你好", "你好", "天" * 500_000], model="ERNIE-Speed-8K")
    assert (preflight.rows, preflight.requests, preflight.duplicates, preflight.too_long) == (
        3,
        3,
        1,
        1,
    )
    assert preflight.prompt_tokens > 300_000
    assert "longer than ERNIE-Speed-8K takes" in str(preflight)
    assert qfnb.estimate(["你好", "你好"], dedupe=True).requests == 1


@pytest.mark.parametrize(
    ("name", "meant"),
    [("budgte", "budget"), ("response_fromat", "response_format"), ("worker", "workers")],
)
def test_a_batch_refuses_a_misspelt_argument_and_not_an_option_of_a_model(name, meant):
    with pytest.raises(
        InvalidArgumentError, match=f"{name}=1: `batch` has no such argument; did you mean {meant}?"
    ):
        qfnb.batch(["a"], **{name: 1})
    options = {"max_tokens": 1, "top_k": 1, "thinking_budget": 1, "stream_options": 1}
    chats = [qfnb.ChatCompletion()]
    validation.build_request(chats, None, "ernie-5.1", None, dedupe=False, options=options)


def test_the_input_itself_is_not_written_over(tmp_path, count_requests, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"prompt": "你好"}\n', encoding="utf-8")
    with pytest.raises(InvalidArgumentError, match=r"out='a\.jsonl': this is the input"):
        qfnb.batch(tmp_path / "a.jsonl", out="a.jsonl")
    assert count_requests()["came"] == 0


@pytest.mark.fault("F76")
def test_a_row_with_more_text_than_any_model_reads_is_named_with_its_size(count_requests):
    qfnb.get_config().max_row_mb = 0.01
    rows = [
        "你好",
        "文" * 4000,
        [{"role": "user", "content": [{"type": "text", "text": "x" * 11_000}]}],
    ]
    with pytest.raises(
        InvalidArgumentError,
        match=r"2 of 3 rows cannot be sent: row 1: it has 0\.0 MB of text.*row 2: it",
    ):
        qfnb.batch(rows)
    assert count_requests()["came"] == 0


def test_the_same_request_for_every_row_is_sent_only_when_that_is_meant(count_requests):
    rows = pd.DataFrame({"q": ["甲", "乙"]})
    with pytest.raises(
        InvalidArgumentError,
        match=r"all 2 rows would send the same request.*allow_same_prompt=True",
    ):
        qfnb.batch(rows, "写一首诗")
    assert count_requests()["came"] == 0
    qfnb.batch(rows, "写一首诗", allow_same_prompt=True, name="same").wait()
    assert count_requests()["answered"] == 2


@pytest.mark.parametrize("model", ["embedding-v1", "bce-reranker-base"])
def test_a_model_of_another_kind_is_refused_before_the_first_row(count_requests, model):
    with pytest.raises(InvalidArgumentError, match=rf"model='{model}' is of the kind .*, not chat"):
        qfnb.batch(["甲"], model=model)
    assert count_requests()["came"] == 0
