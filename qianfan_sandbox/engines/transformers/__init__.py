"""An engine that tunes a transformers model from a local folder."""
