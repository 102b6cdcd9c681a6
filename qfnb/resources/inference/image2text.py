"""Questions about an image, v1 only; in v2 a vision model takes images as parts of a chat message."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.client import CallOptions
from ...wire import catalog, inference as wire
from .chat_request import validate_options
from .inference_model import InferenceModel, InferenceRequest, PreparedCall
from .model_choice import ModelChoice, v1_only
from .reply import ChatResponse

MEDIA_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"BM": "image/bmp", b"RIFF": "image/webp"}


class Image2Text(InferenceModel[ChatResponse]):
    """A model that answers questions about an image.

    Args:
        model: a preset model; default Fuyu-8B.
        endpoint: a service of your own; wins over `model`.
        **keys: see `ChatCompletion`.
    """

    kind = "image2text"
    reply_type = ChatResponse

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
            image: a file's path, its bytes, or base64 text; JPEG, PNG or BMP, at most 4 MB.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: yield pieces as they come.
            **options_: see `ChatOptions`.

        Raises:
            InvalidArgumentError: the prompt or the image is wrong; nothing was sent.
        """
        call = self.prepare((prompt, image), model, endpoint, stream=stream, **options_)
        return event_loop.iterate(self.stream(call)) if stream else self._run(call)

    async def ado(
        self,
        prompt: str,
        image: str | bytes | Path,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Any,
    ) -> Any:
        """The awaited form of `do`: a reply, or with `stream=True` an async iterator over its pieces."""
        call = self.prepare((prompt, image), model, endpoint, stream=stream, **options_)
        return event_loop.iterate_async(self.stream(call)) if stream else await self._run_async(call)

    def prepare_call(
        self,
        item: tuple[str, str | bytes | Path],
        choice: ModelChoice,
        options: Mapping[str, Any],
        call_options: CallOptions,
        *,
        stream: bool,
    ) -> PreparedCall[ChatResponse]:
        """Return the validated call for one (prompt, image)."""
        prompt, image = item
        if not isinstance(prompt, str) or not prompt.strip():
            raise InvalidArgumentError("prompt is empty: it needs a question about the image")
        content = base64.b64encode(read_image(image)).decode("ascii")
        record = wire.VisionRequest(prompt=prompt, image=content, stream=stream, **validate_options(options))
        segment = choice.endpoint or catalog.path_segment(
            "image2text", choice.model or catalog.V1_DEFAULTS["image2text"]
        )
        request = InferenceRequest(wire.IMAGE2TEXT_V1, record, segment)
        use = "ask ChatCompletion(model='ernie-4.5-turbo-vl') with the picture as a part of the message"
        return PreparedCall(v1_only(request, "Image2Text", use), call_options)


def read_image(image: str | bytes | Path) -> bytes:
    """Return the bytes of an image from a path, bytes or base64 text.

    Raises:
        InvalidArgumentError: there is no such file, or it is not an image, or larger than 4 MB.
    """
    content = image if isinstance(image, bytes) else _read_path_or_base64(image)
    if len(content) > wire.MAX_IMAGE_BYTES:
        raise InvalidArgumentError(f"image has {len(content):,} bytes: at most {wire.MAX_IMAGE_BYTES:,} are allowed")
    if not content.startswith(tuple(MEDIA_TYPES)):
        raise InvalidArgumentError("image is not an image file: must be JPEG, PNG, BMP or WebP")
    return content


def to_data_url(content: bytes) -> str:
    """Return an image as a data URL, as parts of a chat message carry it."""
    media_type = next(media_type for magic, media_type in MEDIA_TYPES.items() if content.startswith(magic))
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _read_path_or_base64(image: str | Path) -> bytes:
    path = Path(image).expanduser() if len(str(image)) < 1024 else None
    if path is not None and path.is_file():
        return path.read_bytes()
    try:
        return base64.b64decode(str(image), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgumentError(f"image={str(image)[:60]!r}: there is no such file") from None
