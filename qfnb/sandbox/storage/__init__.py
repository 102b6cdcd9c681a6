"""Object storage and uploaded files."""
