"""`qfnb probe`: asks the platform, with the smallest requests, whether it is as this library
assumes.

Nothing here runs by itself. A check (`checks`) is a generator: it yields requests, receives
exchanges, and returns findings; `run` sends, `costs` says beforehand what that can cost, `sharing`
removes secrets and texts, `report` writes.
"""
