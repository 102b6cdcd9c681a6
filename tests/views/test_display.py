"""Whether an output is live, static or text."""

from types import SimpleNamespace

import pytest

from qfnb import errors
from qfnb.views import display


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
