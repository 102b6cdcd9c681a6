"""`%qfeval`: ask models the same questions, watch it, read the report, look through the answers."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from ..errors import InvalidArgumentError
from . import awaiting, evaluations
from .arguments import document, keep, variables
from .evaluate_options import MOST, PARSER, TAKEN, VERBS

if TYPE_CHECKING:
    from ..evaluation.evaluator import LocalEvaluator
    from ..evaluation.report import EvaluationResult
    from ..views.evaluation_panel import EvaluationPanel
    from .evaluating import Judge, Running

T = TypeVar("T")

CANCELLED = "已取消，已有的回答保留 / cancelled; answers are kept, and the same cell again asks for the rest"
UNDER_WAY = "该评估正在运行 / this evaluation is under way already; `%qfeval wait` shows the report"


@magics_class
class EvalMagics(Magics):
    """The verbs of `%qfeval`."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._panels: deque[EvaluationPanel] = deque(maxlen=20)
        self._lines: dict[str, Running] = {}
        self._newest: Running | EvaluationResult | None = None

    @no_var_expand
    @line_magic
    def qfeval(self, line: str) -> Any:
        verb, rest = (*line.split(maxsplit=1), "", "")[:2]
        if verb not in VERBS:
            verb, rest = "start", line
        options, words = PARSER.words(rest)
        if options.help:
            print(PARSER.format_help())  # noqa: T201 - help was asked for
            return None
        given = {key for key, value in vars(options).items() if value not in (None, False)} - {"awaited"}
        if unknown := given - TAKEN.get(verb, set()):
            PARSER.error(f"%qfeval {verb} takes no {' or '.join(sorted(unknown))} (该动词没有此选项)")
        if len(words) > MOST.get(verb, len(words)):
            PARSER.error(f"unexpected {words[MOST[verb]][:40]!r} behind %qfeval {verb} (多余的参数)")
        return getattr(self, f"_{verb}")(options, words)

    def _start(self, options: Namespace, words: list[str]) -> Any:
        from ..batching.reading import JournalInUse  # noqa: PLC0415 - %load_ext stays fast
        from ..views.evaluation_panel import STARTED  # noqa: PLC0415

        asked = evaluations.models(self.shell, words, options.model or (), options.endpoint or ())
        evaluators, judges = self._evaluators(options)
        rows = self._rows(options, evaluators)
        if options.dry_run:
            return evaluations.estimates(asked, rows, judges, self._given(options))
        line = repr((words, sorted(vars(options).items())))
        try:
            running, said = self._begin(options, asked, rows, evaluators, judges), STARTED
        except JournalInUse:
            same = self._lines.get(line)
            if same is None or same.progress.over:
                raise
            running, said = same, UNDER_WAY
        self._lines[line] = running
        self._open(running, said)
        return None

    def _begin(
        self,
        options: Namespace,
        asked: list[Any],
        rows: Any,
        evaluators: list[LocalEvaluator],
        judges: list[Judge],
    ) -> Running:
        """Ask all models; the report comes into the variable when it is there."""
        from ..evaluation import EvaluationManager  # noqa: PLC0415
        from ..evaluation.questions import rows_of  # noqa: PLC0415
        from .evaluating import Running  # noqa: PLC0415

        given = self._given(options)
        more = {"worker_num": given.pop("workers", 8), "budget": given.pop("budget", None)}
        manager = EvaluationManager(local_evaluators=evaluators)
        begun = manager.start(asked, rows, cluster=options.cluster or "", **more, **given)
        by_batch = [evaluations.is_asked_by_batch(each) for each in asked]
        running = Running(begun, by_batch, len(rows_of(rows)), judges, done=self._keeper(options))
        return self._put(options, running)

    def _keeper(self, options: Namespace) -> Callable[[Running, EvaluationResult], None]:
        """Return what puts the report where its evaluation stands, unless something else stands there now."""

        def done(running: Running, report: EvaluationResult) -> None:
            if options.variable and variables(self.shell).get(options.variable) is running:
                keep(self.shell, options.variable, report)

        return done

    def _wait(self, options: Namespace, words: list[str]) -> Any:
        from ..views import display  # noqa: PLC0415
        from ..views.evaluation_panel import EvaluationPanel  # noqa: PLC0415

        running = self._running(words)
        panel = next((panel for panel in reversed(self._panels) if panel.task is running), None)
        if panel is None:
            panel = EvaluationPanel(running)
            if display.mode() == "live":
                panel.show()

        def end(interrupted: bool) -> None:
            panel.settle()
            if not interrupted:
                running.report()  # raises what ended it badly
                evaluations.raise_if_stopped(running.progress)

        job: awaiting.Job[None] = awaiting.Job()
        return awaiting.finish(_over(running), job, end, CANCELLED, awaited=options.awaited)

    def _show(self, options: Namespace, words: list[str]) -> Any:
        found = self._find(words)
        return found if hasattr(found, "records") else self._open(self._running(words))

    def _cancel(self, options: Namespace, words: list[str]) -> None:
        self._running(words).cancel()

    def _only(self, options: Namespace, words: list[str]) -> Any:
        from ..evaluation import EvaluationManager  # noqa: PLC0415
        from ..evaluation.questions import PROMPT  # noqa: PLC0415

        if words and options.data:
            PARSER.error("only: the data once, as a word or by --data (数据只给一次)")
        evaluators, judges = self._evaluators(options)
        rows = evaluations.data(self.shell, words[0] if words else options.data)
        manager = EvaluationManager(local_evaluators=evaluators)

        def score() -> EvaluationResult:
            return manager.eval_only(
                rows,
                output_column=[*filter(None, (options.outputs or "llm_output").split(","))],
                reference_column=options.reference,
                input_column=options.input or PROMPT,
                cluster=options.cluster or "",
            )

        return self._scored(options, score, judges)

    def _rescore(self, options: Namespace, words: list[str]) -> Any:
        report = self._report(words)
        evaluators, judges = self._evaluators(options)
        return self._scored(options, lambda: report.rescore(evaluators), judges)

    def _browse(self, options: Namespace, words: list[str]) -> Any:
        from ..views.evaluation_samples import browse  # noqa: PLC0415

        self._put(options, browse(self._report(words))).show()

    def _compare(self, options: Namespace, words: list[str]) -> Any:
        return self._put(options, self._report(words[:1]).card(*words[1:3]))

    def _save(self, options: Namespace, words: list[str]) -> None:
        if not words:
            PARSER.error("save needs a file: %qfeval save REPORT report.html (请给出文件名)")
        from ..views.evaluation_gallery import all_of  # noqa: PLC0415

        report = self._report(words[:-1])
        path = report.save(words[-1], pictures=[*all_of(report)])
        print(f"已保存 saved: {path}")  # noqa: T201 - where it is

    def _load(self, options: Namespace, words: list[str]) -> Any:
        from ..evaluation import Report  # noqa: PLC0415

        if not words:
            PARSER.error("load needs a file that `save` wrote as .json (请给出文件名)")
        return self._kept(options, Report.load(words[0]))

    def _open(self, running: Running, said: str = "") -> None:
        """Show a panel; where nobody watches, say something instead, since its end is shown by `wait`."""
        from ..views import display  # noqa: PLC0415
        from ..views.evaluation_panel import EvaluationPanel  # noqa: PLC0415

        self._newest = running
        panel = EvaluationPanel(running)
        self._panels.append(panel)
        if said and display.mode() != "live":
            print(said)  # noqa: T201 - the panel itself comes when somebody waits for it
        else:
            panel.show()

    def _evaluators(self, options: Namespace) -> tuple[list[LocalEvaluator], list[Judge]]:
        from .evaluating import Judge  # noqa: PLC0415

        words = [word.strip() for word in (options.judge or "").split(",") if word.strip()]
        judges = [Judge(evaluations.model(self.shell, word)) for word in words]
        return evaluations.metrics(self.shell, options.metrics, options.recipe, judges), judges

    def _rows(self, options: Namespace, evaluators: Sequence[Any]) -> Any:
        return evaluations.questions(
            evaluations.data(self.shell, options.data),
            options.input,
            options.reference,
            needed=evaluations.needs_reference(evaluators),
            keep=options.keep_wrong_rows,
        )

    def _given(self, options: Namespace) -> dict[str, Any]:
        """Return the options by the names that the library has for them."""
        given = {key: getattr(options, key) for key in ("system", "temperature", "budget", "workers")}
        given["max_output_tokens"] = options.max_tokens
        return {key: value for key, value in given.items() if value is not None}

    def _scored(
        self, options: Namespace, score: Callable[[], EvaluationResult], judges: Sequence[Judge]
    ) -> Any:
        """Score answers that there are, with the kernel free; return the report."""
        from .evaluating import counted  # noqa: PLC0415

        job: awaiting.Job[None] = awaiting.Job()
        scoring = asyncio.to_thread(lambda: counted(score()))
        found: list[EvaluationResult | BaseException] = []

        async def work() -> None:
            try:
                found.extend(await asyncio.gather(scoring, return_exceptions=True))
            except asyncio.CancelledError:
                for judge in judges:
                    judge.cancel()
                raise

        def end(interrupted: bool) -> Any:
            if interrupted or not found:
                return None
            if isinstance(found[0], BaseException):
                raise found[0]
            return self._kept(options, found[0])

        return awaiting.finish(work(), job, end, CANCELLED, awaited=options.awaited)

    def _kept(self, options: Namespace, report: EvaluationResult) -> EvaluationResult:
        self._newest = self._put(options, report)
        return report

    def _put(self, options: Namespace, value: T) -> T:
        """Keep a value in the variable that was asked for, if one was."""
        if options.variable:
            keep(self.shell, options.variable, value)
        return value

    def _find(self, words: Sequence[str]) -> Any:
        found = evaluations.find(self.shell, words[0]) if words else self._newest
        if found is None:
            raise InvalidArgumentError(
                "nothing was evaluated here (尚无评估): %qfeval MODEL MODEL --data DATA -o report"
            )
        return found

    def _running(self, words: Sequence[str]) -> Running:
        from .evaluating import Running  # noqa: PLC0415

        found = self._find(words) if words or not self._panels else self._panels[-1].task
        if isinstance(found, Running):
            return found
        known = [panel.task for panel in self._panels if panel.task.progress.report is found]
        if not known:
            raise InvalidArgumentError("this report is done: %qfeval show shows it (评估已完成)")
        return known[-1]  # type: ignore[return-value]

    def _report(self, words: Sequence[str]) -> EvaluationResult:
        found = self._find(words)
        if hasattr(found, "records"):
            return found  # type: ignore[no-any-return]
        if not found.progress.over:
            raise InvalidArgumentError("the evaluation is under way (评估进行中): %qfeval wait first")
        return found.report()  # type: ignore[no-any-return]


async def _over(running: Running) -> None:
    """Wait for the end, whatever it is; interrupting the wait cancels what is asked."""
    try:
        while not running.progress.over:
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        running.cancel()
        for _ in range(14):  # what is there is scored in the time that an interrupted cell has
            if running.progress.over:
                break
            await asyncio.sleep(0.05)
        raise


document(EvalMagics.qfeval, PARSER)
