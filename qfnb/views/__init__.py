"""DRAWING VALUES: every state is a value, and text, HTML and widgets are functions of it."""
