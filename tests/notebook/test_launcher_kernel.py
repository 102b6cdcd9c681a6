"""The form of `%qftrain` in a real kernel: it opens, launches, gives way to the panel, and leaves
nothing.
"""

from pathlib import Path

import pytest
from support.kernel import is_live

pytestmark = pytest.mark.kernel

TRAIN = Path(__file__).parents[2] / "notebooks" / "data" / "teahouse_train.jsonl"
READY = "form.state.stage == 'editing' and not form.state.has_issues"


@pytest.fixture
def data(kernel):
    """A small dataset in the variable `ds`."""
    kernel.run(f"import qfnb; ds = qfnb.Dataset.load({str(TRAIN)!r}).head(48)")


def wait_for(kernel, expression):
    kernel.until(lambda: kernel.value(expression) == "True")


def test_the_form_launches_and_its_place_is_taken_by_the_panel(kernel, data):
    before = set(kernel.open_comms)
    cell = kernel.run("form = qfnb.launcher(ds); form", live=True)
    assert is_live(cell.outputs[0])
    wait_for(kernel, READY)
    kernel.until(lambda: len(kernel.open_comms - before) > 20)
    assert len(kernel.open_comms - before) <= 50
    kernel.run("form.choose('epoch', '2'); form.choose('variable', 'tuned'); form.press('launch')")
    kernel.run("import time; time.sleep(0.45); form.press('launch')")
    wait_for(kernel, "form.trainer is not None and form.trainer.progress.finished")
    kernel.until(lambda: "✓ Published" in cell.text)
    kernel.until(lambda: kernel.open_comms == before)
    assert len(cell.outputs) == 1
    assert not is_live(cell.outputs[0])
    assert kernel.run("%qftrain wait").status == "ok"
    assert kernel.value("tuned is form.trainer") == "True"


def test_a_closed_form_is_what_it_says_and_no_widget(kernel, data):
    before = set(kernel.open_comms)
    cell = kernel.run("form = qfnb.launcher(ds); form.show()", live=True)
    wait_for(kernel, READY)
    kernel.run("form.press('close')")
    kernel.until(lambda: kernel.open_comms == before)
    assert not is_live(cell.outputs[0])
    assert "TrainConfig(" in cell.text


@pytest.mark.parametrize("line", ["%qftrain", "%qftrain new ds", f"%qftrain new {TRAIN}"])
def test_where_outputs_cannot_move_the_form_is_static(kernel, data, line):
    cell = kernel.run(line)
    assert cell.status == "ok"
    assert len(cell.outputs) == 1
    assert not is_live(cell.outputs[0])
    assert "ERNIE-4.5-Turbo-128K" in cell.text
    assert ("LLMFinetune(" in cell.text) is (line != "%qftrain")


def test_the_variables_of_the_notebook_are_offered(kernel, data):
    kernel.run(
        "other = ds.head(3); frame = ds.to_pandas(); trainer = 7; form = qfnb.launcher(); "
        "form.show()"
    )
    assert kernel.value("{'ds', 'other', 'frame'} == form.state.variables") == "True"
    assert kernel.value("form.state.form.variable") == "'trainer_2'"


def test_a_dataset_without_a_name_is_used_all_the_same(kernel, data):
    kernel.run("form = qfnb.launcher(ds.head(5)); form.show()")
    assert (
        kernel.value("(form.state.form.draft.dataset, form.state.has_issues)")
        == "('dataset', False)"
    )


def test_what_is_no_dataset_is_refused(kernel):
    cell = kernel.run("import qfnb; qfnb.launcher(7)")
    assert "A int is not training data" in cell.text
