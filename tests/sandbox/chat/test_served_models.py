"""Which models the sandbox serves and lists; embeddings, reranking, pictures and completions with a
suffix.
"""

import base64
import io

import pytest
from PIL import Image
from support.raw_http import CHAT, connect, error_of

from qfnb.wire import catalog

SAY = [{"role": "user", "content": "你是谁"}]


@pytest.fixture
def http(world):
    with connect(world.address) as client:
        yield client


def listed(http):
    return {row["id"]: row for row in http.get("/v2/models").json()["data"]}


def png(size=(200, 160), colour=(200, 40, 40), file_format="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, file_format)
    return base64.b64encode(buffer.getvalue()).decode()


def test_the_list_has_the_four_shapes(http):
    rows = listed(http)
    assert rows["ernie-4.5-turbo-128k"]["pricing"] == {"prompt": "0.0008", "completion": "0.0032"}
    assert rows["ernie-4.5-turbo-128k"]["max_completions_tokens"] == 12288
    tiers = rows["ernie-5.1"]["pricing"]["prompt"]
    assert tiers == [{"upper": 32, "price": "0.004"}, {"upper": None, "price": "0.006"}]
    assert rows["ernie-5.0-thinking-exp"]["context_length"] is None
    assert "pricing" not in rows["qwen-image"]
    assert rows["qwen-image"]["architecture"]["modality"] == "text->image"
    assert rows["tao-8k"]["type"] == "embeddings"


def chat(http, model):
    return http.post(CHAT, json={"model": model, "messages": SAY})


def test_a_strict_sandbox_serves_exactly_what_it_lists(world, http):
    world.set_modes({"strict": True})
    ids = set(listed(http))
    for row in catalog.load_models():
        if row.kind == "chat":
            assert (chat(http, row.id).status_code == 200) == (row.id in ids), row.id


@pytest.mark.parametrize(
    ("model", "dimensions"),
    [("embedding-v1", 384), ("bge-large-zh", 1024), ("qwen3-embedding-8b", 4096)],
)
def test_a_vector_has_the_dimensions_of_its_model(http, model, dimensions):
    rows = http.post("/v2/embeddings", json={"model": model, "input": ["一", "二"]}).json()["data"]
    assert [len(row["embedding"]) for row in rows] == [dimensions] * 2


@pytest.mark.parametrize(
    ("model", "texts", "code"),
    [
        ("bge-large-zh", ["一"] * 17, "invalid_argument"),
        ("embedding-v1", ["长" * 1001], "characters_too_long"),
        ("tao-8k", ["长" * 15000], "tokens_too_long"),
    ],
)
def test_too_many_or_too_long_texts_are_refused(http, model, texts, code):
    assert error_of(http.post("/v2/embeddings", json={"model": model, "input": texts})) == (
        400,
        code,
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [({"query": "a" * 1601}, "characters_too_long"), ({"top_n": 0}, "invalid_argument")],
    ids=str,
)
def test_reranking_beyond_its_limits_is_refused(http, change, code):
    body = {"model": "bce-reranker-base", "query": "a", "documents": ["a"], **change}
    assert error_of(http.post("/v2/rerank", json=body)) == (400, code)


def draw(http, model, path="/v2/images/generations", **change):
    return http.post(
        path, json={"model": model, "prompt": "雪山", "response_format": "b64_json", **change}
    )


def size_of(answer):
    with Image.open(io.BytesIO(base64.b64decode(answer.json()["data"][0]["b64_json"]))) as image:
        return image.size


def test_a_picture_has_the_size_that_its_model_draws(http):
    air = "/v2/musesteamer/images/generations"
    assert size_of(draw(http, "qwen-image", size="512x640")) == (512, 640)
    assert size_of(draw(http, "musesteamer-air-image", air, size="1280x720")) == (1280, 720)
    assert size_of(draw(http, "musesteamer-air-image", air, size="1000x1000")) == (1024, 1024)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"size": "500x512"}, "invalid_argument"),
        ({"n": 2}, "invalid_argument"),
        ({"response_format": "gif"}, "invalid_argument"),
        ({"prompt": "山" * 801}, "invalid_image_genration_prompt"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wrong_request_for_a_picture_is_refused(http, change, code):
    assert error_of(draw(http, "qwen-image", **change)) == (400, code)


def edit(http, image, prompt="变成黑白"):
    return draw(http, "qwen-image-edit", "/v2/images/edits", image=image, prompt=prompt)


def pixels(answer):
    with Image.open(io.BytesIO(base64.b64decode(answer.json()["data"][0]["b64_json"]))) as image:
        return image.convert("RGB").getpixel((image.width // 2, image.height // 3))


def test_an_edit_depends_on_its_picture_and_its_prompt(http):
    red = png(colour=(200, 40, 40))
    assert len(set(pixels(edit(http, red, "变成黑白")))) == 1
    assert pixels(edit(http, red, "变暗")) == (100, 20, 20)
    assert edit(http, red, "变暗").json()["data"][0]["sandbox"]["understood"] == ["darken"]


@pytest.mark.parametrize(
    "image",
    [[], "nonsense", png((127, 200)), png(file_format="GIF"), "https://example.com/a.png"],
    ids=lambda value: str(value)[:20],
)
def test_a_wrong_reference_is_refused(http, image):
    assert error_of(edit(http, image)) == (400, "invalid_image_genration_refer_image")


def test_a_text_for_a_gap_ends_where_the_suffix_begins(http):
    body = {"model": "ernie-4.5-turbo-128k", "prompt": "你是谁"}
    whole = http.post("/v2/completions", json=body).json()["choices"][0]["text"]
    cut = http.post("/v2/completions", json={**body, "suffix": whole[10:20]}).json()["choices"][0][
        "text"
    ]
    assert cut == whole[:10]
    short = http.post("/v2/completions", json={**body, "max_tokens": 3}).json()
    assert (short["choices"][0]["finish_reason"], short["usage"]["completion_tokens"]) == (
        "length",
        3,
    )
