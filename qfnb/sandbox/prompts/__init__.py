"""Prompt templates, prompt optimization, memories."""
