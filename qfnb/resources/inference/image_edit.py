"""Image to image: pictures that are changed by a description."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Unpack

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.client import CallOptions
from ...transport.platform import Platform
from ...wire import inference as wire
from .arguments import ImageOptions
from .chat_request import validate_encodable, validate_options
from .image_reply import ImageModel, ImageResponse, validate_with_decode
from .inference_model import InferenceRequest, PreparedCall
from .model_choice import ModelChoice, find_target
from .reference_pictures import ReferencePicture, encode_pictures

Pictures = ReferencePicture | Iterable[ReferencePicture]


class ImageEdit(ImageModel):
    """A model that changes pictures by a description.

    Args:
        model: a preset model; default qwen-image-edit.
        endpoint: a service of your own; wins over `model`.
        **keys: see `ChatCompletion`.

    Source: API page of /v2/images/edits.
    """

    kind = "image2image"

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
    ) -> ImageResponse:
        """Change pictures; the files' bytes are in `reply.images`, `reply.save()` writes them.

        Args:
            prompt: what is changed; qwen-image-edit takes 800 characters.
            pictures: 1 to 3 reference pictures: paths, bytes, data URLs or http(s) addresses; PNG,
                JPEG, WebP, BMP or ICO of less than 10 MB, with sides of at least 128 pixels and at
                most 1:4.
            model: a model for this call.
            endpoint: a service of your own for this call.
            with_decode: "base64" also puts the bytes into each item of `resp["data"]` as "image".
            request_timeout: seconds for the whole call.
            **options_: size, seed, ...: sent as they are.

        Raises:
            InvalidArgumentError: the prompt or a picture is wrong; nothing was sent.
        """
        call = self.prepare(
            (prompt, pictures), model, endpoint, request_timeout=request_timeout, **options_
        )
        return event_loop.run(self.draw([call], prompt, decode=validate_with_decode(with_decode)))

    async def ado(
        self,
        prompt: str,
        pictures: Pictures,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        with_decode: Literal["base64"] | None = None,
        request_timeout: float | None = None,
        **options_: Unpack[ImageOptions],
    ) -> ImageResponse:
        """The awaited form of `do`."""
        call = self.prepare(
            (prompt, pictures), model, endpoint, request_timeout=request_timeout, **options_
        )
        return await event_loop.run_async(
            self.draw([call], prompt, decode=validate_with_decode(with_decode))
        )

    def prepare_call(
        self,
        item: tuple[str, Pictures],
        choice: ModelChoice,
        options: Mapping[str, Any],
        call_options: CallOptions,
        *,
        stream: bool,
    ) -> PreparedCall[ImageResponse]:
        """Return the validated call for one (prompt, pictures)."""
        prompt, pictures = item
        if not isinstance(prompt, str) or not prompt.strip():
            raise InvalidArgumentError(tr("prompt is empty: describe the change"))
        validate_encodable("prompt", prompt)
        if stream:
            raise InvalidArgumentError(tr("stream=True: images cannot be streamed"))
        self.warn_by_page(choice, prompt, options)
        fields = {"prompt": prompt, "image": encode_pictures(pictures), **validate_options(options)}

        def build_request(platform: Platform) -> InferenceRequest:
            model = find_target(choice, platform).model
            return InferenceRequest(
                wire.IMAGE_EDIT_V2, wire.ImageEditRequest(model=model, **fields), model
            )

        return PreparedCall(build_request, call_options)
