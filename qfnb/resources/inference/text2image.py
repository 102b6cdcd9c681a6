"""Text to image."""

import base64
import binascii
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Unpack

from ... import connect
from ...config import settings
from ...errors import InvalidArgumentError, UnexpectedContent
from ...transport import event_loop, file_transfer
from ...transport.client import CallOptions
from ...transport.platform import Platform
from ...wire import catalog, inference as wire
from ..validation import validate_choice
from .arguments import ImageOptions
from .chat_request import validate_encodable, validate_options
from .inference_model import InferenceModel, InferenceRequest, PreparedCall
from .model_choice import ModelChoice, find_target
from .reply import Reply

MAX_PROMPT = 1024


class ImageResponse(Reply[wire.ImageReply]):
    """A reply with images; `.images` are the files' bytes, in order."""

    prompt: str = ""
    downloaded_images: tuple[bytes, ...] = ()

    @cached_property
    def images(self) -> list[bytes]:
        """The image files.

        Raises:
            UnexpectedContent: an image is not base64, or not a PNG, JPEG or WebP file.
        """
        encoded = [image.b64_image or image.b64_json for image in self.data.data]
        return list(self.downloaded_images) or [_decode_image(text) for text in encoded]

    def save(self, folder: str | Path = ".", *, name: str | None = None) -> list[Path]:
        """Write the images as PNG files with prompt, model, seed and size as metadata.

        Args:
            folder: created if it does not exist.
            name: the stem of the file names; default: the beginning of the prompt.

        Returns:
            The paths, in order; an existing file is never overwritten.

        Raises:
            InvalidArgumentError: the folder cannot be written to.
        """
        target = Path(folder).expanduser()
        stem = name or re.sub(r"[^\w\-]+", "_", self.prompt)[:40].strip("_") or "image"
        try:
            target.mkdir(parents=True, exist_ok=True)
            return [self._save_image(target, stem, index) for index in range(len(self.images))]
        except OSError as error:
            raise InvalidArgumentError(f"{target}: images cannot be written there: {error.strerror}") from None

    def seeds(self) -> list[int | None]:
        """Return each image's seed, None where it is unknown."""
        extensions = [getattr(image, "sandbox", None) or {} for image in self.data.data]
        return [extension.get("seed") for extension in extensions]

    def __repr__(self) -> str:
        return f"<{len(self.data.data)} image(s) of {self.prompt!r}>"

    def _save_image(self, folder: Path, stem: str, index: int) -> Path:
        import io  # noqa: PLC0415 - with Pillow, only when something is saved

        from PIL import Image, PngImagePlugin  # noqa: PLC0415

        number = 1 + index
        while (path := folder / f"{stem}_{number}.png").exists():
            number += 1
        with Image.open(io.BytesIO(self.images[index])) as image:
            metadata = PngImagePlugin.PngInfo()
            fields = {"prompt": self.prompt, "model": self.model, "seed": self.seeds()[index]}
            for key, value in {**fields, "size": f"{image.width}x{image.height}"}.items():
                if value is not None:
                    metadata.add_itxt(key, str(value))
            if self.from_sandbox or any("sandbox" in row for row in self.body.get("data", ())):
                metadata.add_itxt("source", "qfnb sandbox: a drawing program, not a model")
            image.save(path, format="PNG", pnginfo=metadata)
        return path


class Text2Image(InferenceModel[ImageResponse]):
    """A model that draws images from a description.

    Args:
        model: a preset model; default Stable-Diffusion-XL on v1, irag-1.0 on v2.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2; by default 1, or 2 if only an API key is set.
        **keys: see `ChatCompletion`.

    Source: seed 003 (文生图).
    """

    reply_type, kind = ImageResponse, "text2image"

    def do(
        self,
        prompt: str,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        with_decode: Literal["base64"] | None = None,
        request_timeout: float | None = None,
        **options_: Unpack[ImageOptions],
    ) -> ImageResponse:
        """Draw images; with `with_decode="base64"` each item of `resp["data"]` also has "image", the file's bytes.

        Args:
            prompt: a description, at most 1,024 characters.
            model: a model for this call.
            endpoint: a service of your own for this call.
            with_decode: "base64" decodes the images.
            request_timeout: seconds for the whole call.
            **options_: size (wire.IMAGE_SIZES), n (1-4), seed, style, steps, ...

        Raises:
            InvalidArgumentError: the prompt or an option is wrong; nothing was sent.
        """
        call = self.prepare(prompt, model, endpoint, request_timeout=request_timeout, **options_)
        return event_loop.run(self._draw(call, prompt, _validate_with_decode(with_decode)))

    async def ado(
        self,
        prompt: str,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        with_decode: Literal["base64"] | None = None,
        request_timeout: float | None = None,
        **options_: Unpack[ImageOptions],
    ) -> ImageResponse:
        """The awaited form of `do`."""
        call = self.prepare(prompt, model, endpoint, request_timeout=request_timeout, **options_)
        return await event_loop.run_async(self._draw(call, prompt, _validate_with_decode(with_decode)))

    def prepare_call(
        self, item: str, choice: ModelChoice, options: Mapping[str, Any], call_options: CallOptions, *, stream: bool
    ) -> PreparedCall[ImageResponse]:
        """Return the validated call for one prompt."""
        if stream:
            raise InvalidArgumentError("stream=True: images cannot be streamed")
        valid_options = _validate_arguments(item, options)

        def build_request(platform: Platform) -> InferenceRequest:
            version, model, _ = find_target(choice, platform)
            if version == 2 and "image" in valid_options:
                model = choice.endpoint or choice.model or catalog.default_model("image2image")
                record = wire.ImageEditRequest(prompt=item, model=model, **valid_options)
                return InferenceRequest(wire.IMAGE_EDIT_V2, record, model)
            if version == 2:
                model = choice.endpoint or choice.model or "irag-1.0"
                return InferenceRequest(
                    wire.TEXT2IMAGE_V2, wire.ImageRequestV2(prompt=item, model=model, **valid_options), model
                )
            return InferenceRequest(wire.TEXT2IMAGE_V1, wire.ImageRequest(prompt=item, **valid_options), model)

        return PreparedCall(build_request, call_options)

    async def _draw(self, call: PreparedCall[ImageResponse], prompt: str, decode: bool) -> ImageResponse:
        reply = await self.send(call)
        reply.prompt = prompt
        host = (await connect.aclient(self._keys)).platform.host
        urls = [image.url for image in reply.data.data]
        if any(urls):
            reply.downloaded_images = tuple(
                [await file_transfer.download_image(url, settings(), trusted_host=host) for url in urls]
            )
        if decode:
            for row, image in zip(reply.body["data"], reply.images, strict=True):
                row["image"] = image
        return reply


def _validate_with_decode(with_decode: str | None) -> bool:
    if with_decode not in {None, "base64"}:
        raise InvalidArgumentError(f"with_decode={with_decode!r}: must be 'base64' or None")
    return with_decode is not None


def _validate_arguments(prompt: str, options_: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(prompt, str) or not prompt.strip():
        raise InvalidArgumentError("prompt is empty: it needs a description of the image")
    if len(prompt) > MAX_PROMPT:
        raise InvalidArgumentError(f"prompt has {len(prompt)} characters: at most {MAX_PROMPT} are allowed")
    validate_encodable("prompt", prompt)
    valid_options = validate_options(options_)
    if "size" in valid_options:
        validate_choice("size", valid_options["size"], wire.IMAGE_SIZES)
    return valid_options


def _decode_image(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UnexpectedContent("an image of the reply is not base64") from None
    file_transfer.validate_image(content)
    return content
