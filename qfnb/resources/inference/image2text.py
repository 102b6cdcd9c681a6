"""Questions about an image: in v2 a part of a chat message, in v1, which has ended on the cloud, a
call of its own.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.client import CallOptions
from ...transport.platform import Platform
from ...wire import chat, inference as wire
from .chat_request import build_chat_request, validate_chat_options
from .inference_model import InferenceCall, InferenceModel, InferenceRequest
from .model_choice import ModelChoice, find_target
from .reply import ChatResponse

MEDIA_TYPES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
    b"RIFF": "image/webp",
}


@dataclass(frozen=True)
class ImageQuestionCall(InferenceCall[ChatResponse]):
    """A question about an image."""

    prompt: str = ""
    image: bytes = b""

    def request_for(self, platform: Platform) -> InferenceRequest:
        """Return the request as a platform takes it."""
        version, model, _ = find_target(self.choice, platform)
        if version == 1:
            encoded = base64.b64encode(self.image).decode("ascii")
            record = wire.VisionRequest(
                prompt=self.prompt, image=encoded, stream=self.is_streamed, **self.options
            )
            return InferenceRequest(wire.IMAGE2TEXT_V1, record, model)
        # first, as the page says
        picture = {"type": "image_url", "image_url": {"url": to_data_url(self.image)}}
        content = [picture, {"type": "text", "text": self.prompt}]
        message = chat.Message(role="user", content=content)
        return build_chat_request(
            [message], platform, self.choice, self.options, stream=self.is_streamed
        )


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
    ) -> ChatResponse | Iterator[ChatResponse]:
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
        call = self.prepare((prompt, image), model, endpoint, stream=stream, **options_)
        if stream:
            return event_loop.iterate(self._stream_pieces(call))
        return self._run(call)

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
        if stream:
            return event_loop.iterate_async(self._stream_pieces(call))
        return await self._run_async(call)

    def prepare_call(
        self,
        item: tuple[str, str | bytes | Path],
        choice: ModelChoice,
        options: Mapping[str, Any],
        call_options: CallOptions,
        *,
        stream: bool,
    ) -> ImageQuestionCall:
        """Return the validated call for one (prompt, image)."""
        prompt, image = item
        if not isinstance(prompt, str) or not prompt.strip():
            raise InvalidArgumentError(tr("prompt is empty: ask a question about the image"))
        content = read_image(image)
        valid_options = validate_chat_options(options)
        return ImageQuestionCall(choice, valid_options, call_options, stream, prompt, content)


def read_image(image: str | bytes | Path) -> bytes:
    """Return the bytes of an image from a path, bytes or base64 text.

    Raises:
        InvalidArgumentError: there is no such file, or it is not an image, or larger than 10 MB.
    """
    if isinstance(image, bytes):
        content = image
    else:
        content = _read_path_or_base64(image)
    if len(content) > wire.MAX_IMAGE_BYTES:
        raise InvalidArgumentError(
            tr(
                "image has {count:,} bytes: at most {limit:,} are allowed",
                count=len(content),
                limit=wire.MAX_IMAGE_BYTES,
            )
        )
    if not content.startswith(tuple(MEDIA_TYPES)):
        raise InvalidArgumentError(tr("image is not an image file: must be JPEG, PNG, BMP or WebP"))
    return content


def to_data_url(content: bytes) -> str:
    """Return an image as a data URL, as parts of a chat message carry it."""
    media_type = next(
        media_type for magic, media_type in MEDIA_TYPES.items() if content.startswith(magic)
    )
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _read_path_or_base64(image: str | Path) -> bytes:
    if not (len(str(image)) < 1024):
        path = None
    else:
        path = Path(image).expanduser()
    if path is not None and path.is_file():
        return path.read_bytes()
    try:
        return base64.b64decode(str(image), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgumentError(
            tr("image={image!r}: there is no such file", image=str(image)[:60])
        ) from None
