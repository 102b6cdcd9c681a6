"""The sandbox's server with evidence collected around it: `make fidelity` starts it instead of the
product's.
"""

from qianfan_sandbox import app, server
from support.evidence import build_app_with_evidence

if __name__ == "__main__":
    app.build_app = build_app_with_evidence
    server.run()
