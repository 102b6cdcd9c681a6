"""The launch form as a widget."""
