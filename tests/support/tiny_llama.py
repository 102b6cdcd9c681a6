"""A model directory for tests: a Llama of a hundred thousand random weights that reads single
characters.
"""

from __future__ import annotations

from pathlib import Path

TEMPLATE = (
    "{% for message in messages %}<{{ message['role'][0] }}>{{ message['content'] }}</s>{% endfor "
    "%}"
    "{% if add_generation_prompt %}<a>{% endif %}"
)
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<u>", "<a>", "<t>")


def make_model(folder: Path, characters: str, *, template: bool = True, length: int = 128) -> None:
    """Write config, safetensors and a tokenizer of these characters."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {name: number for number, name in enumerate([*SPECIAL, *sorted(set(characters))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=["<u>", "<a>", "<t>"],
    )
    wrapped.chat_template = TEMPLATE if template else None
    wrapped.save_pretrained(str(folder))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=length,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(str(folder))
