"""Charts of evaluation reports."""
