"""What is drawn: answers, pictures, curves, panels, tables."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from qfnb import Dataset, errors
from qfnb.views import chat, dataset, display

EVIL = "<img src=x onerror=alert(1)>\x1b[31m"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("waiting", "Waiting"),
        ("streaming", "Answering"),
        ("interrupted", "Stopped"),
        ("failed", "Not complete"),
        ("done", ""),
    ],
)
def test_an_answer_says_how_it_ended(state, words):
    answer = chat.StreamedAnswer("m", text="**好**", state=state)
    assert words in chat.html(answer)
    assert words in chat.text(answer)
    assert "<strong>好</strong>" in chat.html(answer)


def test_what_the_server_names_itself_is_text():
    answer = chat.StreamedAnswer(EVIL, text="x", request_id=EVIL, reasoning=EVIL)
    assert "<img" not in chat.html(answer)
    assert "\x1b" not in chat.text(answer)


def test_a_footer_shows_what_is_known_and_nothing_else():
    assert chat.footer(chat.StreamedAnswer("m")) == ["m"]
    full = chat.StreamedAnswer(
        "m", tokens=7, seconds=1.5, first_token=0.2, from_sandbox=True, request_id="as-1"
    )
    assert chat.footer(full) == ["m", "first token 0.20 s · total 1.5 s", "7 tokens", "free"]
    assert "as-1" in str(chat.footer(replace(full, error="refused")))


def test_a_dataset_shows_its_head_safely():
    rows = [{"prompt": EVIL, "response": "长" * 200}] * 7
    html = dataset.html(Dataset(rows, name=EVIL))
    assert "<img" not in html
    assert "7 rows" in html
    assert "and 2 more rows" in html
    assert "长" * 100 not in html
    assert dataset.text(Dataset(rows)).count("\n") == 6


@pytest.mark.parametrize("name", ["live", "static", "text"])
def test_the_display_mode_can_be_set(monkeypatch, name):
    monkeypatch.setenv("QFNB_DISPLAY", name)
    assert display.display_mode() == name


def test_a_wrong_display_mode_is_named(monkeypatch):
    monkeypatch.setenv("QFNB_DISPLAY", "fancy")
    with pytest.raises(errors.InvalidArgumentError, match="live, static or text"):
        display.display_mode()


@pytest.mark.parametrize(
    ("request_message", "voila", "mode"),
    [
        ({"metadata": {"cellId": "cell-1"}}, "", "live"),  # JupyterLab, Notebook 7
        # nbclassic
        ({"header": {"version": "5.2", "username": "username"}, "metadata": {}}, "", "live"),
        # nbclient, no $USER
        ({"header": {"version": "5.4", "username": "username"}, "metadata": {}}, "", "static"),
        # Voila
        ({"header": {"version": "5.4", "username": "username"}, "metadata": {}}, "/", "live"),
        ({}, "", "static"),
    ],
)
def test_outputs_are_live_where_a_page_draws_them(monkeypatch, request_message, voila, mode):
    monkeypatch.delenv("PYTEST_VERSION")
    if voila:
        monkeypatch.setenv("VOILA_BASE_URL", voila)
    shell = SimpleNamespace(kernel=None, get_parent=lambda: request_message)
    monkeypatch.setattr(display, "_shell", lambda: shell)
    assert display.display_mode() == mode


def test_outside_of_a_notebook_a_bundle_is_printed(capsys):
    display.publish({"text/plain": "seen", "text/html": "<b>not seen</b>"})
    assert capsys.readouterr().out == "seen\n"
