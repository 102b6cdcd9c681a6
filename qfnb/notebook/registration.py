"""The magics and the formatters of values are registered in a shell, and removed.

Nothing that draws is imported before it is needed, so that `%load_ext qfnb` is fast.
"""

import platform
from typing import Any

from ..base.language import tr
from ..views import formatters
from . import await_cell, parser
from .auth import AuthMagics, DoctorMagics, SandboxMagics, describe_platform
from .batch import BatchMagics
from .chat import ChatMagics
from .evaluate import EvalMagics
from .home import HomeMagics
from .image import ImageMagics
from .train import TrainMagics

_GROUPS = (
    ChatMagics, BatchMagics, TrainMagics, EvalMagics, ImageMagics, AuthMagics, HomeMagics,
    DoctorMagics, SandboxMagics,
)  # fmt: skip


def load(shell: Any, version: str) -> None:
    """Register the magics and the formatters of values, and print the banner; idempotent.

    Args:
        shell: the IPython shell.
        version: of qfnb, for the banner.
    """
    unload(shell)
    for group in _GROUPS:
        shell.register_magics(group)
    formatters.register(shell.display_formatter)
    shell.input_transformers_post.append(await_cell.transform_cell)
    parser.register(shell)
    shell.events.register("post_run_cell", formatters.show_error)
    kernel = f"{platform.python_implementation()} {platform.python_version()}"
    print(  # noqa: T201 - one line for the person who loads it
        f"qfnb {version} · {describe_platform()} · {kernel} · "
        f"{tr('start: %qf  help: %%qfchat?  %qfauth')}"
    )


def unload(shell: Any) -> None:
    """Remove the magics and the formatters."""
    formatters.unregister(shell.display_formatter)
    parser.unregister(shell)
    if formatters.show_error in shell.events.callbacks["post_run_cell"]:
        shell.events.unregister("post_run_cell", formatters.show_error)
    if await_cell.transform_cell in shell.input_transformers_post:
        shell.input_transformers_post.remove(await_cell.transform_cell)
    for table in shell.magics_manager.magics.values():
        for name, magic in [*table.items()]:
            if isinstance(getattr(magic, "__self__", None), _GROUPS):
                del table[name]
