"""List prices of replies."""

from .catalog import find_model


def reply_cost(name: str, prompt_tokens: int | None, completion_tokens: int | None) -> float | None:
    """Return the list price of a reply in CNY.

    Args:
        name: any name of a chat model.
        prompt_tokens: of the question.
        completion_tokens: of the reply; None counts as 0.

    Returns:
        None where the price or `prompt_tokens` is unknown.
    """
    row = find_model("chat", name)
    if row is None or row.input_price is None or row.output_price is None or prompt_tokens is None:
        return None
    return (prompt_tokens * row.input_price + (completion_tokens or 0) * row.output_price) / 1000
