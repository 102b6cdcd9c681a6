"""Asks the platform, with the smallest requests, whether it is as qfnb assumes: README.md."""
