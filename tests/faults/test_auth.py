"""Keys that are missing, wrong, expired or of another place, and clocks that are wrong
(F37-F51).
"""

import asyncio
import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from support.scripted_server import http_answer
from support.waiting import until

import qfnb
from qfnb import ChatCompletion, config, errors
from qfnb.config import KEY_NAMES
from qfnb.notebook.auth import AuthMagics
from qfnb.transport import clock, event_loop, http as auth

KEY = "bce-v3/ALTAK-test/canary0123456789"
EXPIRED = http_answer(b'{"error_code": 110, "error_msg": "Access token invalid"}')
ANSWER = http_answer(b'{"id": "as-1", "result": "ok", "choices": [{"message": {"content": "ok"}}]}')


def use_keys(**keys):
    for name in KEY_NAMES:
        setattr(config.get_config(), name, keys.get(name, ""))


def refusal(status, code, message="no", more=""):
    body = json.dumps({"error": {"code": code, "message": message}, "id": "as-1"}).encode()
    return http_answer(body, status=f"{status} No", more=more)


@pytest.mark.fault("F37")
def test_without_a_key_the_ways_to_set_one_are_named_before_any_call(scripted):
    server = scripted([ANSWER])
    use_keys()
    config.get_config().platform = "qianfan"
    with pytest.raises(errors.CredentialsError) as caught:
        ChatCompletion(version=2).do("x")
    assert all(
        way in str(caught.value)
        for way in ("QIANFAN_API_KEY", "%qfauth set", "get_config().api_key")
    )
    assert not server.requests


@pytest.mark.fault("F37")
def test_a_key_is_typed_into_a_hidden_field_and_not_printed(monkeypatch, capsys):
    monkeypatch.setattr("getpass.getpass", lambda prompt: KEY if prompt == "api_key: " else "")
    AuthMagics(shell=None).qfauth("set")
    assert config.credentials().get("api_key") == KEY
    assert "`api_key`: get_config()" in (output := capsys.readouterr().out)
    assert "canary" not in output


@pytest.mark.fault("F38")
@pytest.mark.parametrize("key", ["x\r\nx-injected: 1", "x y", "ｘ", "x\x00y", "x\u200b"])
def test_a_key_that_would_change_the_request_is_never_sent(scripted, key):
    server = scripted([ANSWER])
    with pytest.raises(errors.CredentialsError, match="contains characters that no key has"):
        ChatCompletion(version=2, api_key=key).do("x")
    assert not server.requests


@pytest.mark.fault("F40")
@pytest.mark.parametrize("code", ["invalid_iam_token", "IAM Certification failed"])
def test_a_refused_key_is_not_sent_again_and_the_error_says_where_to_look(scripted, code):
    server = scripted([refusal(401, code, f"key {KEY} is no good")])
    with pytest.raises(errors.AuthError, match="%qfauth") as caught:
        ChatCompletion(version=2).do("x")
    assert "canary" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.fault("F41")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("coding_plan_model_not_supported", "the model is not part of the plan"),
        ("access_denied", "Coding Plan API key is not allowed for non-Coding Plan requests"),
    ],
)
def test_a_plans_key_at_another_address_is_told_the_address(scripted, code, message):
    server = scripted([refusal(403, code, message)])
    with pytest.raises(errors.AuthError, match="QIANFAN_PROFILE=coding"):
        ChatCompletion(version=2).do("x")
    assert len(server.requests) == 1


@pytest.mark.fault("F42")
@pytest.mark.parametrize("code", [6, 17])
def test_what_is_not_activated_is_not_asked_for_again(scripted, code):
    server = scripted(
        [http_answer(json.dumps({"error_code": code, "error_msg": "limit reached"}).encode())]
    )
    use_keys(access_token="24.x")
    with pytest.raises(
        errors.NotActivatedError, match="not activated or the account is in arrears"
    ):
        ChatCompletion(version=1, endpoint="e").do("x")
    assert len(server.requests) == 1


class TokenServer:
    """Issues the tokens 24.1, 24.2, ...; only the newest is valid, and none where `refuses`."""

    def __init__(self):
        self.issued = 0
        self.revoked = 0
        self.refuses = False

    def __call__(self, request):
        if b"/oauth/" in request.split(b"\r\n")[0]:
            self.issued += 1
            return [
                http_answer(
                    json.dumps(
                        {"access_token": f"24.{self.issued}", "expires_in": 2592000}
                    ).encode()
                )
            ]
        token = int(re.search(rb"access_token=24\.(\d+)", request)[1])
        return [EXPIRED if self.refuses or token <= self.revoked else ANSWER]


@pytest.fixture
def tokens(scripted):
    server = TokenServer()
    server.requests = scripted(server).requests
    use_keys(ak="an-application-0123", sk="a-secret-0123")
    return server


def model():
    return ChatCompletion(version=1, endpoint="e")


@pytest.mark.fault("F43")
@pytest.mark.parametrize("code", [110, 111])
def test_an_expired_token_is_renewed_once_and_the_call_repeated(tokens, monkeypatch, code):
    monkeypatch.setattr(f"{__name__}.EXPIRED", EXPIRED.replace(b"110", str(code).encode()))
    assert model().do("x").text == "ok"
    tokens.revoked = tokens.issued
    assert model().do("x").text == "ok"
    assert (tokens.issued, len(tokens.requests)) == (2, 5)


@pytest.mark.fault("F43")
def test_a_token_that_is_refused_twice_is_an_error_with_its_message(tokens):
    assert model().do("x").text == "ok"
    tokens.refuses = True
    with pytest.raises(errors.AuthError, match=r"110.*Access token invalid"):
        model().do("x")
    assert (tokens.issued, len(tokens.requests)) == (2, 5)


@pytest.mark.fault("F44")
def test_fifty_calls_renew_an_expired_token_once(tokens):
    async def ask_at_once():
        return await asyncio.gather(*(model().ado("x") for _ in range(50)))

    assert model().do("x").text == "ok"
    tokens.revoked = tokens.issued
    assert [reply.text for reply in asyncio.run(ask_at_once())] == ["ok"] * 50
    assert tokens.issued == 2


@pytest.mark.fault("F45")
def test_calls_with_another_key_go_on_while_a_token_is_fetched(scripted):
    release = threading.Event()
    token = http_answer(b'{"access_token": "24.1", "expires_in": 2592000}')
    server = scripted(lambda request: [release, token] if b"/oauth/" in request else [ANSWER])
    use_keys(ak="an-application-0123", sk="a-secret-0123")
    waiting = event_loop.submit(model().ado("x"))
    until(lambda: server.requests)
    assert ChatCompletion(version=2, api_key=KEY).do("x").text == "ok"
    assert not waiting.done()
    release.set()
    assert waiting.result(180).text == "ok"


@pytest.mark.fault("F46")
@pytest.mark.parametrize(
    ("hours", "words"), [(1.5, "1 h .* behind"), (-1.5, "1 h .* ahead"), (0, "")]
)
def test_a_wrong_clock_is_named_where_a_signature_is_refused(scripted, hours, words):
    date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    headers = (
        f"date: {date}\r\nx-bce-error-code: RequestExpired\r\nx-bce-error-message: expired\r\n"
    )
    scripted([http_answer(b"", status="403 Forbidden", more=headers)])
    use_keys(access_key="ALTAKtest", secret_key="test0123")
    with pytest.raises(errors.AuthError) as caught:
        qfnb.jobs()
    assert ("this computer's clock is" in str(caught.value)) == bool(words)
    assert re.search(words, str(caught.value))


@pytest.mark.fault("F47")
def test_a_call_is_signed_after_its_turn_has_come(scripted, monkeypatch):
    start = clock.now()
    monkeypatch.setattr(
        auth,
        "time",
        SimpleNamespace(time=lambda: 1_700_000_000 + clock.now() - start, monotonic=time.monotonic),
    )
    server = scripted([ANSWER])
    now = config.get_config()
    use_keys(access_key="ALTAKtest", secret_key="test0123")
    now.rpm_limit = 0.1
    with qfnb.testing():
        for _ in range(2):
            ChatCompletion(version=1, endpoint="slow").do("x", request_timeout=3600)
    first, second = (
        datetime.fromisoformat(re.search(rb"(?i)x-bce-date: (\S+)", request)[1].decode())
        for request in server.requests
    )
    assert (second - first).total_seconds() > now.iam_sign_expiration_sec


@pytest.mark.fault("F48")
def test_a_key_that_changes_in_the_environment_is_used_at_once_and_stored_nowhere(
    scripted, monkeypatch
):
    server = scripted([ANSWER])
    use_keys()
    for number in (1, 2):
        monkeypatch.setenv("QIANFAN_API_KEY", f"bce-v3/ALTAK-test/canary-{number}")
        del config.get_config().api_key
        ChatCompletion(version=2).do("x")
        assert f"Bearer bce-v3/ALTAK-test/canary-{number}".encode() in server.requests[-1]
    files = [path for path in config.state_dir().rglob("*") if path.is_file()]
    assert not [path for path in files if b"canary-" in path.read_bytes()]


@pytest.mark.fault("F49")
def test_a_file_in_the_working_directory_sends_no_key_anywhere(scripted, monkeypatch, tmp_path):
    foreign = scripted([ANSWER])
    chosen = scripted([ANSWER])
    names = ("BASE_URL", "CONSOLE_API_BASE_URL", "OPENAI_BASE_URL", "PROXY", "PLATFORM")
    (tmp_path / ".env").write_text(
        "".join(f"QIANFAN_{name}={foreign.url}\n" for name in names), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    assert ChatCompletion(version=2).do("x").text == "ok"
    assert (len(chosen.requests), foreign.requests) == (1, [])
