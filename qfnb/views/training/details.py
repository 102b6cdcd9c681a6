"""The details of a training: its log, checkpoints, hyper-parameters, metrics and links to the console."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from ...trainer.consts import ActionState
from ...trainer.loss_diagnostics import LossPoint, best_checkpoint
from ...trainer.progress import LogLine, TrainingProgress
from .. import styles
from ..text import escape, one_line

STAGE_LABELS: Final = {
    "dataset": "数据 data",
    "train": "训练 train",
    "publish": "发布 publish",
    "deploy": "部署 deploy",
    "evaluate": "评估 evaluate",
}

MAX_ROWS: Final = 12
"""Rows of a table in a live panel; a static output has the whole log."""

ALL, PROBLEMS, CHECKPOINTS, HYPER_PARAMETERS = "all", "problems", "checkpoints", "values"

_PROBLEM_STATES = {str(ActionState.Error), str(ActionState.Stopped)}


def view_options(progress: TrainingProgress) -> list[tuple[str, str]]:
    """Return the views that a live panel can show below its curve, as pairs of label and key."""
    stages = [(f"日志 log: {STAGE_LABELS.get(stage.name, stage.name)}", stage.name) for stage in progress.stages]
    log = [("日志 log: 全部 all", ALL), ("日志 log: 问题 problems", PROBLEMS), *stages]
    return [*log, ("检查点 checkpoints", CHECKPOINTS), ("超参数 hyper-parameters", HYPER_PARAMETERS)]


def render_view(progress: TrainingProgress, key: str) -> str:
    """Return a view as HTML; of the log the newest lines, the newest first."""
    if key == CHECKPOINTS:
        return checkpoints(progress.points) or _dim_note("还没有检查点 no checkpoint yet")
    if key == HYPER_PARAMETERS:
        return values(progress.hyper_parameters) or _dim_note("模型默认值 the model's defaults")
    lines = [line for line in progress.log if _matches_view(line, key)]
    if not lines:
        return _dim_note("没有此类记录 no such line")
    caption = f"{min(len(lines), MAX_ROWS)} / {len(lines)} 条最新记录 latest lines"
    return _log_table(list(reversed(lines[-MAX_ROWS:])), caption)


def sections(progress: TrainingProgress) -> str:
    """Return all views as folded HTML, for a static output."""
    problems = [line for line in progress.log if _matches_view(line, PROBLEMS)]
    parts = (
        (f"检查点 checkpoints（{len(progress.points)}）", checkpoints(progress.points)),
        ("超参数 hyper-parameters", values(progress.hyper_parameters)),
        (f"日志中的问题 problems in the log（{len(problems)}）", _log_table(problems) if problems else ""),
        (f"日志 log（{len(progress.log)}）", _log_table(progress.log) if progress.log else ""),
    )
    return "".join(
        f"<details><summary {styles.SUMMARY}>{title}</summary>{body}</details>" for title, body in parts if body
    )


def checkpoints(points: Sequence[LossPoint]) -> str:
    """Return points of the curve as a table; the best one that can be published is marked."""
    if not points:
        return ""
    best = best_checkpoint(points)
    step = max(1, -(-len(points) // (MAX_ROWS - 2)))
    selected = [p for n, p in enumerate(points) if n % step == 0 or p.is_kept or p is best or p is points[-1]]
    names = list(dict.fromkeys(name for point in points for name in point.rewards or {}))
    last_heads = [f"rewards/{name}" for name in names] or ["困惑度 perplexity"]
    heads = ("步 step", "epoch", "训练 loss", "验证 validation", *last_heads, "")
    rows = [
        (
            point.step,
            _format_number(point.epoch, ".2f"),
            _format_number(point.training_loss, ".4f"),
            _format_number(point.validation_loss, ".4f"),
            *(
                [_format_number((point.rewards or {}).get(name), ".3f") for name in names]
                or [_format_number(point.perplexity, ".3f")]
            ),
            "★ 验证最低 lowest" if point is best else "已保存 kept" if point.is_kept else "",
        )
        for point in selected
    ]
    return _table(heads, rows, f"{len(selected)} / {len(points)}；loss 单位 in nats")


def values(hyper_parameters: Mapping[str, Any]) -> str:
    """Return hyper-parameters as a table."""
    return _table(("名称 name", "值 value"), list(hyper_parameters.items())) if hyper_parameters else ""


def metrics(metrics: Mapping[str, Any]) -> str:
    """Return the final metrics as a table of one row."""
    heads, row = tuple(map(str, metrics)), tuple(metrics.values())
    return _table(heads, [row], "验证集 on held-out rows") if metrics else ""


def links(urls: Mapping[str, str]) -> str:
    """Return pages of the console as links; addresses that are not safe are omitted."""
    anchors = [
        f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(one_line(name, 40))} ↗</a>'
        for name, url in urls.items()
        if is_safe(url)
    ]
    return f"<div>控制台 console: {' · '.join(anchors)}</div>" if anchors else ""


def is_safe(url: object) -> bool:
    """Return whether an address may be a link: https, with a host, without user name and odd characters."""
    if not isinstance(url, str) or any(char.isspace() or not char.isprintable() for char in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and not parts.username
    except ValueError:
        return False


def _matches_view(line: LogLine, key: str) -> bool:
    if key == PROBLEMS:
        return line.state in _PROBLEM_STATES or "does not answer" in line.text
    return key in {ALL, line.stage}


def _log_table(lines: Sequence[LogLine], title: str = "") -> str:
    heads = ("时间 time", "步骤 step", "状态 state", "说明 event")
    rows = [
        (
            time.strftime("%m-%d %H:%M:%S", time.localtime(line.at)),
            STAGE_LABELS.get(line.stage, line.stage),
            line.state,
            one_line(line.text, 240),
        )
        for line in lines
    ]
    return _table(heads, rows, title)


def _format_number(value: float | None, format_spec: str) -> str:
    return "" if value is None else f"{value:{format_spec}}"


def _dim_note(text: str) -> str:
    return f"<div {styles.DIM}>{text}</div>"


def _table(heads: Iterable[object], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    top = "".join(f'<th scope="col" {styles.CELL}>{escape(one_line(head, 40))}</th>' for head in heads)
    body = "".join(
        "<tr>" + "".join(f"<td {styles.CELL}>{escape(one_line(cell, 240))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    title = f"<caption {styles.CELL}>{escape(caption)}</caption>" if caption else ""
    return f"<table {styles.TABLE}>{title}<tr>{top}</tr>{body}</table>"
