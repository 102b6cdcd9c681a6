"""An output that is live: what the notebook keeps of it."""

from types import SimpleNamespace

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances

from qfnb.views import live_frame
from qfnb.views.display import LiveOutput

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def bundles(monkeypatch):
    """What is displayed in a kernel that no page has drawn for, the newest last."""
    bundles = []
    monkeypatch.setattr(live_frame, "_current_model", None)
    add = lambda bundle, **_: bundles.append(bundle)
    display = lambda bundle, **_: add(bundle) or SimpleNamespace(update=add)
    monkeypatch.setenv("QFNB_DISPLAY", "live")
    monkeypatch.setattr("IPython.display.display", display)
    return bundles


def open_output(**options):
    return LiveOutput(
        "half",
        widget=ipywidgets.HTML,
        draw=lambda widget, state: setattr(widget, "value", state),
        final=lambda state: {"text/plain": state, "text/html": f"<b>{state}</b>"},
        **options,
    )


def test_a_notebook_keeps_the_dated_static_form_and_no_view(bundles):
    live = open_output(go_on=lambda state: f"Rows of {state} are kept; run `%qfbatch show`.")
    assert WIDGET not in bundles[0]
    assert "<b>half</b>" in bundles[0]["text/html"]
    assert "Rows of half are kept; run <code>%qfbatch show</code>" in bundles[0]["text/html"]
    assert "not followed any more" in bundles[0]["text/plain"]
    live.finish("whole")
    assert bundles[-1] == {"text/plain": "whole", "text/html": bundles[-1]["text/html"]}
    assert "qf-frame" not in bundles[-1]["text/html"]


def test_a_view_is_added_where_no_page_takes_the_widget(bundles):
    live = open_output()
    live._add_view()
    live._frame.model._receive(None, {}, [])
    live._add_view()
    assert [WIDGET in bundle for bundle in bundles] == [False, True]
    live.finish("whole")


def test_vs_code_gets_a_view_at_once(bundles, monkeypatch):
    monkeypatch.setenv("VSCODE_PID", "1")
    live = open_output()
    assert [WIDGET in bundle for bundle in bundles] == [True]
    live.finish("whole")


def test_what_replaces_a_live_output_has_its_frame(bundles):
    live = open_output()
    replaced = []
    live.replace_with(lambda: replaced.append(open_output()))
    assert replaced[0]._frame is live._frame
    assert live._widget.comm is None
    replaced[0].finish("whole")


@pytest.mark.parametrize("is_voila", [False, True])
def test_nothing_is_left_at_the_end_but_the_final_form_for_pages_that_are_loaded_later(
    bundles, monkeypatch, is_voila
):
    open_output().finish("the kernel's one model of all frames is there from now on")
    before = set(_instances)
    open_output().finish("whole")
    assert set(_instances) == before
    live = open_output()
    if is_voila:
        monkeypatch.setenv("VOILA_BASE_URL", "/")
    else:
        monkeypatch.setattr(ipywidgets.Widget, "_control_comm", object())
    live.finish("whole")
    state = live._frame.model.get_state()
    assert state[live._frame.name] == {"final": bundles[-1]["text/html"]}, (
        "a page that is loaded anew asks for it"
    )
    live._close()
    assert live._frame.name not in live._frame.model.get_state()
    assert set(_instances) == before
