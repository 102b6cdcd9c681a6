"""A world with two models that can be deployed, and a clock that stands still until it is moved."""

import contextlib
import functools
import time

from qfnb import ChatCompletion
from qfnb.resources import Service
from qianfan_sandbox.engines.builtin.training import Hyperparameters, train
from support.raw_http import open_client
from support.sandbox_thread import point_at, run_world

QUESTION = "几点开门"
ANSWERS = {"old": "早上九点开门。", "new": "早上八点开门。"}
V2 = Service.V2


class ServiceSandbox:
    """A served world with the versions amv-old and amv-new of the models am-old and am-new."""

    def __init__(self, world):
        self.world = world
        world.clock.set(speed=0)
        for name in ANSWERS:
            if world.store.get("version", f"amv-{name}") is None:
                publish_model(world.store, name)
        self.connect()

    def connect(self):
        """Point the settings here; every test begins without any."""
        point_at(self.world.address)

    def pass_time(self, seconds=10):
        self.world.clock.set(advance=seconds)

    def deploy(self, name, **options):
        """Deploy the old version; return the service's id."""
        return V2.create_service("am-old", "amv-old", name, "shop", **options).data.service_id

    def serve(self, name, **options):
        """Deploy the old version and let the time go on until it serves; return its description."""
        service_id = self.deploy(name, **options)
        self.pass_time()
        return V2.service_detail(service_id).data

    def unready(self, name):
        """Publish a version that is not ready yet."""
        fields = {"model": "am-old", "task": "task-old", "version": "2"}
        return self.world.store.add("version", name, plan=[["Creating", None]], **fields)["id"]

    def http(self):
        """Return a client that has the API key."""
        headers = {"authorization": f"Bearer {self.world.address.api_key}"}
        return open_client(self.world.address.url, headers=headers)


@contextlib.contextmanager
def run_service_sandbox(folder):
    with run_world(folder, time.monotonic) as world:
        yield ServiceSandbox(world)


def ask_service(endpoint, *, version=None):
    say = [{"role": "user", "content": QUESTION}]
    return ChatCompletion(endpoint=endpoint, version=version).do(messages=say).text


def publish_model(store, name):
    store.write_file(f"task-{name}.npz", trained_weights(name))
    store.add("model", f"am-{name}", name=name, source="UserCreate", type="Text2Text")
    fields = {"task": f"task-{name}", "version": "1", "source": "Train", "plan": [["Ready", None]]}
    store.add("version", f"amv-{name}", model=f"am-{name}", **fields)


@functools.cache
def trained_weights(name):
    pairs = [(QUESTION, ANSWERS[name]), ("在哪里", "在河边。")]
    return train(pairs, hyperparameters=Hyperparameters(epochs=5), remember_all=True).save()
