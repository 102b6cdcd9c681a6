"""Prompt templates, prompt optimization and system memories."""
