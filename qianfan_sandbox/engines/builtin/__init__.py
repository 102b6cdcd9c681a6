"""The built-in engine: a small numpy model that learns from the user's data."""
