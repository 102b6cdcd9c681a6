import io

import pytest
from PIL import Image

from qianfan_sandbox.engines.drawing import picture

SMALL = (192, 192)


def test_the_same_prompt_and_seed_give_the_same_bytes():
    assert picture("山和月亮", SMALL, 7) == picture("山和月亮", SMALL, 7)


def test_the_file_says_what_it_is():
    with Image.open(io.BytesIO(picture("一只猫", SMALL, 3)[0])) as image:
        image.load()
        assert image.text == {
            "prompt": "一只猫", "seed": "3", "size": "192x192", "software": "qfnb sandbox drawing",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "themes"),
    [("夜晚的海", ["night"]), ("Snow at sunset", ["sunset", "winter"]), ("一只猫", [])],
)
def test_themes_are_understood_in_both_languages_and_change_the_picture(prompt, themes):
    content, understood = picture(prompt, SMALL, 3)
    assert understood == themes
    assert content != picture("一只狗", SMALL, 3)[0]
