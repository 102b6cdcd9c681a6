"""Workers that share one `SlotLimiter`, in virtual time: what a server sees of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from qfnb.batching.shards.leased_limiter import EXCHANGE_S, LeasedRateLimiter
from qfnb.batching.shards.slot_limiter import SlotLimiter
from qfnb.transport import clock
from support.rate_simulation import Server, call
from support.virtual_time import run_virtually

DELAY_S = 0.01
"""Seconds of an exchange between two machines."""


@dataclass
class Cluster:
    """Some workers and their limiter, which may be replaced while they work.

    Attributes:
        server: what they send to.
        limiter: None while it is dead.
        answered: times of the answers.
    """

    server: Server
    limiter: SlotLimiter | None
    answered: list[float] = field(default_factory=list)

    async def exchange(self, worker: LeasedRateLimiter) -> None:
        """Report once, and take the lease, as `LeaseThread` does."""
        report = worker.take_report()
        await asyncio.sleep(DELAY_S / 2)
        if self.limiter is None:
            worker.fall_back()
            return
        self.limiter.adopt(report)
        self.limiter.count(report)
        is_current = report["generation"] == self.limiter.generation
        lease = self.limiter.grant(
            report["worker"],
            wanted=report["wanted"],
            held=report["held"] if is_current else 0,
            in_flight=report["in_flight"],
        )
        await asyncio.sleep(DELAY_S / 2)
        worker.apply(lease, DELAY_S / 2)

    async def keep_exchanging(self, worker: LeasedRateLimiter) -> None:
        """Report every quarter of a second, and when the worker asks for it."""
        while True:
            for _ in range(round(EXCHANGE_S / 0.01)):
                await asyncio.sleep(0.01)
                if worker.wake.is_set():
                    break
            worker.wake.clear()
            await self.exchange(worker)

    async def send(self, worker: LeasedRateLimiter, until_s: float, rows_in_flight: int) -> None:
        """Send for some seconds, as many at once as a batch does."""

        async def work() -> None:
            while clock.now() < until_s:
                if await call(worker, self.server):
                    self.answered.append(clock.now())
                else:
                    await asyncio.sleep(self.server.rng.random())

        tasks = [asyncio.create_task(work()) for _ in range(rows_in_flight)]
        await asyncio.sleep(max(until_s - clock.now(), 0))
        for task in tasks:
            task.cancel()


def simulate(
    server: Server,
    *,
    seconds: float,
    workers: int = 2,
    rows_in_flight: int = 16,
    rpm: float | None = None,
    tpm: float | None = None,
    events: Iterable[tuple[float, Callable[[Cluster], Any]]] = (),
) -> Cluster:
    """Return what happened while workers sent for some seconds; events change the cluster
    meanwhile.
    """

    async def run() -> Cluster:
        cluster = Cluster(server, SlotLimiter(random_=random.Random(0).random))
        assert cluster.limiter is not None
        cluster.limiter.set_limits(rpm, tpm)
        limiters = [LeasedRateLimiter() for _ in range(workers)]
        exchanging = [asyncio.create_task(cluster.keep_exchanging(limiter)) for limiter in limiters]
        sending = [
            asyncio.create_task(cluster.send(limiter, seconds, rows_in_flight))
            for limiter in limiters
        ]
        for at, act in events:
            await asyncio.sleep(at - clock.now())
            act(cluster)
        await asyncio.gather(*sending)
        for task in exchanging:
            task.cancel()
        return cluster

    result: Cluster = run_virtually(run())
    return result


def busiest_minute(times: Iterable[float]) -> int:
    """Return the most of these times that any minute has."""
    ordered = sorted(times)
    start = most = 0
    for end, time in enumerate(ordered):
        while ordered[start] <= time - 60:
            start += 1
        most = max(most, end - start + 1)
    return most
