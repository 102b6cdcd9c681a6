"""`%%qfimage`: the cell describes a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from .arguments import Parser, document, endpoint, keep, name

if TYPE_CHECKING:
    from ..resources.text2image import ImageResponse

PARSER = Parser(
    "%%qfimage",
    "Draw pictures from the cell's text.",
    "  %%qfimage -n 2 --size 768x768 --seed 7\n  夜晚的山和湖，月亮",
)
PARSER.add_argument("-n", type=int, metavar="N", help="how many, 1 to 4")
PARSER.add_argument("--size", metavar="WxH", help="e.g. 1024x1024")
PARSER.add_argument("--style", metavar="NAME")
PARSER.add_argument("--seed", type=int, metavar="N", help="the same seed draws the same picture")
PARSER.add_argument("-m", "--model", metavar="NAME", help="default Stable-Diffusion-XL")
PARSER.add_argument("-e", "--endpoint", metavar="NAME", help="a service of your own, or a variable")
PARSER.add_argument("-o", "--out", type=name, metavar="VAR", help="keep the reply in a variable")


@magics_class
class ImageMagics(Magics):
    """The image cell."""

    @no_var_expand
    @line_cell_magic
    def qfimage(self, line: str, cell: str | None = None) -> ImageResponse | None:
        from ..resources.text2image import Text2Image  # noqa: PLC0415 - %load_ext stays fast
        from ..views import display, image  # noqa: PLC0415

        options, rest = PARSER.read(line)
        if options.help:
            print(PARSER.format_help())  # noqa: T201 - help was asked for
            return None
        prompt = (rest if cell is None else cell).strip()
        if not prompt:
            PARSER.error("the cell is empty: describe the picture below the first line (请描述要画的内容)")
        wanted = {key: getattr(options, key) for key in ("n", "size", "style", "seed")}
        given = {key: value for key, value in wanted.items() if value is not None}
        reply = Text2Image(options.model, endpoint(self.shell, options.endpoint)).do(
            prompt, with_decode="base64", **given
        )
        if options.out:
            keep(self.shell, options.out, reply)
        if cell is None:
            return reply
        display.publish(image.bundle(reply))
        return None


document(ImageMagics.qfimage, PARSER)
