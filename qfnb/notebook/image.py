"""`%%qfimage`: the cell describes a picture."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from ..base.language import tr, tr_noop
from ..wire import catalog
from . import await_cell, parser
from .parser import Parser, document_magic, store_variable, user_variables, variable_name
from .services import resolve_endpoint

if TYPE_CHECKING:
    from ..resources.inference.images import ImageResponse
    from ..views.display import LiveOutput

SAVE_FOLDER = "pictures"

PARSER = Parser(
    "%%qfimage",
    tr_noop("Draw pictures from the cell's text, or change pictures by it."),
    tr_noop(
        "  %%qfimage -n 2 --size 1024x1024 --save\n  Mountains and a lake at night, with a moon\n\n"
        "  %%qfimage --edit photo.png --save pictures -o picture\n  Put a beach in the background"
    ),
    model=catalog.default_model("text2image"),
    edit_model=catalog.default_model("image2image"),
    folder=SAVE_FOLDER,
)
PARSER.add_option("-n", type=int, metavar="N", help=tr_noop("how many pictures"), keyword="n")
PARSER.add_option(
    "--size", metavar="WxH", help=tr_noop("in pixels, e.g. 1024x1024"), keyword="size"
)
PARSER.add_option(
    "--style", metavar="NAME", help=tr_noop("style, for models that know it"), keyword="style"
)
PARSER.add_option(
    "--seed",
    type=int,
    metavar="N",
    help=tr_noop("the same seed draws the same picture"),
    keyword="seed",
)
PARSER.add_option(
    "-m",
    "--model",
    metavar="NAME",
    help=tr_noop("default {model}; with --edit {edit_model}"),
    complete=parser.image_models,
)
PARSER.add_option(
    "-e",
    "--endpoint",
    metavar="NAME",
    help=tr_noop("a service of your own: its name, id or suffix, or its training"),
    complete=parser.endpoints,
)
PARSER.add_option(
    "-o", "--out", type=variable_name, metavar="VAR", help=tr_noop("keep the reply in a variable")
)
PARSER.add_option(
    "--edit",
    action="append",
    metavar="FILE",
    help=tr_noop("change this picture (file, address or variable); at most three"),
)
PARSER.add_option(
    "--save",
    nargs="?",
    const=SAVE_FOLDER,
    metavar="FOLDER",
    help=tr_noop(
        "also write PNG files with prompt, model, seed and size; default folder: {folder}"
    ),
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
            return await_cell.print_help(PARSER, awaited=options.awaited)
        prompt = (remaining if cell is None else cell).strip()
        if not prompt:
            PARSER.error(tr("the cell is empty: describe the picture below the first line"))
        image_options = PARSER.keywords(options)
        endpoint = resolve_endpoint(self.shell, options.endpoint)
        references = [resolve_picture(self.shell, name) for name in options.edit or ()]
        arguments: tuple[Any, ...] = (prompt, references) if references else (prompt,)
        client: Any = (ImageEdit if references else Text2Image)(options.model, endpoint)
        # raises before anything is displayed
        client.prepare(arguments if references else prompt, **image_options)
        if cell is None:
            return self._store_reply(
                options, client.do(*arguments, with_decode="base64", **image_options)
            )
        return self._draw_in_cell(options, prompt, partial(client.ado, *arguments, **image_options))

    def _draw_in_cell(self, options: argparse.Namespace, prompt: str, draw: Any) -> Any:
        from ..views import image  # noqa: PLC0415 - %load_ext stays fast

        cell_task: await_cell.CancellableTask[None] = await_cell.CancellableTask()
        live = image.open_live(prompt, cell_task.cancel)
        results: list[ImageResponse | Exception] = []

        async def work() -> None:
            try:
                results.append(await draw(with_decode="base64"))
            except Exception as error:  # noqa: BLE001 - raised when the Stop button is gone
                results.append(error)

        def on_end(interrupted: bool) -> None:
            if not results:
                live.finish(image.ImageState(prompt, state="interrupted"))
            elif isinstance(results[0], Exception):
                live.remove()
                raise results[0]
            else:
                self._show_images(options, live, self._store_reply(options, results[0]))

        return await_cell.run_in_cell(
            work(), on_end, tr("interrupted"), awaited=options.awaited, task=cell_task
        )

    def _show_images(
        self, options: argparse.Namespace, live: LiveOutput, reply: ImageResponse
    ) -> None:
        """Show the images, whether or not they can be saved."""
        from ..views import image  # noqa: PLC0415

        paths: tuple[str, ...] = ()
        try:
            if options.save:
                paths = tuple(map(str, reply.save(options.save)))
            else:
                paths = ()
        finally:
            live.finish(image.ImageState(reply.prompt, reply, "done", paths))

    def _store_reply(self, options: argparse.Namespace, reply: ImageResponse) -> ImageResponse:
        if options.out:
            store_variable(self.shell, options.out, reply)
        return reply


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
