"""Where the shape of each operation is from, beside the official SDK; and what of the sandbox is a
guess.
"""

from fnmatch import fnmatchcase

PAGES = {
    "S1": "list of models",
    "S2": "text generation (2026-05-08, 2026-11)",
    "S3": "thinking",
    "S4": "structured output",
    "S5": "pictures in conversations",
    "S6": "error codes (2025-12-23)",
    "S7": "Responses",
    "S8": "pictures (2025-12 to 2026-04)",
    "S10": "embeddings",
    "S11": "files and batches",
    "S12": "fine-tuning (2026-04-17)",
    "S14": "model list (2026-09-16)",
    "S15": "retirements (2026-09-03)",
    "S16": "keys",
    "S20": "prefix cache",
    "S24": "the end of v1 inference on 2026-08-31",
}
"""Pages of the platform's documentation, by the tags that the table uses."""

PAGES_BY_OPERATION = {
    "chat.v2": "S2 S3 S4 S5 S6 S20",
    "completion.v2": "S2",
    "models.v2": "S1",
    "embedding.v2": "S10 S14",
    "rerank.v2": "S14",
    "text2image.*v2": "S8",
    "image_edit.v2": "S8",
    "responses.*": "S7",
    "files.*": "S11",
    "batches.*": "S11",
    "inference.*": "S11",
    "finetune.v2.*": "S12",
    "auth.*": "S16",
}
"""A pattern of names -> the pages that its shape is from."""

GUESSES = (
    (
        "chat.v2",
        (
            "where no page says whether a model thinks by default, it does not; which switch the "
            "models after May 2026 "
            "take is by family; `thinking_budget` is at least 100 for every model"
        ),
    ),
    (
        "chat.v2",
        (
            "a prefix is cached in blocks of 128 characters, from 64 tokens, for ten minutes after "
            "its last use"
        ),
    ),
    (
        "chat.v2",
        (
            "tokens are estimated (0.625 a Chinese character, 1 a word), as the SDK's local "
            "tokenizer "
            "does"
        ),
    ),
    (
        "chat.v2",
        (
            "`max_tokens` above the model's longest output, and `json_schema` for a model that is "
            "not listed for it, are "
            "refused with 400 `invalid_argument`; schemas with `not`, `if` or `patternProperties` "
            "too"
        ),
    ),
    (
        "chat.v2",
        (
            "a stream without `stream_options` has no usage in a strict sandbox, and usage in the "
            "last piece otherwise"
        ),
    ),
    ("chat.v2", "`search_results` has one entry that says that nothing was searched"),
    (
        "chat.v2",
        (
            "without input and output apart the limits are `X-Ratelimit-Limit-Tokens`; apart they "
            "are "
            "`X-Ratelimit-Limit-Input-Tokens` and `-Output-Tokens`"
        ),
    ),
    (
        "all of v2",
        (
            "strict: a retired id is refused as an unknown one, 401 `invalid_model`; names in "
            "other "
            "capitals too"
        ),
    ),
    (
        "all of v2",
        (
            "strict: a key of the body that no page has is refused with 400 `invalid_argument`; "
            "otherwise the header "
            "`x-qfnb-unknown-keys` names it"
        ),
    ),
    (
        "all of v1",
        (
            "strict: every path answers `{error_code: 3}` in HTTP 200, as an unknown path did; so "
            "do own services of the "
            "v1 kind on v2, with 401 `invalid_model`"
        ),
    ),
    (
        "models.v2",
        (
            "the keys of a tier are `upper` (thousands of tokens, null for none) and `price`; the "
            "longest input is "
            "`max_input_tokens`; `max_tokens` is null for models that think; without a key the "
            "code is `access_denied`"
        ),
    ),
    ("completion.v2", "the answer has OpenAI's form; every chat model takes a suffix"),
    ("embedding.v2", "a text that is too long is refused, not cut"),
    (
        "text2image.v2",
        (
            "strict: a model is refused on the path of another one as an unknown one; "
            "`qwen-image` refuses n other "
            "than 1"
        ),
    ),
    ("image_edit.v2", "an address of another server is refused, because the sandbox fetches none"),
    (
        "batches.create",
        (
            "the 21st unfinished task is refused with 400 `TaskRunningNumberExceedLimit`, the "
            "code of the form over "
            "object storage; a second model in a file fails the batch with `multiple_models`"
        ),
    ),
    ("files.delete", "that it exists"),
    ("responses.*", "events are OpenAI's; a response is stored unless `store` is false"),
    (
        "charge.*",
        (
            "quotas and compute units are kept as they were sent: ways of payment, times, and the "
            "model or service that "
            "a quota or unit belongs to are not checked, and no quota ends by itself"
        ),
    ),
    (
        "prompt.*",
        "templates are kept as they were sent; of their texts only the variables are checked",
    ),
    ("etl.*", "a cleaning copies the rows as they are; the names of its steps are not checked"),
    ("enhance.*", "an augmentation adds one phrase to prompts; its numbers are not checked"),
)
"""An operation, and what of its answers no page says."""


def pages_of(operation: str, plane: str) -> str:
    """Return the tags of the pages that an operation's shape is from, "" for none."""
    tags = [tags for pattern, tags in PAGES_BY_OPERATION.items() if fnmatchcase(operation, pattern)]
    return " ".join([*tags, *(["S24"] if plane == "v1" else [])])


def render_sources() -> str:
    """Return the sections about pages and guesses."""
    pages = ", ".join(f"{tag} {title}" for tag, title in PAGES.items())
    guesses = "\n".join(f"- `{operation}`: {text}." for operation, text in GUESSES)
    return (
        f"\n## Pages\n\nRead as stored copies in 2026-11: {pages}.\n\n## Guesses\n\nNo page "
        f"says so:\n\n{guesses}\n"
    )
