"""MAGICS: parse the line, call the library, return something that shows itself.

Nothing is imported here: the command line uses some of its modules, and starts without IPython.
"""
