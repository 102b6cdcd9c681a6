"""`%%qfimage`: the cell describes a picture."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from ..errors import QianfanError
from . import awaiting
from .arguments import Parser, document, endpoint, keep, name

if TYPE_CHECKING:
    from ..resources.text2image import ImageResponse
    from ..views.display import Live

PARSER = Parser(
    "%%qfimage",
    "Draw pictures from the cell's text.",
    "  %%qfimage -n 2 --size 768x768 --seed 7\n  夜晚的山和湖，月亮\n\n"
    "  %%qfimage --save pictures -o picture\n  水墨画风格的猫",
)
PARSER.add_argument("-n", type=int, metavar="N", help="how many, 1 to 4")
PARSER.add_argument("--size", metavar="WxH", help="e.g. 1024x1024")
PARSER.add_argument("--style", metavar="NAME")
PARSER.add_argument("--seed", type=int, metavar="N", help="the same seed draws the same picture")
PARSER.add_argument("-m", "--model", metavar="NAME", help="default Stable-Diffusion-XL")
PARSER.add_argument("-e", "--endpoint", metavar="NAME", help="a service of your own, or a variable")
PARSER.add_argument("-o", "--out", type=name, metavar="VAR", help="keep the reply in a variable")
PARSER.add_argument("--save", metavar="FOLDER", help="also write PNG files with prompt, model, seed and size")
PARSER.add_argument(awaiting.FLAG, dest="awaited", action="store_true", help=argparse.SUPPRESS)


@magics_class
class ImageMagics(Magics):
    """The image cell."""

    @no_var_expand
    @line_cell_magic
    def qfimage(self, line: str, cell: str | None = None) -> Any:
        from ..resources.text2image import Text2Image  # noqa: PLC0415 - %load_ext stays fast

        options, rest = PARSER.read(line)
        if options.help:
            print(PARSER.format_help())  # noqa: T201 - help was asked for
            return None
        prompt = (rest if cell is None else cell).strip()
        if not prompt:
            PARSER.error("the cell is empty: describe the picture below the first line (请描述要画的内容)")
        wanted = {key: getattr(options, key) for key in ("n", "size", "style", "seed")}
        given = {key: value for key, value in wanted.items() if value is not None}
        draw = Text2Image(options.model, endpoint(self.shell, options.endpoint))
        draw.prepare(prompt, **given)  # what is wrong is said before anything is shown
        if cell is None:
            return self._kept(options, draw.do(prompt, with_decode="base64", **given))
        return self._show(options, draw, prompt, given)

    def _show(self, options: argparse.Namespace, draw: Any, prompt: str, given: dict[str, Any]) -> Any:
        from ..views import image  # noqa: PLC0415 - %load_ext stays fast

        job: awaiting.Job[None] = awaiting.Job()
        live = image.live(prompt, job.stop)
        found: list[ImageResponse | QianfanError] = []

        async def work() -> None:
            try:
                found.append(await draw.ado(prompt, with_decode="base64", **given))
            except QianfanError as error:
                found.append(error)

        def end(interrupted: bool) -> None:
            if not found:
                live.finish(image.Drawing(prompt, state="interrupted"))
            elif isinstance(found[0], QianfanError):
                live.discard()
                raise found[0]
            else:
                self._end(options, live, self._kept(options, found[0]))

        return awaiting.finish(work(), job, end, "已中断 / interrupted", awaited=options.awaited)

    def _end(self, options: argparse.Namespace, live: Live, reply: ImageResponse) -> None:
        """Show the pictures, whether or not they can be saved."""
        from ..views import image  # noqa: PLC0415

        saved: tuple[str, ...] = ()
        try:
            saved = tuple(map(str, reply.save(options.save))) if options.save else ()
        finally:
            live.finish(image.Drawing(reply.prompt, reply, "done", saved))

    def _kept(self, options: argparse.Namespace, reply: ImageResponse) -> ImageResponse:
        if options.out:
            keep(self.shell, options.out, reply)
        return reply


document(ImageMagics.qfimage, PARSER)
