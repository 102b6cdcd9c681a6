"""A batch's input: sources, read ahead of the workers, queued row by row."""
