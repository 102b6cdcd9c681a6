"""The parts of the probe, without a platform: plans, costs, what may be shared, the report, the
command.
"""

import asyncio
import json
import signal
import subprocess
import sys

import pytest
from support.scripted_server import http_answer

from qfnb import cli, errors
from qfnb.probe import command, sharing
from qfnb.probe.check import CHECKS, Check, expect, plan
from qfnb.probe.costs import cost_limit
from qfnb.probe.exchange import Exchange, Request
from qfnb.probe.report import Circumstances, Result, spent, terminal_lines, to_cassette, to_markdown
from qfnb.probe.run import run_checks
from qfnb.wire import catalog, inference
from qfnb.wire.chat import CHAT_V2

SECRET = "bce-v3/ALTAK-abcdefgh/0123456789abcdef0123"
TEXT = "小明的电话是 13800001111"


def answer(body, status=200, request=None, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Exchange(request or Request(CHAT_V2, {"model": "ernie-5.1"}), status, headers, content)


def run(check, send):
    async def collect():
        return [result async for result in run_checks([check], send)]

    return asyncio.run(collect())[0]


ODD_ANSWERS = [
    {},
    {
        "data": 3,
        "error": "x",
        "result": {},
        "choices": [7],
        "usage": 3,
        "results": [1],
        "output": 5,
    },
    {
        "data": [1, {"pricing": 5, "id": None}],
        "result": [1, {"supportTrainMode": [{"supportParameterScale": 3}]}],
    },
    {
        "data": [{"pricing": {"prompt": [1, {"price": []}]}, "embedding": 7}],
        "choices": [{"message": {"content": 7}}],
    },
]


@pytest.mark.parametrize("body", ODD_ANSWERS)
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_survives_any_answer(name, body):
    async def send(request):
        return answer(body, request=request)

    findings = run(CHECKS[name], send).findings
    assert findings
    assert not any("cannot read" in finding.observed for finding in findings)


def test_the_plan_of_a_check_is_its_requests_at_most():
    labels = [request.label for request in plan(CHECKS["rerank"].steps())]
    assert labels == [
        "POST /v2/rerank (bce-reranker-base)",
        "POST /v2/rerankers (bce-reranker-base)",
    ]


def test_the_cost_is_by_the_price_list_and_unknown_prices_stay_unknown():
    question = {"messages": [], "max_completion_tokens": 1000}
    limit = cost_limit([Request(CHAT_V2, {"model": "ernie-4.5-turbo-128k", **question})])
    assert 0.0032 < limit.cny < 0.0034
    limit = cost_limit([Request(CHAT_V2, {"model": "ernie-5.5-flash-preview", **question})])
    assert (limit.cny, list(limit.unpriced)) == (0, ["ernie-5.5-flash-preview"])
    assert str(limit) == "price unknown: ernie-5.5-flash-preview (1,133 tokens)"


def test_a_batch_costs_what_its_lines_cost():
    (one, many) = (
        cost_limit(plan(CHECKS[name].steps())).cny for name in ("batch-windows", "batch-lines")
    )
    assert 0 < one < 0.001
    assert 0.2 < many < 0.8


def test_a_picture_costs_its_price_and_a_wrong_key_costs_nothing():
    picture = Request(inference.TEXT2IMAGE_V2, {"model": "qwen-image", "prompt": "x"})
    refused = Request(CHAT_V2, {"model": "ernie-5.1", "messages": []}, key="wrong")
    assert (
        cost_limit([picture, refused]).cny == catalog.find_prices("text2image", "qwen-image").image
    )


def test_nothing_private_is_shared():
    body = {
        "id": "as-abcdefghij", "user_id": 123456, "log_id": 99, "api_key": SECRET, "model": "my-own-service",
        "choices": [{"message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "error": {"code": "invalid_model", "message": f"user 1234567890 has key {SECRET}"},
        "metadata": {"customer": TEXT}, "pricing": {"prompt": "0.004"}, TEXT: 1, "status": TEXT, "type": SECRET,
        "embedding": [0.1, 0.2, 0.3, 0.4, 0.5],
    }  # fmt: skip
    shared = json.dumps(sharing.to_shared(answer(body, cookie=SECRET)), ensure_ascii=False)
    for private in (
        SECRET,
        TEXT,
        "abcdefghij",
        "123456",
        "1234567890",
        "my-own-service",
        "customer",
        "cookie",
    ):
        assert private not in shared
    for public in ("invalid_model", "stop", '"0.004"', "as-***", "assistant", "<2 more numbers>"):
        assert public in shared


@pytest.mark.parametrize(
    ("name", "is_public"),
    [
        ("ernie-5.1", True), ("qwen3.6-27b", True), ("deepseek-v4-pro-1120", True), ("ernie-6.0-flash-preview", True),
        ("my-own-service", False), ("ernie-for-acme", False), ("svcp_abc", False), (SECRET, False),
    ],
)  # fmt: skip
def test_a_new_model_of_a_known_family_is_public_and_a_service_is_not(name, is_public):
    assert sharing.is_public_model(name) == is_public


def test_the_report_begins_with_what_differs():
    check = Check("usage", "usage", lambda: iter(()))
    findings = [expect("a is b", True, "b"), expect("c is d", False, f"e | {SECRET}")]
    circumstances = Circumstances("qianfan", ("API key",), "0.1.0", "2026-11-22", cost_limit([]))
    result = Result(check, findings, [answer({"id": "as-1234567", "text": TEXT})])
    text = to_markdown([result], circumstances)
    assert text.index("c is d") < text.index("a is b")
    assert "1 as assumed, 1 differ, 0 not tested" in text
    assert "e \\| " in text
    assert (SECRET in text, TEXT in text) == (False, False)
    assert terminal_lines(result)[1:] == ["  ✓ a is b", "  ✗ c is d → e | bce-v3/***"]
    assert json.loads(to_cassette([result]))["check"] == "usage"


def test_an_answer_that_nobody_thought_of_is_a_finding():
    def steps():
        yield Request(CHAT_V2)
        raise KeyError

    async def send(request):
        return answer({})

    (finding,) = run(Check("odd", "an odd answer", steps), send).findings
    assert (finding.verdict, "KeyError" in finding.observed) == ("not tested", True)


def test_the_same_reading_request_is_sent_once(scripted):
    count = 0

    async def send(request):
        nonlocal count
        count += 1
        return answer({"data": []}, request=request)

    async def collect():
        checks = [CHECKS[name] for name in ("models", "price-tiers", "prices", "preview-price")]
        return [result async for result in run_checks(checks, send)]

    asyncio.run(collect())
    assert count == 1


def test_without_a_key_it_says_what_to_set(capsys):
    assert cli.main(["probe"]) == 1
    assert "set QIANFAN_API_KEY" in capsys.readouterr().err
    assert cli.main(["probe", "--dry-run"]) == 0
    assert "no key is set · ¥" in capsys.readouterr().out


def test_a_dry_run_sends_nothing(scripted, capsys):
    server = scripted([http_answer(b"{}")])
    assert cli.main(["probe", "--dry-run", "--only", "rerank,models"]) == 0
    output = capsys.readouterr().out
    assert "POST /v2/rerank (bce-reranker-base)" in output
    assert "at most" in output
    assert not server.requests


def test_nothing_is_sent_without_a_yes(scripted, capsys, monkeypatch):
    server = scripted([http_answer(b"{}")])
    assert cli.main(["probe", "--only", "models"]) == 2
    assert "--yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    assert cli.main(["probe", "--only", "models"]) == 1
    assert "nothing was sent" in capsys.readouterr().out
    assert not server.requests


def test_it_writes_a_report_and_a_cassette(scripted, tmp_path, capsys):
    scripted(
        [
            http_answer(
                json.dumps({"error": {"code": "access_denied", "message": "no"}}).encode(),
                status="403 No",
            )
        ]
    )
    assert cli.main(["probe", "--only", "models", "--yes", "--out", str(tmp_path)]) == 0
    (cassette,) = tmp_path.glob("*.jsonl")
    (report,) = tmp_path.glob("*.md")
    assert json.loads(cassette.read_text("utf-8"))["status"] == 403
    assert "403 access_denied" in report.read_text("utf-8")


def test_an_interrupted_probe_writes_what_it_has(sandbox, tmp_path):
    command = [
        sys.executable,
        "-u",
        "-m",
        "qfnb",
        "probe",
        "--sandbox",
        "--yes",
        "--out",
        str(tmp_path),
    ]
    words = [*command, "--only", "rate-headers,thinking"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        next(line for line in process.stdout if line.startswith("  ✓"))
        process.send_signal(signal.SIGINT)
        process.wait(180)
    (report,) = tmp_path.glob("*.md")
    assert "| rate-headers |" in report.read_text("utf-8")


def test_a_folder_that_cannot_be_written_to_is_said_before_anything_is_sent(
    scripted, tmp_path, capsys
):
    server = scripted([http_answer(b"{}")])
    (tmp_path / "file").write_text("")
    assert cli.main(["probe", "--only", "models", "--yes", "--out", str(tmp_path / "file")]) == 2
    assert "cannot be written to" in capsys.readouterr().err
    assert not server.requests


def test_what_was_spent_is_by_usage():
    question = Request(CHAT_V2, {"model": "ernie-4.5-turbo-128k"})
    priced = answer({"usage": {"prompt_tokens": 1000, "completion_tokens": 1000}}, request=question)
    unpriced = answer(
        {"usage": {"prompt_tokens": 9}},
        request=Request(CHAT_V2, {"model": "ernie-5.5-flash-preview"}),
    )
    result = Result(CHECKS["usage"], [], [priced, unpriced, priced])
    assert spent([result]) == "by usage and list price CNY 0.0040, 1 answers without a price"


def test_fine_tuning_needs_an_iam_pair_and_says_so(scripted, capsys):
    scripted([http_answer(b"{}")])
    cli.main(["probe", "--dry-run", "--only", "fine-tune"])
    assert "needs an IAM pair" in capsys.readouterr().out


def test_an_unknown_check_is_refused_with_the_list():
    with pytest.raises(errors.InvalidArgumentError, match=r"--only nonsense.*rate-headers"):
        command._selected_checks(["nonsense"])
