"""`engine="ray"`: a task for each shard, and one actor for each key and model, on a cluster or on
this computer.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport.platform import Platform
from .job_service import JobService
from .local_engine import MAX_LOST, OnResult
from .output_files import ShardError
from .worker import ShardResult, ShardTask, run_shard

NAMESPACE: Final = "qfnb"

CALL_TIMEOUT_S: Final = 2.0
"""Seconds for an answer of the actor: as long as a lease."""

START_TIMEOUT_S: Final = 60.0
"""The same for its first, which may wait for the actor's process."""

WAIT_S: Final = 0.5
"""Seconds between two looks at whether the job was stopped."""

SLOW_START_S: Final = 120
"""Seconds that Ray's own processes have to start: 15 by default, too few on a busy computer."""

OWN_CLUSTER: Final = "qfnb_own"
"""A resource that marks the cluster this module starts: there, tasks wait for no processor."""

_ANSWERED = frozenset({"open_job", "status"})
"""Calls whose answer is waited for; the others may be lost with the actor, and are made good by the
next status.
"""


class ServiceActor(JobService):
    """The service in an actor; Ray starts it again when its process dies."""

    def __init__(self, *, is_restarted: bool) -> None:
        import ray  # noqa: PLC0415 - only inside Ray

        context = ray.get_runtime_context()
        super().__init__(is_restarted=is_restarted or context.was_current_actor_reconstructed)


class RayEngine:
    """Runs shards as tasks on Ray core.

    Args:
        address: of a cluster; None for that of RAY_ADDRESS, or a new one on this computer.
        processes: tasks at once; None for one for each processor of the cluster.
        platform: who answers; one actor serves all jobs of its keys and the model.
        model: who answers there.
        is_restarted: whether workers of an earlier driver may still be sending.

    Attributes:
        processes: as above.

    Raises:
        InvalidArgumentError: Ray is not installed.
        ShardError: there is no such cluster.
    """

    def __init__(
        self,
        address: str | None,
        processes: int | None,
        platform: Platform,
        model: str,
        *,
        is_restarted: bool,
    ) -> None:
        self._ray = _connect(address)
        resources = self._ray.cluster_resources()
        self.processes = processes or max(1, int(resources.get("CPU", 1)))
        # each job names its own number
        self._processors_of_task = 0 if OWN_CLUSTER in resources else 1
        self._actor_name = _actor_name(platform, model)
        self._is_stopping = False
        actor = self._ray.remote(num_cpus=0, max_restarts=-1)(ServiceActor)
        self._actor = actor.options(
            name=self._actor_name, namespace=NAMESPACE, get_if_exists=True
        ).remote(is_restarted=is_restarted)

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Call a method of the service that the workers talk to.

        Raises:
            ConnectionError: it does not answer.
        """
        reference = getattr(self._actor, method).remote(*args, **options)
        if method not in _ANSWERED:
            return None
        return _get(
            self._ray, reference, START_TIMEOUT_S if method == "open_job" else CALL_TIMEOUT_S
        )

    def run(self, tasks: Sequence[ShardTask], on_result: OnResult) -> None:
        """Run shards until all have a result, or `stop` was called and the running ones have
        ended.
        """
        options = {
            "max_retries": 0,
            "scheduling_strategy": "SPREAD",
            "num_cpus": self._processors_of_task,
        }
        remote_run = self._ray.remote(**options)(_run_shard)
        queue = deque(tasks)
        lost = dict[str, int]()
        running: dict[Any, tuple[str, ShardTask]] = {}
        while running or (queue and not self._is_stopping):
            while queue and not self._is_stopping and len(running) < self.processes:
                attempt = secrets.token_hex(8)
                task = queue.popleft()
                running[remote_run.remote(task, attempt, self._actor_name)] = attempt, task
            ready, _ = self._ray.wait([*running], num_returns=1, timeout=WAIT_S)
            for reference in ready:
                attempt, task = running.pop(reference)
                result = self._take(reference)
                self.call("end_attempt", task.job, attempt, result and result.used)
                if result is not None and result.is_given_up and not self._is_stopping:
                    queue.appendleft(task)  # it did not reach the actor for a while
                    continue
                if result is None:
                    digest = task.shard.digest
                    lost[digest] = lost.get(digest, 0) + 1
                    if lost[digest] < MAX_LOST:
                        queue.appendleft(task)
                        continue
                    problem = tr("{n} processes died while they worked on it", n=MAX_LOST)
                    result = ShardResult(None, {}, problem)
                on_result(task, result)

    def stop(self) -> None:
        """Begin no further shard."""
        self._is_stopping = True

    def _take(self, reference: Any) -> ShardResult | None:
        """Return the result of a task, None where its process or its computer was lost."""
        try:
            result: ShardResult = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # an error of the task's own
            return ShardResult(None, {}, f"{type(error.cause).__name__}: {error.cause}")
        except self._ray.exceptions.RayError:
            return None
        return result


def _run_shard(task: ShardTask, attempt: str, actor_name: str) -> ShardResult:
    """Answer a shard in a task; the actor is looked up again after it was lost."""
    import ray  # noqa: PLC0415 - only inside Ray

    actor = ray.get_actor(actor_name, namespace=NAMESPACE)

    def exchange(report: dict[str, Any]) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = _get(ray, actor.exchange.remote(report), CALL_TIMEOUT_S)
        return answer

    return run_shard(task, attempt, exchange)


def _get(ray: Any, reference: Any, timeout_s: float) -> Any:
    try:
        return ray.get(reference, timeout=timeout_s)
    except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError) as error:
        raise ConnectionError(str(error).splitlines()[0]) from None


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
    cluster = address or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {
        "logging_level": "warning",
        "log_to_driver": False,
        "namespace": NAMESPACE,
    }
    try:
        if cluster and cluster != "local":
            ray.init(address=cluster, **quiet)
        else:
            ray.init(
                address="local",
                resources={OWN_CLUSTER: 1},
                include_dashboard=False,
                # Ray replaces 127.0.0.1 by an address that others reach
                _node_ip_address="127.0.0.2",
                _system_config={"agent_register_timeout_ms": SLOW_START_S * 1000},
                **quiet,
            )
    except Exception as error:  # noqa: BLE001 - Ray raises plain ones when a process of its does not start
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if cluster and os.environ.get("RAY_AUTH_MODE") != "token":
            reason += tr("; a cluster behind a token needs RAY_AUTH_MODE=token and its token here")
        raise ShardError(
            tr("Ray at {address}: {reason}", address=cluster or "local", reason=reason)
        ) from None
    return ray


def _actor_name(platform: Platform, model: str) -> str:
    """Return a name that is the same for everybody with these keys, and does not show them."""
    secret = "\n".join(platform.credentials).encode("utf-8", "replace")
    digest = hmac.new(
        secret, f"qfnb\n{platform.host}\n{model}".encode("utf-8", "replace"), "sha256"
    )
    return f"qfnb-{digest.hexdigest()[:32]}"
