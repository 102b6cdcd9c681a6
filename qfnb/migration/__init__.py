"""Code written for the official SDK, read and rewritten for qfnb: `qfnb migrate`.

Only the standard library's `ast` is needed: spans of the text are replaced, so comments and
formatting stay.
"""
