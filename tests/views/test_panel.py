"""What all panels do while they follow a job."""

import asyncio
from types import SimpleNamespace

import pytest

from qfnb.views.panel import Panel


class ThreeLooks(Panel):
    poll_s = 0.0
    looks = 0

    def _parts(self, progress):
        raise NotImplementedError

    def _create_buttons(self):
        raise NotImplementedError

    def _update_buttons(self, progress):
        raise NotImplementedError

    def _bundle(self, progress):
        raise NotImplementedError

    def result(self):
        raise NotImplementedError

    def _go_on(self, progress):
        raise NotImplementedError

    def _is_open(self):
        self.looks += 1
        return self.looks < 4


def test_the_copy_of_a_cell_that_waits_is_not_read_once_more(monkeypatch):
    copies = []
    monkeypatch.setattr("qfnb.views.panel.publish", copies.append)
    panel = ThreeLooks(SimpleNamespace(progress=None))
    panel._bundle = lambda _: {"text/plain": "Done", "text/html": '<b role="status">Done</b>'}
    panel.publish_final()
    assert copies == [{"text/plain": "Done", "text/html": "<b>Done</b>"}]


@pytest.mark.parametrize(("is_asking", "renewals"), [(False, 3), (True, 0)])
def test_a_panel_that_waits_for_an_answer_keeps_the_focus_on_its_buttons(is_asking, renewals):
    calls = []
    live = SimpleNamespace(
        update=lambda progress: calls.append("update"),
        renew_when_due=lambda: calls.append("renew"),
        finish=lambda progress: calls.append("finish"),
    )
    panel = ThreeLooks(SimpleNamespace(progress=None))
    panel.is_asking = is_asking
    asyncio.run(panel._follow(live))
    assert calls.count("update") == 3
    assert calls.count("renew") == renewals
    assert calls[-1] == "finish"
