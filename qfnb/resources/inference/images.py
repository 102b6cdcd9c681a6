"""Models that draw, change and see pictures, and their replies: images are downloaded at once, and
saved as files.
"""

import asyncio
import base64
import binascii
import io
import re
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, Literal, Unpack
from urllib.parse import urlsplit

from ... import connect
from ..._notices import warn_once
from ...base.language import tr
from ...base.text import format_value
from ...config import settings
from ...errors import InvalidArgumentError, QianfanError, UnexpectedContent
from ...redact import hide_secrets_in
from ...transport import event_loop, file_transfer
from ...transport.event_loop import awaited, blocking
from ...transport.platform import Platform
from ...wire import catalog, chat, inference as wire
from ...wire.base import JsonObject
from ..validation import validate_positive
from .arguments import ImageOptions
from .chat import build_chat_request, validate_chat_options, validate_encodable, validate_options
from .inference_model import InferenceCall, InferenceModel, InferenceRequest
from .model_choice import ModelChoice, find_target
from .reply import ChatResponse, Reply, V1Dict
from .v1_words import with_user

ReferencePicture = str | bytes | Path
"""A path, the bytes of a file, a data URL, or an http(s) address that the platform can reach."""

Pictures = ReferencePicture | Iterable[ReferencePicture]

MAX_PICTURES = 3
MAX_BYTES = 10 * 1024 * 1024
"""Limits of the API page: pictures, and bytes of each; of sides the platform decides."""

MEDIA_TYPES: Final = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
    b"RIFF": "image/webp",
    b"\0\0\1\0": "image/x-icon",
}


class ImageResponse(Reply[wire.ImageReply]):
    """A reply with images; `.images` are the files' bytes, in order.

    Images that come as addresses are downloaded at once: the addresses are valid for 24 hours.
    """

    find_defect = staticmethod(chat.find_picture_defect)
    prompt: str = ""
    host: str = ""
    downloaded_images: tuple[bytes, ...] = ()
    download_error: QianfanError | None = None

    @property
    def images(self) -> list[bytes]:
        """The image files.

        Raises:
            UnexpectedContent: an image is not base64, or not a PNG, JPEG or WebP file.
            QianfanError: the download failed; `download` tries again.
        """
        if self.download_error is not None:
            raise self.download_error
        return list(self.downloaded_images) or self._decoded_images

    @cached_property
    def _decoded_images(self) -> list[bytes]:
        return [_decode_image(image.b64_image or image.b64_json) for image in self.data.data]

    def download(self) -> list[bytes]:
        """Fetch the images again after a download that failed; the addresses are valid for 24
        hours.

        Raises:
            QianfanError: it failed again.
        """
        event_loop.run(self.fetch_images())
        return self.images

    async def fetch_images(self) -> None:
        """Download the images that came as addresses, and keep the error if that fails; on the I/O
        loop only.
        """
        urls = [image.url for image in self.data.data if image.url]
        download = partial(
            file_transfer.download_image, settings=settings(), trusted_host=self.host
        )
        try:
            self.downloaded_images = tuple([await download(url) for url in urls])
            self.download_error = None
        except QianfanError as error:
            hint = tr(
                "the picture is drawn and paid for: reply.download() tries again, its address is "
                "valid for 24 h"
            )
            error.args = (f"{error}\n{hint}",)
            self.download_error = hide_secrets_in(error)

    def number_rows(self) -> None:
        """Make each row of `body["data"]` answer v1's keys."""
        rows = enumerate(self.body.get("data") or ())
        self.body["data"] = [PictureRow(row, index, self) for index, row in rows]

    def put_images(self) -> None:
        """Put the files' bytes into the rows of `body["data"]` as "image", if they are there."""
        if self.download_error is None:
            for row, image in zip(self.body["data"], self.images, strict=True):
                row["image"] = image

    @property
    def from_sandbox(self) -> bool:
        """Whether the local sandbox drew them."""
        rows = self.body.get("data")
        return isinstance(rows, list) and any(
            isinstance(row, Mapping) and "sandbox" in row for row in rows
        )

    def save(self, folder: str | Path = ".", *, name: str | None = None) -> list[Path]:
        """Write the images as PNG files with prompt, model, seed and size as metadata.

        Args:
            folder: created if it does not exist; with one image also the name of a file, `cat.png`.
            name: the stem of the file names; default: the beginning of the prompt.

        Returns:
            The paths, in order; an existing file is never overwritten.

        Raises:
            InvalidArgumentError: the folder cannot be written to, or the file exists.
        """
        target = Path(folder).expanduser()
        stem = name or re.sub(r"[^\w\-]+", "_", self.prompt)[:40].strip("_") or "image"
        is_file = target.suffix.lower() == ".png" and not target.is_dir() and len(self.images) == 1
        if is_file and target.exists():
            raise InvalidArgumentError(
                tr(
                    "{target}: the file exists and is not overwritten; save under another name",
                    target=target,
                )
            )
        paths = []
        try:
            (target.parent if is_file else target).mkdir(parents=True, exist_ok=True)
            for index in range(len(self.images)):
                path = target
                number = 1 + index
                while path.exists():
                    path = target / f"{stem}_{number}.png"
                    number += 1
                self._save_image(path, index)
                paths.append(path)
        except OSError as error:
            raise InvalidArgumentError(
                tr(
                    "{target}: images cannot be written there: {reason}",
                    target=target,
                    reason=error.strerror,
                )
            ) from None
        return paths

    def seeds(self) -> list[int | None]:
        """Return each image's seed, None where it is unknown."""
        return [(getattr(image, "sandbox", None) or {}).get("seed") for image in self.data.data]

    def __repr__(self) -> str:
        return f"<{len(self.data.data)} image(s) of {self.prompt!r}>"

    def _save_image(self, path: Path, index: int) -> None:
        from PIL import Image, PngImagePlugin  # noqa: PLC0415 - only when something is saved

        with Image.open(io.BytesIO(self.images[index])) as image:
            metadata = PngImagePlugin.PngInfo()
            fields = {
                "prompt": self.prompt,
                "model": self.model,
                "seed": self.seeds()[index],
                "size": f"{image.width}x{image.height}",
            }
            if self.from_sandbox:
                fields["source"] = "qfnb sandbox: a drawing program, not a model"
            for key, value in fields.items():
                if value is not None:
                    metadata.add_itxt(key, str(value))
            image.save(path, format="PNG", pnginfo=metadata)


class PictureRow(V1Dict):
    """One row of a reply's `data`, which also has `b64_image`, `object` and `index`, as v1's rows
    have.
    """

    def __init__(self, row: Mapping[str, Any], index: int, reply: ImageResponse) -> None:
        super().__init__(row)
        self._index = index
        self._reply = reply

    def v1_value(self, key: object) -> Any:
        """Return the value of a row of v1 under a key, None for none."""
        if key == "b64_image":
            return self.get("b64_json") or base64.b64encode(self._reply.images[self._index]).decode(
                "ascii"
            )
        return {"object": "image", "index": self._index + 1}.get(str(key))


class ImageModel(InferenceModel[ImageResponse]):
    """What models that draw and models that edit have in common."""

    reply_type = ImageResponse

    async def draw(
        self, calls: Sequence[InferenceCall[ImageResponse]], prompt: str
    ) -> ImageResponse:
        """Send calls of one prompt and return the images of all as one reply; on the I/O loop only.

        Args:
            calls: one, or one for each image of a model that draws one at a time.
            prompt: kept in the reply.
        """
        outcomes = await asyncio.gather(*map(self.send, calls), return_exceptions=True)
        reply = _join_replies(outcomes)
        reply.prompt = prompt
        return reply

    async def send(self, call: InferenceCall[ImageResponse]) -> ImageResponse:
        """Send a call, download the images of its reply and return it; on the I/O loop only."""
        reply = await super().send(call)
        reply.host = (await connect.aclient(self._keys)).platform.host
        if any(image.url for image in reply.data.data):
            await reply.fetch_images()
        reply.number_rows()
        if call.options.get("with_decode"):
            reply.put_images()
        return reply

    def validate(
        self, item: Any, options: JsonObject, choice: ModelChoice, /
    ) -> tuple[Any, JsonObject]:
        """Return an input and valid options; what only some models allow is the platform's."""
        prompt = item[0] if isinstance(item, tuple) else item
        if not isinstance(prompt, str) or not prompt.strip():
            raise InvalidArgumentError(tr("prompt is empty: describe the image"))
        validate_encodable("prompt", prompt)
        valid_options = validate_options(options)
        if "n" in valid_options:
            validate_positive("n", valid_options["n"])
        size = valid_options.get("size")
        if size is not None and not (isinstance(size, str) and re.fullmatch(r"\d+x\d+", size)):
            raise InvalidArgumentError(
                tr("size={size!r}: must be WIDTHxHEIGHT in pixels, e.g. 1024x1024", size=size)
            )
        with_decode = valid_options.get("with_decode")
        if with_decode not in {None, "base64"}:
            raise InvalidArgumentError(
                tr("with_decode={with_decode!r}: must be 'base64' or None", with_decode=with_decode)
            )
        if text := wire.warn_of_size(self.model_id(choice), size):
            warn_once(text)
        return item, valid_options

    def model_id(self, choice: ModelChoice) -> str:
        """Return the id of the model that is asked, or the service."""
        name = choice.model or catalog.default_model(self.kind)
        row = catalog.asked_model(self.kind, name)
        return choice.endpoint or (row.id if row else name)


def _join_replies(outcomes: Sequence[ImageResponse | BaseException]) -> ImageResponse:
    """Return the images of all replies in the first one; calls that failed are an error only if all
    did.
    """
    errors: list[BaseException] = []
    replies: list[ImageResponse] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            errors.append(outcome)
        else:
            replies.append(outcome)
    if not replies or any(not isinstance(error, QianfanError) for error in errors):
        raise errors[0]
    if errors:
        warn_once(
            tr(
                "{count} of {total} images were not drawn: {error}",
                count=len(errors),
                total=len(outcomes),
                error=errors[0],
            )
        )
    first = replies[0]
    if len(replies) > 1:
        for reply in replies[1:]:
            first.body["data"] = [*map(dict, first.body["data"]), *map(dict, reply.body["data"])]
            first.downloaded_images += reply.downloaded_images
            first.download_error = first.download_error or reply.download_error
        first.__dict__.pop("data", None)  # the record of its first rows only
        first.number_rows()
    return first


def _decode_image(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UnexpectedContent(tr("an image of the reply is not base64")) from None
    file_transfer.validate_image(content)
    return content


class Text2Image(ImageModel):
    """A model that draws images from a description.

    Args:
        model: a preset model; default qwen-image.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2, default 2; v1 went off line in August 2026 and lives on in the sandbox.
        **keys: see `ChatCompletion`.

    Source: seed 003 (Text2Image).
    """

    kind = "text2image"
    items_name = "prompt_list"

    @blocking
    def do(
        self,
        prompt: str,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        with_decode: Literal["base64"] | None = None,
        request_timeout: float | None = None,
        **options_: Unpack[ImageOptions],
    ) -> Coroutine[Any, Any, ImageResponse]:
        """Draw images; with `with_decode="base64"` each item of `resp["data"]` also has "image",
        the file's bytes.

        Args:
            prompt: a description; qwen-image takes 800 characters.
            model: a model for this call.
            endpoint: a service of your own for this call.
            with_decode: "base64" decodes the images.
            request_timeout: seconds for the whole call.
            **options_: size ("1024x1024"; qwen-image takes sides of 512 to 2048), n (of a model
                that draws one image a call, so many calls, at most 4), prompt_extend, watermark,
                ...; v1 has others.

        Raises:
            InvalidArgumentError: the prompt or an option is wrong; nothing was sent.
        """
        options: JsonObject = {
            "with_decode": with_decode,
            "request_timeout": request_timeout,
            **options_,
        }
        whole = self.prepare(prompt, model, endpoint, **options)
        name = self.model_id(whole.choice)
        rules = wire.IMAGE_RULES.get(name)
        count = whole.options.get("n") or 1
        if whole.choice.version == 1 or rules is None or count <= rules.max_n:
            return self.draw([whole], prompt)
        if count > wire.MAX_IMAGES:
            raise InvalidArgumentError(
                tr(
                    "n={count}: one call of {name} draws {per_call}; each image is a paid call, "
                    "{limit} at most; "
                    "for more: Text2Image().batch_do([prompt] * {count})",
                    count=count,
                    name=name,
                    per_call=rules.max_n,
                    limit=wire.MAX_IMAGES,
                )
            )
        del options["n"]
        seed = options.pop("seed", None)
        calls = []
        for index in range(count):
            if seed is not None:
                options["seed"] = seed + index
            # as in a batch, it waits while the platform limits the rate
            calls.append(self.prepare(prompt, model, endpoint, **options).for_batch())
        return self.draw(calls, prompt)

    ado = awaited(do)

    @staticmethod
    def build_request(call: InferenceCall[Any], platform: Platform, /) -> InferenceRequest:
        """Return the request of a description as a platform takes it."""
        version, model, _ = find_target(call.choice, platform)
        fields = with_user(call.options, version)
        fields.pop("with_decode", None)
        if version == 1:
            record = wire.ImageRequest(prompt=call.item, **fields)
            return InferenceRequest(wire.TEXT2IMAGE_V1, record, model)
        row = wire.TEXT2IMAGE_V2
        if model.startswith("musesteamer"):
            row = wire.MUSESTEAMER_IMAGE_V2
        return InferenceRequest(
            row, wire.ImageRequestV2(prompt=call.item, model=model, **fields), model
        )


class ImageEdit(ImageModel):
    """A model that changes pictures by a description.

    Args:
        model: a preset model; default qwen-image-edit.
        endpoint: a service of your own; wins over `model`.
        **keys: see `ChatCompletion`.

    Source: API page of /v2/images/edits.
    """

    kind = "image2image"

    @blocking
    def do(
        self,
        prompt: str,
        pictures: Pictures,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        with_decode: Literal["base64"] | None = None,
        request_timeout: float | None = None,
        **options_: Unpack[ImageOptions],
    ) -> Coroutine[Any, Any, ImageResponse]:
        """Change pictures; the files' bytes are in `reply.images`, `reply.save()` writes them.

        Args:
            prompt: what is changed; qwen-image-edit takes 800 characters.
            pictures: 1 to 3 reference pictures: paths, bytes, data URLs or http(s) addresses; PNG,
                JPEG, WebP, BMP or ICO of less than 10 MB.
            model: a model for this call.
            endpoint: a service of your own for this call.
            with_decode: "base64" also puts the bytes into each item of `resp["data"]` as "image".
            request_timeout: seconds for the whole call.
            **options_: size, seed, ...: sent as they are.

        Raises:
            InvalidArgumentError: the prompt or a picture is wrong; nothing was sent.
        """
        options: JsonObject = {
            "with_decode": with_decode,
            "request_timeout": request_timeout,
            **options_,
        }
        return self.draw([self.prepare((prompt, pictures), model, endpoint, **options)], prompt)

    ado = awaited(do)

    def validate(
        self, item: tuple[str, Pictures], options: JsonObject, choice: ModelChoice, /
    ) -> tuple[tuple[str, str | list[str]], JsonObject]:
        """Return prompt and encoded pictures, and valid options."""
        _, valid_options = super().validate(item, options, choice)
        return (item[0], encode_pictures(item[1])), valid_options

    @staticmethod
    def build_request(call: InferenceCall[Any], platform: Platform, /) -> InferenceRequest:
        """Return the request of pictures that are changed as a platform takes it."""
        model = find_target(call.choice, platform).model
        fields = dict(call.options)
        fields.pop("with_decode", None)
        prompt, pictures = call.item
        record = wire.ImageEditRequest(model=model, prompt=prompt, image=pictures, **fields)
        return InferenceRequest(wire.IMAGE_EDIT_V2, record, model)


class Image2Text(InferenceModel[ChatResponse]):
    """A model that answers questions about an image.

    Args:
        model: a preset model; default ernie-4.5-turbo-vl, on v1 Fuyu-8B.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2, default 2.
        **keys: see `ChatCompletion`.
    """

    kind = "image2text"
    reply_type = ChatResponse
    items_name = "input_list"

    def do(
        self,
        prompt: str,
        image: str | bytes | Path,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Any,
    ) -> Any:
        """Send a question, and return the reply, or with `stream=True` an iterator over its pieces.

        Args:
            prompt: the question.
            image: a file's path, its bytes, or base64 text; JPEG, PNG or BMP, at most 10 MB.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: yield pieces as they come.
            **options_: see `ChatOptions`.

        Raises:
            InvalidArgumentError: the prompt or the image is wrong; nothing was sent.
        """
        return self.answer(
            self.prepare((prompt, image), model, endpoint, stream=stream, **options_)
        )

    async def ado(
        self,
        prompt: str,
        image: str | bytes | Path,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Any,
    ) -> Any:
        """The awaited form of `do`: a reply, or with `stream=True` an async iterator over its
        pieces.
        """
        call = self.prepare((prompt, image), model, endpoint, stream=stream, **options_)
        return await self.answer_async(call)

    def validate(
        self, item: tuple[str, str | bytes | Path], options: JsonObject, choice: ModelChoice, /
    ) -> tuple[tuple[str, bytes], JsonObject]:
        """Return prompt and content of the image, and valid options."""
        prompt, image = item
        if not isinstance(prompt, str) or not prompt.strip():
            raise InvalidArgumentError(tr("prompt is empty: ask a question about the image"))
        return (prompt, read_image(image)), validate_chat_options(options)

    @staticmethod
    def build_request(call: InferenceCall[Any], platform: Platform, /) -> InferenceRequest:
        """Return the request of a question about an image as a platform takes it: in v2 a part of a
        chat message, in v1 a call of its own.
        """
        version, model, _ = find_target(call.choice, platform)
        prompt, image = call.item
        if version == 1:
            encoded = base64.b64encode(image).decode("ascii")
            record = wire.VisionRequest(
                prompt=prompt, image=encoded, stream=call.is_streamed, **call.options
            )
            return InferenceRequest(wire.IMAGE2TEXT_V1, record, model)
        # first, as the page says
        picture = {"type": "image_url", "image_url": {"url": to_data_url(image)}}
        message = chat.Message(role="user", content=[picture, {"type": "text", "text": prompt}])
        return build_chat_request(
            [message], platform, call.choice, call.options, stream=call.is_streamed
        )


def read_image(image: ReferencePicture, name: str = "image") -> bytes:
    """Return the bytes of an image from a path, bytes, a data URL or base64 text.

    Args:
        image: the image.
        name: of the argument, for messages.

    Raises:
        InvalidArgumentError: it cannot be read, or is not an image, or larger than 10 MB.
    """
    content = _load_picture(name, image)
    if len(content) >= MAX_BYTES:
        raise InvalidArgumentError(
            tr(
                "{name} has {count:,} bytes: less than {limit:,} are allowed",
                name=name,
                count=len(content),
                limit=MAX_BYTES,
            )
        )
    if not content.startswith(tuple(MEDIA_TYPES)):
        raise InvalidArgumentError(
            tr("{name} is not a picture file: must be PNG, JPEG, WebP, BMP or ICO", name=name)
        )
    return content


def _load_picture(name: str, picture: ReferencePicture) -> bytes:
    if isinstance(picture, bytes):
        return picture
    if not isinstance(picture, (str, Path)):
        raise InvalidArgumentError(
            tr(
                "{name} is a {kind}: must be a path, bytes, a data URL or an http(s) address",
                name=name,
                kind=type(picture).__name__,
            )
        )
    text = str(picture)
    try:
        if text.startswith("data:"):
            return base64.b64decode(text.partition(",")[2], validate=True)
        return Path(picture).expanduser().read_bytes()
    except binascii.Error:
        raise InvalidArgumentError(
            tr("{name} is a data URL whose content is not base64", name=name)
        ) from None
    except (OSError, ValueError) as error:
        try:
            return base64.b64decode(text, validate=True)
        except ValueError:
            raise InvalidArgumentError(
                tr(
                    "{name}={picture!r} cannot be read: {reason}",
                    name=name,
                    picture=text[:80],
                    reason=getattr(error, "strerror", None) or error,
                )
            ) from None


def to_data_url(content: bytes) -> str:
    """Return an image as a data URL, as parts of a chat message carry it."""
    kind = next(kind for magic, kind in MEDIA_TYPES.items() if content.startswith(magic))
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def encode_pictures(pictures: Pictures) -> str | list[str]:
    """Return 1 to 3 pictures as `/v2/images/edits` takes them: data URLs, and addresses as they
    are.

    Raises:
        InvalidArgumentError: there are more or fewer, or one cannot be read or is not a picture
            that the page allows.
    """
    if isinstance(pictures, (str, bytes, Path)):
        return _encode("pictures[0]", pictures)
    if not isinstance(pictures, Iterable):
        raise InvalidArgumentError(
            tr(
                "pictures={pictures}: must be a path, an address or bytes, or a list of 1 to 3 of "
                "them",
                pictures=format_value(pictures),
            )
        )
    rows = list(pictures)
    if not 1 <= len(rows) <= MAX_PICTURES:
        raise InvalidArgumentError(
            tr(
                "pictures: there are {count}, and 1 to {limit} are allowed",
                count=len(rows),
                limit=MAX_PICTURES,
            )
        )
    return [_encode(f"pictures[{index}]", picture) for index, picture in enumerate(rows)]


def _encode(name: str, picture: ReferencePicture) -> str:
    if isinstance(picture, str) and urlsplit(picture).scheme in {"http", "https"}:
        return picture
    return to_data_url(read_image(picture, name))
