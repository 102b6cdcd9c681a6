"""Text to image and edits by drawing programs, and image to text: a picture's true size and
colours.

Each drawing says that it is one, and what was understood of its prompt.
"""

import asyncio
import base64
import io
import math
import re
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qfnb.base.language import tr, tr_noop
from qfnb.base.text import count_tokens
from qfnb.wire import inference
from qfnb.wire.base import JsonObject, Record
from qfnb.wire.chat import Message

from ..http.call import Call, Stream, emulates
from ..state.world import World
from .answers import v1_answer
from .conversion import require_preset, tool_reply, unknown_model

ENGINE_LABEL = "qfnb drawing program, not a model"
_OLDER_RULES = inference.ImageRules(1024, 4)
DEFAULT_SIZE = "1024x1024"

Picture = tuple[bytes, JsonObject]  # a PNG file, and its field `sandbox`


@emulates(inference.TEXT2IMAGE_V1)
async def generate_v1(call: Call, body: inference.ImageRequest) -> JsonObject:
    """Answer `/text2image/<endpoint>`."""
    require_preset(call, "text2image", call.path["model"])
    _validate_v1(call, body)
    size = body.size or DEFAULT_SIZE
    pictures = await _draw_pictures(body.prompt, size, body.n or 1, body.seed)
    data = []
    for index, (content, mark) in enumerate(pictures, 1):
        row: JsonObject = {"object": "image", "b64_image": _base64(content)}
        row["index"] = index
        row["sandbox"] = mark
        data.append(row)
    return _build_response(call, body.prompt, data)


@emulates(inference.MUSESTEAMER_IMAGE_V2)
@emulates(inference.TEXT2IMAGE_V2)
async def generate_v2(call: Call, body: inference.ImageRequestV2) -> JsonObject:
    """Answer `/v2/images/generations`, and the path that musesteamer's models have."""
    row = require_preset(call, "text2image", body.model)
    n = 1 if body.n is None else body.n
    is_musesteamer = call.endpoint is inference.MUSESTEAMER_IMAGE_V2
    if call.is_strict and row.id.startswith("musesteamer") != is_musesteamer:
        raise unknown_model(call, body.model, f": {call.endpoint.path} does not serve it")
    rules = inference.IMAGE_RULES.get(row.id, _OLDER_RULES)
    _validate_prompt(call, body.prompt, rules.max_chars)
    size = body.size or DEFAULT_SIZE
    match = re.fullmatch(r"(\d{3,4})x(\d{3,4})", size)
    if rules.sizes:
        if size not in rules.sizes:
            size = DEFAULT_SIZE
    elif match is None or not all(512 <= int(side) <= 2048 for side in match.groups()):
        raise call.refusal("size must be WxH, each from 512 to 2048")
    if not 1 <= n <= rules.max_n:
        raise call.refusal(f"n must be 1 to {rules.max_n}, it is {n}")
    pictures = await _draw_pictures(body.prompt, size, n, _seed(body))
    return _build_response(call, body.prompt, _hand_out(call, body, pictures))


def _seed(body: Record) -> int | None:
    seed = (body.model_extra or {}).get("seed")
    return seed if isinstance(seed, int) else None


@emulates(inference.IMAGE_EDIT_V2)
async def edit(call: Call, body: inference.ImageEditRequest) -> JsonObject:
    """Answer `/v2/images/edits`: the first reference picture, changed by the operations that the
    prompt names.
    """
    from ..engines.drawing import edit  # noqa: PLC0415 - Pillow

    require_preset(call, "image2image", body.model)
    _validate_prompt(call, body.prompt, inference.IMAGE_RULES["qwen-image-edit"].max_chars)
    references = read_references(call, body.image)
    seed = _seed(body) or 0
    content, understood = await asyncio.to_thread(edit, body.prompt, references[0], seed)
    rows = _hand_out(call, body, [(content, _mark(understood, seed))])
    return _build_response(call, body.prompt, rows)


def _mark(understood: list[str], seed: int) -> JsonObject:
    return {"engine": ENGINE_LABEL, "understood": understood, "seed": seed}


@emulates(inference.IMAGE2TEXT_V1)
def image_to_text(call: Call, body: inference.VisionRequest) -> JsonObject | Stream:
    """Answer `/image2text/<endpoint>`."""
    try:
        description = describe_image(base64.b64decode(body.image, validate=True))
    except (ValueError, OSError):
        raise call.refusal("image must be base64 of a picture file") from None
    return v1_answer(call, tool_reply(description, kind="picture"), body.prompt, body.stream)


def routes(world: World) -> list[Route]:
    """Return the route that v2's pictures are downloaded from; their names cannot be guessed."""

    async def fetch(request: Request) -> Response:
        content = world.read_picture(request.path_params["name"])
        if content is None:
            return Response("this picture is not kept any more", 404)
        return Response(content, media_type="image/png")

    return [Route("/_pictures/{name}", fetch, methods=["GET"])]


async def _draw_pictures(prompt: str, size: str, n: int, seed: int | None) -> list[Picture]:
    """Return n pictures as PNG files, each with its field `sandbox`."""
    from ..engines.drawing import picture  # noqa: PLC0415 - Pillow

    width, height = map(int, size.split("x"))
    if seed is None:
        seed = secrets.randbelow(2**32)
    pictures = []
    for number in range(seed, seed + n):
        content, understood = await asyncio.to_thread(picture, prompt, (width, height), number)
        pictures.append((content, _mark(understood, number)))
    return pictures


def _hand_out(
    call: Call,
    body: inference.ImageRequestV2 | inference.ImageEditRequest,
    pictures: Sequence[Picture],
) -> list[JsonObject]:
    """Return pictures as base64 or as addresses, which are valid for a day."""
    answer_format = (body.model_extra or {}).get("response_format") or "url"
    call.validate_choice("response_format", answer_format, ("url", "b64_json"))
    rows = []
    for content, mark in pictures:
        if answer_format == "b64_json":
            row = {"b64_json": _base64(content)}
        else:
            name = call.world.store_picture(content)
            row = {"url": f"{call.world.address.url}/_pictures/{name}"}
        rows.append(row | {"sandbox": mark})
    return rows


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _validate_prompt(call: Call, prompt: str, max_chars: int) -> None:
    if not prompt.strip() or len(prompt) > max_chars:
        message = f"prompt must have 1 to {max_chars} characters, it has {len(prompt)}"
        raise call.refusal(message, v2_code="invalid_image_genration_prompt")


def _build_response(call: Call, prompt: str, data: list[JsonObject]) -> JsonObject:
    tokens = count_tokens(prompt)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return call.head("image") | {"data": data, "usage": usage}


def _validate_v1(call: Call, body: inference.ImageRequest) -> None:
    if not body.prompt.strip() or len(body.prompt) > 1024:
        raise call.refusal("prompt must have 1 to 1024 characters")
    if body.size not in {None, *inference.IMAGE_SIZES}:
        raise call.refusal(f"size must be one of {', '.join(inference.IMAGE_SIZES)}")
    if body.n is not None and not 1 <= body.n <= 4:
        raise call.refusal("n must be in [1, 4]")


MAX_BYTES = 10 << 20
MAX_CHAT_PICTURES = 10


class PictureLimits(NamedTuple):
    """What a picture of a request may be."""

    formats: set[str]
    min_side: int  # pixels of the shorter side
    max_side: float = math.inf  # pixels of the longer side
    max_ratio: float = math.inf  # of the longer side to the shorter one


CHAT_LIMITS = PictureLimits({"JPEG", "PNG", "BMP"}, 5, max_side=5999)
EDIT_LIMITS = PictureLimits({"JPEG", "PNG", "WEBP", "BMP", "ICO"}, 128, max_ratio=4)


def validate_pictures(call: Call, messages: Sequence[Message]) -> None:
    """Refuse pictures of a conversation that the platform refuses.

    Raises:
        Refusal: `invalid_image_url`, with the picture and the limit.
    """
    urls: list[str] = []
    for message in messages:
        urls += _picture_urls(message.content)
    if len(urls) > MAX_CHAT_PICTURES:
        reason = f"at most {MAX_CHAT_PICTURES} pictures, these are {len(urls)}"
        raise call.refusal(reason, v2_code="invalid_image_url")
    for number, url in enumerate(urls, 1):
        if problem := _problem(call.world, url, CHAT_LIMITS):
            raise call.refusal(f"picture {number}: {problem}", v2_code="invalid_image_url")


def read_references(call: Call, value: str | list[str]) -> list[bytes]:
    """Return the picture files of an edit.

    Args:
        call: the call.
        value: one address, data URL or base64, or a list of 1 to 3.

    Raises:
        Refusal: there is none, or one is not acceptable.
    """
    urls = [value] if isinstance(value, str) else value
    code = "invalid_image_genration_refer_image"
    if not 1 <= len(urls) <= 3:
        raise call.refusal("image must be a text or a list of 1 to 3 texts", v2_code=code)
    contents = []
    for number, url in enumerate(urls, 1):
        if problem := _problem(call.world, url, EDIT_LIMITS):
            raise call.refusal(f"image {number}: {problem}", v2_code=code)
        content = _read_picture(call.world, url)
        if content is None:
            reason = "the sandbox fetches no addresses but its own; send base64"
            raise call.refusal(f"image {number}: {reason}", v2_code=code)
        contents.append(content)
    return contents


def describe_content(world: World, content: Any) -> str:
    """Return a description of the pictures in a turn, "" when it has none."""
    descriptions = []
    for url in _picture_urls(content):
        file = _read_picture(world, url)
        if file is None:
            text = tr("(local sandbox) only pictures that come with the message are seen")
        else:
            text = describe_image(file)
        descriptions.append(text)
    return "\n".join(descriptions)


def _picture_urls(content: Any) -> Iterator[str]:
    if not isinstance(content, list):
        return
    for item in content:
        if item.get("type") == "image_url":
            value = item.get("image_url")
            if isinstance(value, dict):
                value = value.get("url", "")
            yield str(value)


def _problem(world: World, url: str, limits: PictureLimits) -> str:
    """Return what is wrong with a picture, "" if it is acceptable or is at another server's
    address.
    """
    from PIL import Image  # noqa: PLC0415 - only when there is a picture

    try:
        content = _read_picture(world, url)
        if content is None:
            return ""
        with Image.open(io.BytesIO(content)) as image:
            format_name = str(image.format)
            shorter, longer = sorted(image.size)
    except (ValueError, OSError, Image.DecompressionBombError):
        return "neither an address nor base64 of a picture file"
    if format_name not in limits.formats:
        return f"the format is {format_name}, not {', '.join(sorted(limits.formats))}"
    if len(content) > MAX_BYTES:
        return f"a picture has at most {MAX_BYTES >> 20} MB"
    longest = min(limits.max_side, limits.max_ratio * shorter)
    if limits.min_side <= shorter and longer <= longest:
        return ""
    return f"it has {shorter} and {longer} pixels, must be {limits.min_side} to {longest}"


def _read_picture(world: World, url: str) -> bytes | None:
    """Return the bytes of a data URL, of base64, or of a picture of this sandbox; None for other
    addresses.

    Raises:
        ValueError: it is none of these.
    """
    folder = f"{world.address.url}/_pictures/"
    if url.startswith(folder):
        return world.read_picture(url.removeprefix(folder)) or b""
    if url.startswith(("https://", "http://")):
        return None
    return base64.b64decode(url.rpartition(",")[2], validate=True)


_COLOURS = {
    tr_noop("black"): (20, 20, 20), tr_noop("white"): (240, 240, 240),
    tr_noop("grey"): (128, 128, 128), tr_noop("red"): (200, 40, 40),
    tr_noop("yellow"): (235, 215, 60), tr_noop("green"): (60, 160, 70),
    tr_noop("blue"): (50, 90, 200), tr_noop("purple"): (130, 60, 160),
}  # fmt: skip


def describe_image(content: bytes) -> str:
    """Return size and main colours of a picture file.

    Raises:
        OSError: it is not a picture file.
    """
    from PIL import Image  # noqa: PLC0415 - only when there is a picture

    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
        small = image.convert("RGB").resize((24, 24)).quantize(4).convert("RGB")
    colours = sorted(small.getcolors() or [], reverse=True)
    names: list[str] = []
    for _, pixel in colours:
        name = tr(_colour_name(pixel))
        if name not in names:
            names.append(name)
    return tr(
        "(local sandbox) a picture of {width}×{height} pixels, main colours: {names}",
        width=width,
        height=height,
        names=", ".join(names[:3]),
    )


def _colour_name(pixel: Any) -> str:
    return min(_COLOURS, key=lambda name: math.dist(_COLOURS[name], pixel))
