"""A plain request to any row of the endpoint table, with the credentials of its plane."""

import re

from support.raw_http import signed_headers


def send_example(address, http, row, body=None, **headers):
    """Return the answer to a request that passes authentication, and by default is wrong
    otherwise.
    """
    path = re.sub(r"{\w+}", "x", row.path)
    query = {"Action": row.action} if row.action else {}
    proof = {"authorization": f"Bearer {address.api_key}"}
    if row.plane != "v2":
        proof = signed_headers(address, row.method, path, **query)
    content = {"json": body or {}} if row.method == "POST" else {}
    return http.request(row.method, path, params=query, headers={**proof, **headers}, **content)
