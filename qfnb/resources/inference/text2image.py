"""Text to image."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Unpack

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.client import CallOptions
from ...transport.platform import Platform
from ...wire import inference as wire
from ..validation import validate_positive
from .arguments import ImageOptions
from .chat_request import validate_encodable, validate_options
from .client_options import split_client_options
from .image_reply import ImageModel, ImageResponse, validate_with_decode
from .inference_model import InferenceCall, InferenceRequest
from .model_choice import ModelChoice, find_target
from .v1_words import with_user


@dataclass(frozen=True)
class ImageCall(InferenceCall[ImageResponse]):
    """A description that is drawn.

    Attributes:
        is_decoded: whether the files' bytes are put into the rows of the reply.
    """

    prompt: str = ""
    is_decoded: bool = False

    def request_for(self, platform: Platform) -> InferenceRequest:
        """Return the request as a platform takes it."""
        version, model, _ = find_target(self.choice, platform)
        fields = with_user(self.options, version)
        if version == 1:
            record = wire.ImageRequest(prompt=self.prompt, **fields)
            return InferenceRequest(wire.TEXT2IMAGE_V1, record, model)
        if model.startswith("musesteamer"):
            row = wire.MUSESTEAMER_IMAGE_V2
        else:
            row = wire.TEXT2IMAGE_V2
        return InferenceRequest(
            row, wire.ImageRequestV2(prompt=self.prompt, model=model, **fields), model
        )

    def correction(self, reply: ImageResponse, text: str) -> None:
        """Tell the reply whether its images are decoded."""
        reply.is_decoded = self.is_decoded


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
        decode = validate_with_decode(with_decode)
        calls = self._prepare_all(prompt, model, endpoint, request_timeout, options_)
        return event_loop.run(self.draw(calls, prompt, decode=decode))

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
        decode = validate_with_decode(with_decode)
        calls = self._prepare_all(prompt, model, endpoint, request_timeout, options_)
        return await event_loop.run_async(self.draw(calls, prompt, decode=decode))

    def _prepare_all(
        self,
        prompt: str,
        model: str | None,
        endpoint: str | None,
        request_timeout: float | None,
        options: Mapping[str, Any],
    ) -> list[ImageCall]:
        """Return one call, or of a model that draws one image a call, one for each of `n`
        images.
        """
        choice = self.choose(model, endpoint)
        call_options, options = split_client_options(
            {**options, "request_timeout": request_timeout}
        )
        whole = self.prepare_call(prompt, choice, options, call_options, stream=False)
        if choice.version == 1:
            return [whole]
        name = self.warn_by_page(choice, prompt, options)
        rules = wire.IMAGE_RULES.get(name)
        seed = options.get("seed")
        count = options.get("n") or 1
        if rules is None or count <= rules.max_n:
            return [whole]
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
        single = {key: value for key, value in options.items() if key not in {"n", "seed"}}
        calls = [
            self.prepare_call(
                prompt,
                choice,
                single | ({} if seed is None else {"seed": seed + index}),
                call_options,
                stream=False,
            )
            for index in range(count)
        ]
        # which waits while the platform limits the rate
        return [call.for_batch() for call in calls]

    def prepare_call(
        self,
        item: str,
        choice: ModelChoice,
        options: Mapping[str, Any],
        call_options: CallOptions,
        *,
        stream: bool,
    ) -> ImageCall:
        """Return the validated call for one prompt."""
        if stream:
            raise InvalidArgumentError(tr("stream=True: images cannot be streamed"))
        valid_options = _validate_arguments(item, options)
        is_decoded = validate_with_decode(valid_options.pop("with_decode", None))  # of a batch
        return ImageCall(choice, valid_options, call_options, prompt=item, is_decoded=is_decoded)


def _validate_arguments(prompt: str, options_: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are set; what only some models allow is left to the platform."""
    if not isinstance(prompt, str) or not prompt.strip():
        raise InvalidArgumentError(tr("prompt is empty: describe the image"))
    validate_encodable("prompt", prompt)
    valid_options = validate_options(options_)
    if "n" in valid_options:
        validate_positive("n", valid_options["n"])
    size = valid_options.get("size")
    if size is not None and not (isinstance(size, str) and re.fullmatch(r"\d+x\d+", size)):
        raise InvalidArgumentError(
            tr("size={size!r}: must be WIDTHxHEIGHT in pixels, e.g. 1024x1024", size=size)
        )
    return valid_options
