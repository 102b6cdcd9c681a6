"""Calls of the management plane: fine-tuning, models, services, datasets, prompts."""
