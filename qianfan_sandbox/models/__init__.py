"""The model repository: models, versions, presets and compressions."""
