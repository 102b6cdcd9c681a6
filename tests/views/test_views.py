"""What is drawn: answers, pictures, curves, panels, tables."""

import io

import pytest
from PIL import Image

from qfnb import Dataset, errors
from qfnb.evaluation.report import EvaluationResult, Sample
from qfnb.views import charts, chat, dataset, display, evaluation
from qfnb.views.charts import comparison_chart, loss_svg

EVIL = "<img src=x onerror=alert(1)>\x1b[31m"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("waiting", "等待"),
        ("streaming", "正在回答"),
        ("interrupted", "已中断"),
        ("failed", "未完成"),
        ("done", ""),
    ],
)
def test_an_answer_says_how_it_ended(state, words):
    answer = chat.Answer("m", text="**好**", state=state)
    assert words in chat.html(answer)
    assert words in chat.text(answer)
    assert "<strong>好</strong>" in chat.html(answer)


def test_what_the_server_names_itself_is_text():
    answer = chat.Answer(EVIL, text="x", request_id=EVIL, reasoning=EVIL)
    assert "<img" not in chat.html(answer)
    assert "\x1b" not in chat.text(answer)


def test_a_footer_shows_what_is_known_and_nothing_else():
    assert chat.footer(chat.Answer("m")) == "m"
    full = chat.Answer("m", tokens=7, seconds=1.5, first_token=0.2, from_sandbox=True, request_id="as-1")
    assert chat.footer(full) == "本地沙盒 sandbox · m · 7 tokens · 1.50 s (first token 0.20 s) · as-1"


@pytest.mark.parametrize("losses", [[], [0.0], [float(n) for n in range(5)]])
def test_a_curve_of_any_length_draws(losses):
    svg = loss_svg(list(range(len(losses))), losses)
    assert svg.count("polyline") + svg.count("circle") == bool(losses)
    assert "nan" not in svg


def result(*means, n=6):
    samples = tuple(
        Sample(f"模型{m}", i, "问<b>", "答", EVIL if i else "答", {"准确率": float(i < mean * n)})
        for m, mean in enumerate(means)
        for i in range(n)
    )
    return EvaluationResult(samples, tuple(f"模型{m}" for m in range(len(means))), ("准确率",))


def test_a_comparison_is_a_picture_with_bars():
    image = Image.open(io.BytesIO(comparison_chart(result(0.5, 1.0))))
    assert image.width > 400
    assert len(image.convert("RGB").getcolors(maxcolors=100_000)) > 20


def test_without_a_chinese_font_the_reader_is_told(monkeypatch):
    monkeypatch.setattr(charts, "_families", list)
    assert "fonts-noto-cjk" in evaluation.html(result(0, 1))
    assert not charts.font_hint(["base", "tuned"])


def test_an_evaluation_shows_chart_conclusion_and_changed_answers_safely():
    shown = evaluation.html(result(0, 1))
    assert "模型1 is better" in shown
    assert "answers that changed" in shown
    assert "<img src=x" not in shown
    assert "问&lt;b&gt;" in shown


@pytest.mark.parametrize("means", [(1,), (0, 0.5, 1)])
def test_one_model_and_three_models_draw(means):
    assert "<table>" in evaluation.html(result(*means))


def test_a_dataset_shows_its_head_safely():
    rows = [{"prompt": EVIL, "response": "长" * 200}] * 7
    shown = dataset.html(Dataset(rows, name=EVIL))
    assert "<img" not in shown
    assert "7 rows" in shown
    assert "… 2 more" in shown
    assert "长" * 100 not in shown
    assert dataset.text(Dataset(rows)).count("\n") == 6


@pytest.mark.parametrize("name", ["live", "static", "text"])
def test_the_display_mode_can_be_set(monkeypatch, name):
    monkeypatch.setenv("QFNB_DISPLAY", name)
    assert display.mode() == name


def test_a_wrong_display_mode_is_named(monkeypatch):
    monkeypatch.setenv("QFNB_DISPLAY", "fancy")
    with pytest.raises(errors.InvalidArgumentError, match="live, static or text"):
        display.mode()


def test_outside_of_a_notebook_a_bundle_is_printed(capsys):
    display.publish({"text/plain": "seen", "text/html": "<b>not seen</b>"})
    assert capsys.readouterr().out == "seen\n"
