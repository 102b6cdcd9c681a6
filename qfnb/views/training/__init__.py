"""Training panels and loss charts."""
