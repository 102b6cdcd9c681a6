"""The launch form as a value: choices, data, estimate, code, saved drafts."""
