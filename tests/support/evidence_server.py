"""The sandbox's server with evidence collected around it: `make fidelity` starts it in place of the product's."""

from qfnb.sandbox import app, server
from support.evidence import with_evidence

if __name__ == "__main__":
    build_app = app.build_app
    app.build_app = lambda world: with_evidence(build_app(world))
    server.run()
