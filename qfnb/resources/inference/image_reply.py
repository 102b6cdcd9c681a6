"""Replies with images: downloaded at once, saved as files; and what models that draw and models
that edit share.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ... import connect
from ..._notices import warn_once
from ...base.language import tr
from ...config import settings
from ...errors import InvalidArgumentError, QianfanError, UnexpectedContent
from ...redact import hide_secrets_in
from ...transport import event_loop, file_transfer
from ...wire import catalog, chat, inference as wire
from .inference_model import InferenceCall, InferenceModel
from .model_choice import ModelChoice
from .reply import Reply, V1Dict


class ImageResponse(Reply[wire.ImageReply]):
    """A reply with images; `.images` are the files' bytes, in order.

    Images that come as addresses are downloaded at once: the addresses are valid for 24 hours.
    """

    find_defect = staticmethod(chat.find_picture_defect)
    prompt: str = ""
    host: str = ""
    downloaded_images: tuple[bytes, ...] = ()
    download_error: QianfanError | None = None
    is_decoded: bool = False

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
        host = self.host
        try:
            contents = [
                await file_transfer.download_image(url, settings(), trusted_host=host)
                for url in urls
            ]
            self.downloaded_images = tuple(contents)
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
            "sandbox" in row for row in rows if isinstance(row, Mapping)
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
        file_name = ""
        if target.suffix.lower() == ".png" and not target.is_dir() and len(self.images) == 1:
            if target.exists():
                raise InvalidArgumentError(
                    tr(
                        "{target}: the file exists and is not overwritten; save under another name",
                        target=target,
                    )
                )
            file_name = target.name
            target = target.parent
        stem = name or re.sub(r"[^\w\-]+", "_", self.prompt)[:40].strip("_") or "image"
        try:
            target.mkdir(parents=True, exist_ok=True)
            return [
                self._save_image(target, stem, index, file_name)
                for index in range(len(self.images))
            ]
        except OSError as error:
            raise InvalidArgumentError(
                tr(
                    "{target}: images cannot be written there: {reason}",
                    target=target,
                    reason=error.strerror,
                )
            ) from None

    def seeds(self) -> list[int | None]:
        """Return each image's seed, None where it is unknown."""
        extensions = [getattr(image, "sandbox", None) or {} for image in self.data.data]
        return [extension.get("seed") for extension in extensions]

    def __repr__(self) -> str:
        return f"<{len(self.data.data)} image(s) of {self.prompt!r}>"

    def _save_image(self, folder: Path, stem: str, index: int, file_name: str) -> Path:
        import io  # noqa: PLC0415 - with Pillow, only when something is saved

        from PIL import Image, PngImagePlugin  # noqa: PLC0415

        number = 1 + index
        while (path := folder / (file_name or f"{stem}_{number}.png")).exists():
            number += 1
        with Image.open(io.BytesIO(self.images[index])) as image:
            metadata = PngImagePlugin.PngInfo()
            fields = {"prompt": self.prompt, "model": self.model, "seed": self.seeds()[index]}
            for key, value in {**fields, "size": f"{image.width}x{image.height}"}.items():
                if value is not None:
                    metadata.add_itxt(key, str(value))
            if self.from_sandbox:
                metadata.add_itxt("source", "qfnb sandbox: a drawing program, not a model")
            image.save(path, format="PNG", pnginfo=metadata)
        return path


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
        self, calls: Sequence[InferenceCall[ImageResponse]], prompt: str, *, decode: bool
    ) -> ImageResponse:
        """Send calls of one prompt and return the images of all as one reply; on the I/O loop only.

        Args:
            calls: one, or one for each image of a model that draws one at a time.
            prompt: kept in the reply.
            decode: put the files' bytes into the rows of the reply as "image".
        """
        outcomes = await asyncio.gather(*map(self.send, calls), return_exceptions=True)
        reply = _join_replies(outcomes)
        reply.prompt = prompt
        if decode:
            reply.put_images()
        return reply

    async def send(self, call: InferenceCall[ImageResponse]) -> ImageResponse:
        """Send a call, download the images of its reply and return it; on the I/O loop only."""
        reply = await super().send(call)
        reply.host = (await connect.aclient(self._keys)).platform.host
        if any(image.url for image in reply.data.data):
            await reply.fetch_images()
        reply.number_rows()
        if reply.is_decoded:
            reply.put_images()
        return reply

    def warn_by_page(self, choice: ModelChoice, prompt: str, options: Mapping[str, Any]) -> str:
        """Warn of what the page of a model does not allow, and return the model's id; the platform
        decides.

        The sandbox says it itself.

        Args:
            choice: which model is asked.
            prompt: the description.
            options: of the call.
        """
        name = choice.model or catalog.default_model(self.kind)
        if choice.endpoint:
            row = None
        else:
            row = catalog.asked_model(self.kind, name)
        model = choice.endpoint or (row.id if row else name)
        if self.platform_info().name != "sandbox":
            for text in wire.image_warnings(model, prompt, options):
                warn_once(text)
        return model


def validate_with_decode(with_decode: str | None) -> bool:
    """Return whether images are decoded.

    Raises:
        InvalidArgumentError: it is neither "base64" nor None.
    """
    if with_decode not in {None, "base64"}:
        raise InvalidArgumentError(
            tr("with_decode={with_decode!r}: must be 'base64' or None", with_decode=with_decode)
        )
    return with_decode is not None


def _join_replies(outcomes: Sequence[ImageResponse | BaseException]) -> ImageResponse:
    """Return the images of all replies in the first one; calls that failed are an error only if all
    did.
    """
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    replies = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
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
        first.body["data"] = [
            dict(row) for reply in replies for row in reply.body.get("data") or ()
        ]
        first.downloaded_images = tuple(
            image for reply in replies for image in reply.downloaded_images
        )
        first.download_error = next(
            (reply.download_error for reply in replies if reply.download_error), None
        )
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
