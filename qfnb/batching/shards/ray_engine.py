"""`engine="ray"`: a task for each shard, and one actor for each key and model, on a cluster or on
this computer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport import shared_rate_limiter
from .output import ShardError
from .sharded_batch import Board, ShardedBatch
from .worker import ShardResult, ShardTask, run_shard

NAMESPACE: Final = "qfnb"

CALL_TIMEOUT_S: Final = 2.0
"""Seconds for an answer of the actor."""

MAX_CHANGE_S: Final = 1.0
"""Seconds after which a worker that changes the limits counts as lost."""

RETRY_S: Final = 0.5
"""Seconds between two looks: for an actor that was lost, and at whether the job was stopped."""

SLOW_START_S: Final = 120
"""Seconds that Ray's own processes have to start: 15 by default, too few on a busy computer."""

OWN_CLUSTER: Final = "qfnb_own"
"""A resource that marks the cluster this module starts: there, tasks wait for no processor."""


class ServiceActor(Board):
    """What all workers of a key and a model share: the state of its rate limiter, and the boards
    of their jobs.

    Ray starts it again when its process dies; the workers then tell it what they know of the
    limits.
    """

    def __init__(self) -> None:
        super().__init__()
        self._limits: dict[str, Any] = {}
        self._mutex = asyncio.Lock()
        self._change = 0

    async def take(self) -> tuple[int, dict[str, Any]]:
        """Return the state, and the number of a change that nobody else makes meanwhile."""
        with contextlib.suppress(TimeoutError):  # who had it was lost
            await asyncio.wait_for(self._mutex.acquire(), MAX_CHANGE_S)
        self._change += 1
        return self._change, self._limits

    async def put(self, change: int, limits: dict[str, Any]) -> None:
        """Store what a change came to."""
        if change == self._change and self._mutex.locked():
            self._limits = limits
            self._mutex.release()


class _Service:
    """The actor as a worker or a driver reaches it, and the state of its rate limiter as
    `RateLimiter` has it.
    """

    is_usable = True

    def __init__(self, name: str) -> None:
        import ray  # noqa: PLC0415 - only with this engine

        self._ray = ray
        self._name = name
        self._actor: Any = None
        self._retry_at = 0.0

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the actor; None where it does not answer."""
        if time.monotonic() < self._retry_at:
            return None
        try:
            if self._actor is None:
                actor = self._ray.remote(num_cpus=0, max_restarts=-1)(ServiceActor)
                self._actor = actor.options(
                    name=self._name, namespace=NAMESPACE, get_if_exists=True
                ).remote()
            return self._ray.get(
                getattr(self._actor, method).remote(*arguments), timeout=CALL_TIMEOUT_S
            )
        except (self._ray.exceptions.RayError, ValueError):  # it was lost, or is just starting
            self._actor = None
            self._retry_at = time.monotonic() + RETRY_S
            return None

    @contextlib.contextmanager
    def change(self) -> Iterator[dict[str, Any] | None]:
        """Yield the state of the limiter, which is stored at the end; None if the actor does not
        answer.
        """
        answer = self.ask("take")
        if answer is None:
            yield None
            return
        number, limits = answer
        yield limits
        if self._actor is not None:
            self._actor.put.remote(number, limits)


class RayEngine:
    """Runs shards as tasks on Ray core.

    Args:
        address: of a cluster; None for that of RAY_ADDRESS, or a new one on this computer.
        processes: tasks at once; None for one for each processor of the cluster.
        name: of the actor: all jobs with these keys and the model share it.

    Attributes:
        processes: as above.

    Raises:
        InvalidArgumentError: Ray is not installed.
        ShardError: there is no such cluster.
    """

    def __init__(self, address: str | None, processes: int | None, name: str) -> None:
        self._ray = _connect(address)
        resources = self._ray.cluster_resources()
        self.processes = processes or max(1, int(resources.get("CPU", 1)))
        # each job names its own number
        if OWN_CLUSTER in resources:
            self._processors_of_task = 0
        else:
            self._processors_of_task = 1
        self._name = f"qfnb-{name}"
        self._service = _Service(self._name)

    def look(self, job: str, order: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """Tell a job's workers what to do; return the counts of its shards."""
        return self._service.ask("look", job, order) or {}

    def run(self, queue: ShardedBatch) -> None:
        """Run shards until the queue has none, and the running ones have ended."""
        options = {
            "max_retries": 0,
            "scheduling_strategy": "SPREAD",
            "num_cpus": self._processors_of_task,
        }
        remote_run = self._ray.remote(**options)(_run_shard)
        running: dict[Any, ShardTask] = {}
        while True:
            while len(running) < self.processes and (task := queue.next_task()) is not None:
                running[remote_run.remote(task, self._name)] = task
            if not running:
                return
            ready, _ = self._ray.wait([*running], num_returns=1, timeout=RETRY_S)
            for reference in ready:
                task = running.pop(reference)
                queue.take_result(task, self._result(reference))

    def _result(self, reference: Any) -> ShardResult | None:
        """Return the result of a task, None where its process or its computer was lost."""
        try:
            result: ShardResult = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # an error of the task's own
            return ShardResult(problem=f"{type(error.cause).__name__}: {error.cause}")
        except self._ray.exceptions.RayError:
            return None
        return result


def _run_shard(task: ShardTask, name: str) -> ShardResult:
    """Answer a shard in a task, whose process shares its limits through the actor."""
    service = _Service(name)
    shared_rate_limiter.open_file = lambda _: service
    return run_shard(task, lambda *report: service.ask("tell", *report) or {})


def _connect(address: str | None) -> Any:
    """Return Ray, connected: to a cluster, or to a new one that only this computer reaches."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_raylet_start_wait_time_s", str(SLOW_START_S))
    try:
        import ray  # noqa: PLC0415 - 200 MB that only this engine needs
    except ImportError:
        raise InvalidArgumentError(tr("engine='ray' needs Ray: pip install 'qfnb[ray]'")) from None
    if ray.is_initialized():
        return ray
    cluster = address or os.environ.get("RAY_ADDRESS") or "local"
    start = partial(
        ray.init, logging_level=logging.WARNING, log_to_driver=False, namespace=NAMESPACE
    )
    try:
        if cluster != "local":
            start(address=cluster)
        else:
            start(
                address="local",
                resources={OWN_CLUSTER: 1},
                include_dashboard=False,
                # Ray replaces 127.0.0.1 by an address that others reach
                _node_ip_address="127.0.0.2",
                _system_config={"agent_register_timeout_ms": SLOW_START_S * 1000},
            )
    except Exception as error:  # noqa: BLE001 - plain where a process of Ray does not start
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if cluster != "local" and os.environ.get("RAY_AUTH_MODE") != "token":
            reason += tr("; a cluster behind a token needs RAY_AUTH_MODE=token and its token here")
        raise ShardError(tr("Ray at {address}: {reason}", address=cluster, reason=reason)) from None
    return ray
