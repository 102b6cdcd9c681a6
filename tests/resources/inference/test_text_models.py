"""Completion, embeddings, reranking, tokens, plugins, tools: against the sandbox, both versions."""

import asyncio
import json

import pytest
from support.scripted_server import http_answer

import qfnb
from qfnb import (
    ChatCompletion,
    Completion,
    Embedding,
    Messages,
    Plugin,
    Reranker,
    Tokenizer,
    config,
    errors,
)
from qfnb.views import chat as chat_view

VERSIONS = pytest.mark.parametrize("version", [1, 2])


@VERSIONS
def test_a_prompt_is_continued(sandbox, version):
    complete = Completion(version=version)
    whole = complete.do("你是谁")
    assert whole["object"] == "completion"
    assert (
        "".join(piece["result"] for piece in complete.do("你是谁", stream=True)) == whole["result"]
    )
    assert asyncio.run(complete.ado("你是谁")).text == whole.text


@pytest.mark.parametrize("options", [{}, {"suffix": "。"}])
@pytest.mark.parametrize("name", ["SQLCoder-7B", "CodeLlama-7b-Instruct"])
def test_a_retired_completion_model_is_asked_under_the_name_of_its_replacement(
    sandbox, name, options
):
    reply = Completion(model=name).do("你是谁", **options)
    assert (reply.model, reply["object"]) == ("ernie-4.5-turbo-128k", "completion")


@VERSIONS
def test_similar_texts_have_similar_vectors(sandbox, version):
    a, b, c = (
        Embedding(version=version).do(["世界上最高的山", "最高的山是哪座", "怎么开发票"]).vectors
    )
    near, far = (sum(x * y for x, y in zip(a, vector, strict=True)) for vector in (b, c))
    assert near > 0.3 > far
    assert sum(x * x for x in a) == pytest.approx(1, abs=1e-3)


@VERSIONS
def test_documents_are_ordered_by_a_query(sandbox, version):
    documents = ["退货需要七天内", "电子发票在订单里申请", "停车场在地下"]
    reply = Reranker(version=version).do("怎么申请发票", documents)
    assert reply.ranked[0].document == documents[1]
    assert [
        row.index for row in Reranker(version=version).do("发票", documents, top_n=1).ranked
    ] == [1]


def test_tokens_are_counted_here_and_there(sandbox):
    assert Tokenizer().count_tokens("千帆大模型 hello world") == int(0.625 * 5) + 2
    assert Tokenizer.count_tokens("千帆大模型 hello world") == int(0.625 * 5) + 2
    for text in ("千帆 hello", "千帆大模型 hello, world。", "。", ""):
        assert Tokenizer().count_tokens(text, mode="remote") == Tokenizer().count_tokens(text)
    with pytest.raises(errors.InvalidArgumentError, match="'local' or 'remote'"):
        Tokenizer().count_tokens("x", mode="far")


def test_an_application_is_answered_by_the_model(sandbox):
    reply = Plugin().do(endpoint="my_app", prompt="你是谁")
    assert "沙盒" in reply["result"]
    assert reply["result"] == "".join(
        piece.text for piece in Plugin(endpoint="my_app").do("你是谁", stream=True)
    )


def test_the_platforms_own_plugins_are_answered_by_the_model(sandbox):
    assert "沙盒" in Plugin().do([{"role": "user", "content": "你是谁"}])["result"]


TOOL = {
    "name": "get_weather",
    "description": "查询一个城市的天气",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    },
}


@VERSIONS
@pytest.mark.parametrize("stream", [False, True])
def test_a_function_is_called_and_its_result_used(sandbox, version, stream):
    options = (
        {"functions": [TOOL]}
        if version == 1
        else {"tools": [{"type": "function", "function": TOOL}]}
    )
    chat = ChatCompletion(version=version)
    messages = Messages()
    messages.append("杭州的天气怎么样，3 天")
    reply = (
        list(chat.do(messages, stream=True, **options))[-1]
        if stream
        else chat.do(messages, **options)
    )
    (call,) = reply.tool_calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "杭州", "days": 3})
    messages.append(reply)
    messages.append_result(call, {"天气": "晴"})
    assert "晴" in chat.do(messages, **options).text


REFUSED = [
    (lambda: Completion().do(""), "prompt=''"),
    (lambda: Completion().do(None), "prompt=None"),
    (lambda: Completion().do("a\ud800"), "lone surrogate"),
    (lambda: Completion().do("x", temperature="2"), "must be a number"),
    (lambda: Embedding().do([]), "texts is 0 strings: must be a list of 1 to 16"),
    (lambda: Embedding().do(["x"] * 17), "texts is 17 strings"),
    (lambda: Embedding().do(["x", ""]), "texts[1]=''"),
    (lambda: Embedding().do(["x"], stream=True), "cannot be streamed"),
    (lambda: Reranker().do("", ["x"]), "query"),
    (lambda: Reranker().do("q", []), "1 to 64"),
    (lambda: Reranker().do("q", ["x"], top_n=0), "top_n=0"),
    (lambda: Plugin().do(endpoint="a"), "prompt is missing"),
    (lambda: Plugin().do("x" * 1001, endpoint="a"), "1 to 1,000 characters"),
    (lambda: Plugin().do("x", plugins=["eMagic"]), "'eMagic'"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_bad_input_is_refused_before_anything_is_sent(scripted, call, message):
    server = scripted([http_answer(b"{}")])
    with pytest.raises(errors.InvalidArgumentError) as caught:
        call()
    assert message in str(caught.value)
    assert not server.requests


def test_every_call_is_in_the_usage_log_without_its_texts(sandbox):
    before = len(qfnb.usage())
    ChatCompletion(model="ernie-lite-8k").do("你是谁")
    with pytest.raises(errors.APIError):
        ChatCompletion(model="no-such-model").do("你是谁")
    last = qfnb.usage().iloc[before:]
    assert list(last["error"]) == ["", "APIError"]
    assert last.iloc[0]["completion_tokens"] > 10
    assert "你是谁" not in last.to_string()


def test_a_broken_file_of_prices_loses_no_answer(scripted, caplog, tmp_path):
    usage = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
    body = {"id": "x", "choices": [{"message": {"content": "好"}}], "usage": usage}
    scripted([http_answer(json.dumps(body).encode())])
    (tmp_path / "own.csv").write_text("model,input\nx,cheap once\n")
    config.get_config().prices = str(tmp_path / "own.csv")
    reply = ChatCompletion(model="glm-5.2").do("x")
    assert (reply.text, reply.cost) == ("好", None)
    assert (
        "the cost is not known: price file own.csv, model 'x': 'cheap once' is not a number"
        in caplog.text
    )
    with pytest.raises(errors.InvalidArgumentError, match="cheap once"):
        qfnb.estimate(["x"], model="glm-5.2")


def test_the_sandbox_bills_nothing_and_says_what_the_platform_would(sandbox):
    reply = ChatCompletion(model="ernie-4.5-turbo-128k", version=2).do("你是谁")
    expected = (reply.usage.prompt_tokens * 0.0008 + reply.usage.completion_tokens * 0.0032) / 1000
    assert (reply.cost, reply.list_price.high) == (0, pytest.approx(expected))
    assert reply["sandbox"]["list_price"]["billed"] == 0
    assert "free (on the platform ¥0.000" in str(
        chat_view.footer(chat_view.StreamedAnswer.from_reply(reply))
    )
    pieces = list(ChatCompletion(model="ernie-4.5-turbo-128k", version=2).do("你是谁", stream=True))
    assert pieces[-1].list_price.high == pytest.approx(expected)


def test_a_price_that_is_not_certain_is_a_range(scripted):
    at_23h = 1_790_000_000 // 86_400 * 86_400 + 15 * 3600
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 1000,
        "total_tokens": 2000,
        "prompt_tokens_details": {"cached_tokens": 400},
    }
    body = {
        "id": "x",
        "created": at_23h,
        "choices": [{"message": {"content": "好"}}],
        "usage": usage,
    }
    scripted([http_answer(json.dumps(body).encode())])
    reply = ChatCompletion(model="deepseek-v4-pro-0813").do("x")
    low = 0.6 * 0.0045 + 0.4 * 0.00015 + 0.0135
    high = 0.6 * 0.009 + 0.4 * 0.00015 + 0.0135
    assert (reply.cost_range.low, reply.cost_range.high) == (
        pytest.approx(low),
        pytest.approx(high),
    )
    assert reply.cost == reply.cost_range.high
    assert "¥0.02" in chat_view.footer(chat_view.StreamedAnswer.from_reply(reply))
    assert list(qfnb.usage().iloc[-1][["cost_low", "cost"]]) == [reply.cost_range.low, reply.cost]
