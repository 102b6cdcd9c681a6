"""Write the quickstart's data: `python notebooks/data/build.py` makes both files again, byte for
byte.

Every trained phrasing appears twice: as it is, and with the little words that people put around a
question. Held-out phrasings stay as they were written.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from bookings import HELD_OUT, TRAIN, pairs
from intents import INTENTS

WRAPPERS = (
    "请问{}", "你好，{}", "嗨，{}", "想问一下，{}", "麻烦问下{}", "老板，{}", "{}？谢谢", "您好，请问{}",
    "{}，谢谢", "打扰一下，{}？",
)  # fmt: skip


def rows() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the training rows (shuffled) and the held-out rows."""
    chance = random.Random(26)
    train = []
    held_out = []
    for intent in INTENTS:
        for ask in intent.train:
            wrapped = chance.choice(WRAPPERS).format(ask)
            train += [{"prompt": prompt, "response": intent.answer} for prompt in (ask, wrapped)]
        held_out += [{"prompt": ask, "response": intent.answer} for ask in intent.held_out]
    train += [{"prompt": ask, "response": note} for ask, note in pairs(TRAIN, 192, 1)]
    held_out += [{"prompt": ask, "response": note} for ask, note in pairs(HELD_OUT, 30, 2)]
    chance.shuffle(train)
    return train, held_out


def write(folder: Path) -> None:
    """Write `teahouse_train.jsonl` and `teahouse_heldout.jsonl`."""
    for name, lines in zip(("train", "heldout"), rows(), strict=True):
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"teahouse_{name}.jsonl").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(__file__).parent)
