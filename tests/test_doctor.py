"""`qfnb doctor`: what a bug report needs, without secrets."""

from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from qfnb import cli, config, doctor
from qfnb.notebook import auth
from qfnb.views import home

KEY = "bce-v3/ALTAK-test/canary0123456789"


class Partition(NamedTuple):
    mountpoint: str
    fstype: str


def about(topic):
    return [finding for finding in doctor.examine(reach=False) if finding.topic == topic]


def test_the_report_has_versions_and_the_platform_and_ends_with_zero(sandbox, capsys):
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    for part in ("qfnb 0.", "CPython 3.", "ipykernel ", "SQLite ", "models in "):
        assert part in text


def test_no_secret_and_no_name_of_the_user_is_in_the_report(monkeypatch, scripted):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:proxy-password-canary@127.0.0.1:9")
    scripted()
    config.get_config().api_key = KEY
    text = doctor.report(doctor.examine(reach=False))
    assert "api_key from get_config()" in text
    assert "canary" not in text
    assert str(Path.home()) not in text


def test_a_platform_that_does_not_answer_is_bad_news_and_exit_code_one(monkeypatch, capsys):
    monkeypatch.setenv("QIANFAN_CONSOLE_API_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("QIANFAN_API_KEY", KEY)
    assert cli.main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "✕ Platform: " in text
    assert text.count("127.0.0.1:9") == 1
    assert "→ Check the network. Set HTTPS_PROXY" in text
    assert "canary" not in text


def test_a_state_folder_on_the_network_is_warned_of(monkeypatch):
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [Partition("/", "nfs4")])
    (warning,) = [line for line in about("State folder") if line.state == "warn"]
    assert "network folder (nfs4)" in warning.text
    assert "QFNB_STATE_DIR" in warning.remedy


WRONG = {
    "a key of another form": {"QIANFAN_API_KEY": "your-key"},
    "half of a pair": {"QIANFAN_ACCESS_KEY": "ALTAKtest0123456789", "QIANFAN_PLATFORM": "qianfan"},
    "no answer": {"QIANFAN_API_KEY": KEY, "QIANFAN_CONSOLE_API_BASE_URL": "http://127.0.0.1:9"},
    "no number": {"QIANFAN_RPM_LIMIT": "many"},
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("variables", WRONG.values(), ids=WRONG)
def test_each_problem_is_said_once_and_ends_in_the_command_to_run(monkeypatch, variables, language):
    for name, value in {**variables, "QFNB_LANG": language}.items():
        monkeypatch.setenv(name, value)
    findings = doctor.examine()
    problems = [finding for finding in findings if finding.state != "ok"]
    assert problems
    assert len({finding.text for finding in problems}) == len(problems)
    assert all(finding.remedy.rstrip("。.").endswith("`") for finding in problems)
    bundle = home.findings_bundle(findings)
    assert bundle["text/html"].count("</code></div>") >= len(problems)
    topics = [
        line.split("：" if language == "zh" else ": ")[0]
        for line in bundle["text/plain"].splitlines()
    ]
    topics = [topic for topic in topics if not topic.startswith(" ")]
    assert len(set(topics)) == len(topics)


def test_the_cards_of_the_platform_and_of_the_sandbox_say_what_the_terminal_says(
    sandbox, monkeypatch
):
    monkeypatch.setenv("QFNB_LANG", "zh")
    access = home.access_bundle(auth.describe_access())
    for text in ("平台", "默认模型", sandbox.url.removeprefix("http://"), "%qfauth doctor"):
        assert [text in access[kind] for kind in ("text/plain", "text/html")] == [True, True]
    assert "model：" not in access["text/plain"].replace("默认", "")
    card = home.sandbox_bundle()
    for text in (sandbox.url, "宽松：旧模型也能应答", "状态目录"):
        assert [text in card[kind] for kind in ("text/plain", "text/html")] == [True, True]
