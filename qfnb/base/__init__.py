"""What the toolkit and the sandbox both stand on: languages, texts, private files."""
