"""Runs as a process of the SDK starts, and mends its rate limiter, which loses a wake-up and then
waits for ever.

The SDK 0.4.12.3 puts a request for a token into its worker's queue and waits for the condition
afterwards: a worker that is quicker than that notifies nobody. Here the condition is held before.
The limiter works from the first answer on that names a limit, as the sandbox's do.
"""

import importlib.abc
import importlib.util
import sys
import threading

LIMITER = "qianfan.resources.rate_limiter.rate_limiter"


class LimiterFinder(importlib.abc.MetaPathFinder):
    """Finds the limiter's module as others do, and replaces one function of it once it is
    loaded.
    """

    def find_spec(self, fullname, path, target=None):
        if fullname != LIMITER:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            mend(module._RateLimiter)

        spec.loader.exec_module = exec_module
        return spec


def mend(limiter):
    """Replace the function that waits for a token."""

    def acquire(self, amount=1):
        condition = threading.Condition()
        with condition:
            self._condition_queue.put(limiter._AcquireTask(condition, amount))
            condition.wait()

    limiter._SyncLimiter.acquire = acquire


sys.meta_path.insert(0, LimiterFinder())
