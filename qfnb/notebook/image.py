"""`%%qfimage`: the cell describes a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from ..base.language import tr, tr_noop
from ..wire import catalog
from . import await_cell, parser
from .parser import (
    ENDPOINT,
    MagicOption,
    Parser,
    document_magic,
    store_variable,
    user_variables,
    variable_name,
)
from .trainings import resolve_endpoint

if TYPE_CHECKING:
    from ..resources.inference.images import ImageResponse

SAVE_FOLDER = "pictures"


def image_models(_magics: Any) -> list[str]:
    """Return the names of image models, aliases first."""
    return [*parser.load(), *catalog.model_names("text2image")]


OPTIONS = (
    MagicOption("how many pictures", "-n", "N", keyword="n"),
    MagicOption("in pixels, e.g. 1024x1024", "--size", "WxH", keyword="size"),
    MagicOption("style, for models that know it", "--style", "NAME", keyword="style"),
    MagicOption("the same seed draws the same picture", "--seed", "N", keyword="seed"),
    MagicOption(
        "default {model}; with --edit {edit_model}", "--model", "NAME", "-m", complete=image_models
    ),
    ENDPOINT,
    MagicOption("keep the reply in a variable", "--out", "VAR", "-o", parse=variable_name),
    MagicOption(
        "change this picture (file, address or variable); at most three",
        "--edit",
        "FILE",
        repeated=True,
    ),
    MagicOption(
        "also write PNG files with prompt, model, seed and size; default folder: {folder}",
        "--save",
        "FOLDER",
        const=SAVE_FOLDER,
    ),
)

PARSER = Parser(
    "%%qfimage",
    tr_noop("Draw pictures from the cell's text, or change pictures by it."),
    tr_noop(
        "  %%qfimage -n 2 --size 1024x1024 --save\n  Mountains and a lake at night, with a moon\n\n"
        "  %%qfimage --edit photo.png --save pictures -o picture\n  Put a beach in the background"
    ),
    OPTIONS,
    model=catalog.default_model("text2image"),
    edit_model=catalog.default_model("image2image"),
    folder=SAVE_FOLDER,
)


@magics_class
class ImageMagics(Magics):
    """The image cell."""

    parser = PARSER

    def complete_word(self, previous: str) -> list[str]:
        """Return the completions behind a word: `help` behind the name of the magic."""
        if previous.endswith("qfimage"):
            return ["help"]
        return []

    @no_var_expand
    @line_cell_magic
    @PARSER.speak
    def qfimage(self, line: str, cell: str | None = None) -> Any:
        from ..resources.inference.images import ImageEdit, Text2Image  # noqa: PLC0415 - %load_ext stays fast

        options, remaining = PARSER.parse_line(line)
        if options.help or (cell is None and remaining == "help"):
            return PARSER.print_help()
        prompt = (remaining if cell is None else cell).strip()
        if not prompt:
            PARSER.error(tr("the cell is empty: describe the picture below the first line"))
        arguments = PARSER.keywords(options)
        endpoint = resolve_endpoint(self.shell, options.endpoint)
        pictures = [resolve_picture(self.shell, name) for name in options.edit or ()]
        client: Any = (ImageEdit if pictures else Text2Image)(options.model, endpoint)
        words: Any = (prompt, pictures) if pictures else (prompt,)
        # raises before anything is displayed
        client.prepare(words if pictures else prompt, **arguments)
        arguments["with_decode"] = "base64"
        if cell is None:
            reply: ImageResponse = client.do(*words, **arguments)
            store_variable(self.shell, options.out, reply)
            return reply
        return self._draw_in_cell(options, prompt, client.ado(*words, **arguments))

    def _draw_in_cell(self, options: argparse.Namespace, prompt: str, draw: Any) -> Any:
        from ..views import image  # noqa: PLC0415 - %load_ext stays fast

        cell_task: await_cell.CancellableTask[None] = await_cell.CancellableTask()
        live = image.open_live(prompt, cell_task.cancel)
        results: list[ImageResponse | Exception] = []

        async def work() -> None:
            try:
                results.append(await draw)
            except Exception as error:  # noqa: BLE001 - raised when the Stop button is gone
                results.append(error)

        def on_end(interrupted: bool) -> None:
            if not results:
                live.finish(image.ImageState(prompt, state="interrupted"))
            elif isinstance(results[0], Exception):
                live.remove()
                raise results[0]
            else:
                reply = results[0]
                store_variable(self.shell, options.out, reply)
                paths: tuple[str, ...] = ()
                try:
                    if options.save:
                        paths = tuple(map(str, reply.save(options.save)))
                finally:  # they are shown, whether or not they can be saved
                    live.finish(image.ImageState(reply.prompt, reply, "done", paths))

        return await_cell.run_in_cell(
            work(), on_end, tr("interrupted"), awaited=options.awaited, task=cell_task
        )


def resolve_picture(shell: Any, name: str) -> Any:
    """Return a picture: a variable's bytes, path or first image, else the name, which is a file or
    an address.
    """
    value = user_variables(shell).get(name)
    if images := getattr(value, "images", None):
        return images[0]
    if isinstance(value, bytes | Path):
        return value
    return name


document_magic(ImageMagics.qfimage, PARSER)
