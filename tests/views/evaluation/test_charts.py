"""Charts of a report: their texts, what they leave out, and legible names."""

import io
import random
import subprocess
import sys
import warnings

import matplotlib as mpl
import pytest
from matplotlib import font_manager
from PIL import Image
from support.reports import EVIL, build_report, chart_image

from qfnb import InvalidArgumentError, charts
from qfnb.views import drawing, formatters

CHINESE = "千帆中文大模型七十亿参数版本"


@pytest.fixture(autouse=True)
def _every_warning_counts():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def random_bars(*models, metrics=("m",), **fields):
    """The bars of scores between 0 and 1."""
    dice = random.Random(7)
    scores = {model: [dice.random() for _ in range(12)] for model in models}
    return charts.bars(build_report(scores, metrics=metrics, **fields))


def test_bars_say_means_intervals_and_coverage():
    alt = charts.bars(build_report({"a": [1.0, 0.0, None], "b": [None] * 3})).alt
    assert "m, a: 0.500 (0.095–0.905), 2 of 3 scored" in alt
    assert "m, b: no score of 3" in alt


@pytest.mark.parametrize(
    "report", [build_report({"a": [None]}), build_report({"a": [1.0]}, metrics=())]
)
def test_nothing_is_drawn_without_a_score(report):
    with pytest.raises(charts.ChartNotDrawn, match="no answer has a score"):
        charts.bars(report)


@pytest.mark.parametrize(
    "names",
    [
        ("a", "b"),
        (CHINESE, CHINESE * 2 + "（微调后）"),
        tuple(f"ERNIE-Speed-8K-tuned-2024110{n}-lr3e-4" for n in range(9)),
    ],
)
@pytest.mark.parametrize("metrics", [("m",), ("指标", "k", "l")])
def test_any_number_of_models_and_metrics_draws_and_nothing_touches_the_edge(names, metrics):
    picture = chart_image(random_bars(*names, metrics=metrics))
    left, top, right, bottom = picture.getbbox()
    assert picture.width == drawing.INCHES * drawing.DPI
    assert left > 0 < top
    assert (right, bottom) < picture.size
    assert picture.getpixel((0, 0))[3] == 0


def test_scores_of_a_wide_scale_have_their_own_axis():
    scores = {"a": [1.0, 5.0, 3.0], "b": [4.0, 4.5, 5.0]}
    chart = charts.bars(build_report(scores, scales={"m": (0, 5)}))
    assert ">4</text>" in chart.svg
    assert "m, b: 4.500" in chart.alt


@pytest.mark.parametrize("value", [-3.0, 0.0, 7.5, 1e6])
def test_scores_without_a_scale_draw(value):
    assert charts.bars(build_report({"a": [value, value], "b": [value, -value]})).png


@pytest.mark.fault("F92")
@pytest.mark.parametrize(
    "name",
    [EVIL, "<script>alert(1)</script>", "$x$", r"$\frac{1}", "长" * 200, "", " ", "🦙", "a\nb"],
)
def test_any_name_draws_and_is_inert(name):
    chart = random_bars(name, "other", metrics=(name or "m",))
    assert chart.png
    assert "<script>" not in chart.html
    assert "<img src=x" not in chart.html


def test_a_long_name_lacks_its_middle():
    svg = random_bars("ERNIE-Speed-8K-tuned-20241101-lr3e-4", "b").svg
    assert ">ERNIE-Speed-8K…0241101-lr3e-4</text>" in svg


def test_names_that_are_the_same_when_short_get_letters_and_the_letters_a_legend(tmp_path):
    chart = random_bars("长" * 200, "长" * 201)
    saved = chart.report.save(tmp_path / "r.html", pictures=[chart]).read_text(encoding="utf-8")
    assert "<img" not in saved
    for page in (chart.html, saved):
        assert f"A = {'长' * 200}; B = {'长' * 201}" in page


def test_without_a_chinese_font_labels_of_the_picture_are_letters(monkeypatch):
    monkeypatch.setattr(drawing, "chinese_font", lambda: "")
    chart = random_bars("基础", "tuned")
    assert chart.captions()[0].startswith("A = 基础; B = tuned")
    assert ">基础</text>" in chart.svg
    assert chart.png
    assert len(random_bars("base", "tuned").captions()) == 1


def test_a_font_is_found_by_what_it_has_and_broken_ones_are_passed_by(monkeypatch, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    fonts = font_manager.fontManager.ttflist
    latin = next(font for font in fonts if font.name == "DejaVu Serif")
    broken = font_manager.FontEntry(fname=str(tmp_path / "broken.ttf"), name="SimHei")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [broken, latin])
    assert not drawing.chinese_font.__wrapped__()
    chinese = next((font for font in fonts if "Serif CJK" in font.name), None)
    if chinese:
        monkeypatch.setattr(font_manager.fontManager, "ttflist", [broken, latin, chinese])
        assert drawing.chinese_font.__wrapped__() == chinese.name


def test_the_users_own_style_neither_changes_a_chart_nor_is_changed():
    plain = random_bars("a", "b").png
    style = {"axes.facecolor": "red", "text.usetex": True, "font.size": 30, "savefig.bbox": "tight"}
    with mpl.rc_context(style):
        before = dict(mpl.rcParams)
        assert random_bars("a", "b").png == plain
        assert dict(mpl.rcParams) == before


def test_a_chart_is_saved_as_png(tmp_path):
    chart = random_bars("a", "b")
    assert chart.save(tmp_path / "bars.png").read_bytes() == chart.png
    with pytest.raises(InvalidArgumentError, match="does not end"):
        chart.save(tmp_path / "bars.svg")


def test_a_chart_shows_itself_in_a_notebook():
    bundle = formatters._format("evaluation.charts", "chart_bundle", random_bars("a", "b"))
    assert "aria-label=" in bundle["text/html"]
    assert bundle["image/png"].startswith(b"\x89PNG")


def test_every_form_of_a_chart_says_recipe_coverage_and_the_sandbox():
    fields = {
        "recipes": {"m": "exact match [version 2]"},
        "origins": {"a": "sandbox"},
        "metrics": ("m", "k"),
    }
    chart = charts.bars(build_report({"a": [0.0] * 20, "b": [1.0] * 19 + [None]}, **fields))
    assert "b is better than a · Local sandbox: a</figcaption>" in chart.html
    source = "39 of 40 answers scored · exact match [version 2] · k · Local sandbox"
    picture = Image.open(io.BytesIO(chart.png)).info["Description"]
    assert [source in form for form in (repr(chart), chart.html, picture)] == [True] * 3


def test_matplotlib_is_loaded_by_the_first_chart_not_by_the_import():
    code = (
        "import sys; from qfnb import charts; sys.exit('matplotlib' in sys.modules or "
        "'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_long_source_is_wrapped_not_cut():
    text = "12 questions · " * 20
    lines = drawing._wrap(text, 112)
    assert " ".join(line.strip() for line in lines) == text.strip()
    assert max(map(drawing.terminal_cells, lines)) <= 112
    assert drawing._wrap("一二三。" * 40, 112)[0].endswith("。")
