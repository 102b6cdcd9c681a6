"""Charts of a report: their texts, what they leave out, and legible names."""

import io
import math
import random
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import partial

import matplotlib as mpl
import pytest
from PIL import Image
from support.reports import EVIL, build_report, chart_image

from qfnb import InvalidArgumentError, charts
from qfnb.views import drawing, fonts as evaluation_fonts, formatters
from qfnb.views.evaluation import report as report_view

CHINESE = "千帆中文大模型七十亿参数版本"


@pytest.fixture(autouse=True)
def _every_warning_counts():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def no_font(monkeypatch):
    monkeypatch.setattr(evaluation_fonts, "chinese_font", lambda: "")


def random_report(*models, metrics=("m",), n=12, **fields):
    """A report with scores between 0 and 1."""
    dice = random.Random(7)
    return build_report(
        {model: [dice.random() for _ in range(n)] for model in models}, metrics=metrics, **fields
    )


def two_model_report(first, last, **fields):
    return build_report({"a": first, "b": last}, **fields)


def test_bars_say_means_intervals_and_coverage():
    alt = charts.bars(two_model_report([1.0, 0.0, None], [1.0, 1.0, 0.0])).alt
    assert "m, a: 0.500 (0.095–0.905), 2 of 3 scored" in alt
    assert "m, b: 0.667 (0.208–0.939), 3 of 3 scored" in alt


def test_bars_of_a_model_without_scores_are_not_zero():
    assert "m, a: no score of 2" in charts.bars(two_model_report([None, None], [1.0, 0.0])).alt


def test_distributions_count_right_wrong_and_missing():
    alt = charts.distributions(two_model_report([1.0, 0.0, None], [1.0, 1.0, 1.0])).alt
    assert "m, a: 1 right, 1 wrong, 1 without a score" in alt
    assert "m, b: 3 right, 0 wrong, 0 without a score" in alt


def test_distributions_of_other_scores_say_the_quartiles():
    alt = charts.distributions(build_report({"a": [0.0, 0.25, 0.5, 0.75, 1.0]})).alt
    assert "0.000 to 1.000, quartiles 0.250, 0.500, 0.750, 5 scores" in alt


def test_win_rates_leave_ties_out_of_the_rate_and_tell_them():
    alt = charts.win_rates(
        two_model_report([0.0, 0.0, 0.0, 1.0, 0.5], [1.0, 1.0, 1.0, 0.0, 0.5])
    ).alt
    assert "b against a: 3 wins, 1 losses, 1 ties, 75% of those decided" in alt
    assert "none decided" in charts.win_rates(two_model_report([0.5], [0.5])).alt


def test_wins_are_the_lower_scores_where_less_is_better():
    alt = charts.win_rates(
        two_model_report([1.0, 1.0], [0.0, 0.0], lower_is_better=frozenset({"m"}))
    ).alt
    assert "b against a: 2 wins, 0 losses" in alt


def test_win_rates_by_another_metric():
    assert (
        "Win rates by k" in charts.win_rates(random_report("a", "b", metrics=("m", "k")), "k").alt
    )
    with pytest.raises(InvalidArgumentError, match="the report has m, k"):
        charts.win_rates(random_report("a", "b", metrics=("m", "k")), "z")


def test_a_radar_leaves_out_metrics_of_another_scale():
    report = random_report("a", "b", metrics=("m", "k", "l", "judged"), scales={"judged": (0, 5)})
    alt = charts.radar(report).alt
    assert "Means from 0 to 1" in alt
    assert alt.endswith("Not shown, for another scale or missing means: judged.")


@pytest.mark.parametrize(
    "fields",
    [{"metrics": ("m", "k")}, {"metrics": ("m", "k", "l"), "lower_is_better": frozenset({"l"})}],
)
def test_two_comparable_metrics_make_no_radar(fields):
    with pytest.raises(InvalidArgumentError, match="this report has 2"):
        charts.radar(random_report("a", "b", **fields))


def test_cost_is_that_of_1000_answers():
    alt = charts.cost_quality(
        two_model_report([1.0, 0.0], [1.0, 1.0], cost={"a": 0.002, "b": 0.01})
    ).alt
    assert "a: 2, m, a: 0.500" in alt
    assert "b: 10, m, b: 1.000" in alt


@pytest.mark.parametrize("cost", [{}, {"a": math.nan, "b": math.nan}, {"a": 0.0, "b": 0.0}])
def test_without_a_cost_it_is_the_latency(cost):
    chart = charts.cost_quality(
        two_model_report([1.0], [0.0], cost=cost, seconds={"a": 0.5, "b": 2.0})
    )
    assert chart.title == "Speed and quality"
    assert "a: 0.5, m, a: 1.000" in chart.alt


def test_a_model_of_unknown_cost_is_named():
    report = build_report({m: [1.0, 0.0] for m in "abc"}, cost={"a": 0.1, "b": 0.2})
    assert charts.cost_quality(report).source.endswith("not known for c")


def test_a_range_of_cost_is_drawn_and_told_as_a_range():
    report = build_report({m: [1.0, 0.0] for m in "ab"}, cost={"a": 0.001, "b": 0.0005})
    records = [
        replace(each, cost_low=0.0005) if each.model == "a" else each for each in report.records
    ]
    chart = charts.cost_quality(replace(report, records=tuple(records)))
    assert "a: 0.5–1, m" in chart.alt
    assert chart.source.endswith("bars across: from the lowest to the highest price")
    assert chart.svg.count('class="e"') == 1 + charts.cost_quality(report).svg.count('class="e"')


def test_answers_of_the_sandbox_have_no_cost_beside_paid_ones_and_their_model_is_named():
    cost = {"a": 0.001, "b": 0.002, "c": 0.0}
    scores = {m: [1.0, 0.0] for m in "abc"}
    report = build_report(
        scores, cost=cost, origins={"a": "qianfan", "b": "qianfan", "c": "sandbox"}
    )
    chart = charts.cost_quality(report)
    assert (chart.title, "c:" in chart.alt) == ("Cost and quality", False)
    assert chart.source.endswith("not known for c · Local sandbox: c")
    assert "cost of 1,000 answers (CNY): 1 → –" in report.card(base="a", tuned="c").lines()
    # header and caption
    assert report_view.bundle(report)["text/html"].count("Local sandbox: c") >= 2


def test_charts_without_meaning_are_left_out_with_a_reason():
    gallery = charts.all(random_report("a"))
    assert list(gallery.by_kind) == ["bars", "distributions"]
    assert list(gallery.left_out) == ["win_rates", "radar", "cost_quality"]
    assert "two models" in repr(gallery)


def test_nothing_is_drawn_when_every_row_failed():
    gallery = charts.all(build_report({"a": [None, None], "b": [None, None]}))
    assert len(gallery) == 0
    assert len(gallery.left_out) == 5
    assert len(charts.all(build_report({"a": [1.0]}, metrics=()))) == 0


@pytest.mark.parametrize("models", [1, 6, 9])
@pytest.mark.parametrize("metrics", [1, 5])
def test_any_number_of_models_and_metrics_draws(models, metrics):
    report = random_report(
        *(f"{CHINESE}{n}" for n in range(models)),
        metrics=tuple(f"指标{n}" for n in range(metrics)),
        n=8,
    )
    for chart in charts.all(report):
        assert chart_image(chart).width == drawing.INCHES * drawing.DPI
        assert not chart.legend


def test_scores_of_a_wide_scale_have_their_own_axis():
    report = two_model_report([1.0, 5.0, 3.0], [4.0, 4.5, 5.0], scales={"m": (0, 5)})
    assert ">4</text>" in charts.bars(report).svg
    assert "m, b: 4.500" in charts.bars(report).alt


@pytest.mark.parametrize("value", [-3.0, 0.0, 7.5, 1e6])
def test_scores_without_a_scale_draw(value):
    assert len(charts.all(two_model_report([value, value], [value, -value]))) >= 3


def has_margins(chart):
    """Return whether a picture is transparent at its four edges."""
    box = chart_image(chart).getbbox()
    size = chart_image(chart).size
    return box[0] > 0 and box[1] > 0 and box[2] < size[0] and box[3] < size[1]


@pytest.mark.parametrize(
    "names",
    [
        ("a", "b"),
        (CHINESE, CHINESE * 2 + "（微调后）"),
        tuple(f"ERNIE-Speed-8K-tuned-2024110{n}-lr3e-4" for n in range(6)),
    ],
)
def test_nothing_touches_the_edge(names):
    report = random_report(*names, metrics=("m", "k", "l"), cost=dict.fromkeys(names, 0.1))
    assert all(has_margins(chart) for chart in charts.all(report))


@pytest.mark.fault("F92")
@pytest.mark.parametrize(
    "name",
    [EVIL, "<script>alert(1)</script>", "$x$", r"$\frac{1}", "长" * 200, "", " ", "🦙", "a\nb"],
)
def test_any_name_draws_and_is_inert(name):
    for chart in charts.all(random_report(name, "other", metrics=(name or "m",))):
        page = chart.html
        assert "<script>" not in page
        assert "<img src=x" not in page


def test_a_long_name_lacks_its_middle():
    chart = charts.bars(random_report("ERNIE-Speed-8K-tuned-20241101-lr3e-4", "b"))
    assert ">ERNIE-Speed-8K…0241101-lr3e-4</text>" in chart.svg
    assert not chart.legend


def test_names_that_are_the_same_when_short_get_letters_and_the_letters_a_legend(tmp_path):
    report = random_report("长" * 200, "长" * 201)
    chart = charts.bars(report)
    assert chart.legend == (("A", "长" * 200), ("B", "长" * 201))
    assert not chart.hint
    saved = report.save(tmp_path / "r.html").read_text(encoding="utf-8")
    for page in (chart.html, saved):
        assert f"A = {'长' * 200}; B = {'长' * 201}" in page


def test_names_that_differ_only_in_blanks_get_letters():
    assert charts.bars(random_report("a b", "a  b")).legend == (("A", "a b"), ("B", "a b"))


@pytest.mark.usefixtures("no_font")
def test_without_a_chinese_font_labels_are_letters_with_a_hint():
    chart = charts.bars(random_report("基础", "tuned", metrics=("得分", "k")))
    assert chart.legend == (("A", "基础"), ("B", "tuned"), ("M1", "得分"), ("M2", "k"))
    assert "fonts-noto-cjk" in chart.hint
    assert "基础" in chart.svg
    assert all(
        has_margins(c) for c in charts.all(random_report("基础", "二", metrics=("得分", "k", "l")))
    )


@pytest.mark.usefixtures("no_font")
def test_latin_names_need_no_chinese_font():
    chart = charts.bars(random_report("base", "tuned"))
    assert (chart.legend, chart.hint) == ((), "")


def test_a_font_is_found_by_what_it_has_and_broken_ones_are_passed_by(monkeypatch, tmp_path):
    from matplotlib import font_manager

    (tmp_path / "broken.ttf").write_bytes(b"no font")
    fonts = font_manager.fontManager.ttflist
    latin = next(font for font in fonts if font.name == "DejaVu Serif")
    broken = font_manager.FontEntry(fname=str(tmp_path / "broken.ttf"), name="SimHei")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [broken, latin])
    assert not evaluation_fonts.chinese_font.__wrapped__()
    chinese = next((font for font in fonts if "Serif CJK" in font.name), None)
    if chinese:
        monkeypatch.setattr(font_manager.fontManager, "ttflist", [broken, latin, chinese])
        assert evaluation_fonts.chinese_font.__wrapped__() == chinese.name


def contrast(colour, page):
    def light(value):
        parts = [int(value[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] + 0.05

    low, high = sorted((light(colour), light(page)))
    return high / low


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_ink_is_legible_on_a_white_and_on_a_dark_page(page):
    assert contrast(drawing.TEXT_COLOR, page) > 4.2


def test_the_background_is_transparent():
    assert all(
        chart_image(chart).getpixel((0, 0))[3] == 0 for chart in charts.all(random_report("a", "b"))
    )


def test_the_users_own_style_neither_changes_a_chart_nor_is_changed():
    plain = charts.bars(random_report("a", "b")).png
    with mpl.rc_context(
        {"axes.facecolor": "red", "text.usetex": True, "font.size": 30, "savefig.bbox": "tight"}
    ):
        before = dict(mpl.rcParams)
        chart = charts.bars(random_report("a", "b"))
        assert dict(mpl.rcParams) == before
        assert chart_image(chart).size == chart_image(charts.bars(random_report("a", "b"))).size
        assert (255, 0, 0, 255) not in {
            colour for _, colour in chart_image(chart).getcolors(maxcolors=100_000)
        }
    assert charts.bars(random_report("a", "b")).png == plain


def test_a_chart_is_saved_as_png(tmp_path):
    chart = charts.bars(random_report("a", "b"))
    assert chart.save(tmp_path / "bars.png").read_bytes() == chart.png
    with pytest.raises(InvalidArgumentError, match="does not end"):
        chart.save(tmp_path / "bars.svg")


def test_charts_are_on_a_saved_page_as_svg(tmp_path):
    report = random_report("基础", "tuned", metrics=("m", "k", "l"))
    page = report.save(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<img" not in page
    for chart in charts.all(report):
        assert chart.title in page


def test_charts_and_cards_show_themselves_in_a_notebook():
    renderers = {
        name: partial(formatters._format, view, function)
        for _, name, view, function in formatters._FORMATTERS
    }
    report = random_report("a", "b")
    assert "aria-label=" in renderers["Chart"](charts.bars(report))["text/html"]
    assert renderers["Charts"](charts.all(report))["text/html"].count("<svg") == 3
    assert "Cannot tell" in renderers["Card"](report.card())["text/html"]
    assert renderers["Chart"](charts.bars(report))["image/png"].startswith(b"\x89PNG")


def test_a_model_has_one_colour_in_all_charts():
    report = random_report(
        "first", "second", metrics=("m", "k", "l"), cost={"first": 0.1, "second": 0.2}
    )
    for name in ("bars", "radar", "cost_quality"):
        shapes = re.findall(r'class="f (s\d)"[^>]*><title>([^<]*)', charts.all(report)[name].svg)
        assert {css for css, words in shapes if "first" in words} == {"s1"}
        assert {css for css, words in shapes if "second" in words} == {"s2"}


def test_the_title_of_two_models_is_the_verdict_and_has_the_sandbox_mark():
    chart = charts.bars(two_model_report([0.0] * 20, [1.0] * 20, origins={"a": "sandbox"}))
    assert chart.title == "b is better than a"
    assert "b is better than a · Local sandbox: a</figcaption>" in chart.html


def test_every_form_of_a_chart_says_recipe_coverage_and_the_sandbox():
    fields = {
        "recipes": {"m": "exact match [version 2]"},
        "origins": {"a": "sandbox"},
        "metrics": ("m", "k"),
    }
    chart = charts.bars(two_model_report([0.0] * 20, [1.0] * 19 + [None], **fields))
    source = "39 of 40 answers scored · exact match [version 2] · k · Local sandbox"
    picture = Image.open(io.BytesIO(chart.png)).info["Description"]
    assert [source in form for form in (repr(chart), chart.html, picture)] == [True] * 3


def test_ticks_are_round_numbers():
    svg = charts.cost_quality(
        two_model_report([1.0, 0.0], [1.0, 1.0], cost={"a": 0.00237, "b": 0.0113})
    ).svg
    assert [f">{tick}</text>" in svg for tick in (0, 5, 10, 15)] == [True] * 4


def test_matplotlib_is_loaded_by_the_first_chart_not_by_the_import():
    code = (
        "import sys; from qfnb import charts; sys.exit('matplotlib' in sys.modules or "
        "'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_axis_of_scores_that_does_not_begin_at_zero_is_said():
    cost = {"a": 0.002, "b": 0.01}
    high = charts.cost_quality(
        two_model_report([0.9, 0.8, 0.9] * 9, [1.0, 0.9, 0.9] * 9, cost=cost)
    )
    assert (
        "the axis of M begins at 0." in high.source or "the axis of m begins at 0." in high.source
    )
    assert (
        "begins at"
        not in charts.cost_quality(two_model_report([1.0, 0.0], [0.0, 0.0], cost=cost)).source
    )


def test_a_long_source_is_wrapped_not_cut():
    text = "12 questions · " * 20
    lines = evaluation_fonts.wrap_to_width(text, 112)
    assert " ".join(line.strip() for line in lines) == text.strip()
    assert max(map(evaluation_fonts.display_width, lines)) <= 112
    assert evaluation_fonts.wrap_to_width("一二三。" * 40, 112)[0].endswith("。")
