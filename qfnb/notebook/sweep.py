"""`%qftrain sweep`, and what `wait`, `stop`, `show` and `status` do with a sweep."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from typing import TYPE_CHECKING, Any, Final

from ..base.language import tr, tr_noop
from .evaluate_inputs import resolve_data
from .parser import store_variable, user_variables
from .train_parser import PARSER, parse_grid, read_config
from .trainings import read_data
from .verb_magic import VerbMagics, wait_in_cell

if TYPE_CHECKING:
    from ..trainer.sweep import Sweep

CONTINUES: Final = tr_noop(
    "The sweep goes on in the background; `%qftrain stop` ends it, `%qftrain wait` waits again."
)

SWEEP_VERBS: Final = ("wait", "stop", "show", "status")
"""The verbs that take a sweep, too."""


class SweepVerbs(VerbMagics):
    """The part of `%qftrain` for sweeps: a sweep's variable, or the newest if that is what was
    started last.
    """

    def run_verb(self, verb: str, options: Namespace, target: Any) -> Any:
        if (
            verb in SWEEP_VERBS
            and not options.help
            and (sweep := self._find_sweep(target)) is not None
        ):
            return getattr(self, f"_{verb}_sweep")(sweep, options)
        return super().run_verb(verb, options, target)

    def do_sweep(self, options: Namespace, target: str) -> None:
        from ..trainer.offer import default_model  # noqa: PLC0415 - %load_ext stays fast
        from ..trainer.sweep import DEFAULT_PARALLEL, sweep  # noqa: PLC0415

        if target or not options.dataset or not options.grid:
            PARSER.error(tr("sweep needs -d DATA and --grid NAME=A,B; --grid may be repeated"))
        if options.metrics:
            metrics = {"metrics": options.metrics.split(",")}
        else:
            metrics = {}
        created = sweep(
            options.model or default_model(),
            read_data(self.shell, options),
            dict(map(parse_grid, options.grid)),
            train_config=read_config(options),
            train_mode=options.mode or "SFT",
            parallel=DEFAULT_PARALLEL if options.parallel is None else options.parallel,
            eval_dataset=resolve_data(self.shell, options.eval_data) if options.eval_data else None,
            again=options.again,
            **metrics,
        )
        print(created.estimate())  # noqa: T201 - before anything is paid
        if options.dry_run:
            return
        if options.out:
            store_variable(self.shell, options.out, created)
        self._show_sweep(created.start(), options)

    def _find_sweep(self, target: str) -> Sweep | None:
        """Return the sweep of a variable, or the newest job of this kernel if it is a sweep."""
        from ..trainer.sweep import Sweep  # noqa: PLC0415
        from ..views.panel import RECENT_PANELS  # noqa: PLC0415

        if not RECENT_PANELS:
            newest = None
        else:
            newest = RECENT_PANELS[-1].job
        if target:
            value = user_variables(self.shell).get(target)
        else:
            value = newest
        if isinstance(value, Sweep):
            return value
        return None

    def _show_sweep(self, sweep: Sweep, options: Namespace) -> None:
        from ..views.training.sweep import STARTED, SweepPanel  # noqa: PLC0415

        SweepPanel(sweep).show(tr(STARTED) if sweep.is_running else "")

    def _status_sweep(self, sweep: Sweep, options: Namespace) -> None:
        from ..views.training.sweep import text  # noqa: PLC0415

        print(text(sweep.progress))  # noqa: T201 - it was asked for

    def _stop_sweep(self, sweep: Sweep, options: Namespace) -> None:
        sweep.stop()

    def _wait_sweep(self, sweep: Sweep, options: Namespace) -> Any:
        from ..views.training.sweep import SweepPanel  # noqa: PLC0415

        async def wait_for_end() -> None:
            while sweep.is_running:
                await asyncio.sleep(0.1)

        def raise_errors() -> None:
            if not sweep.is_running:
                sweep.wait()  # raises what ended it

        return wait_in_cell(
            sweep, SweepPanel, wait_for_end(), raise_errors, tr(CONTINUES), awaited=options.awaited
        )
