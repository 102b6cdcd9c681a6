"""Files at URLs that the platform returned come from the public Internet, at the address that was
checked.
"""

import socket

import pytest

from qfnb import config, errors
from qfnb.transport import event_loop, file_transfer
from qfnb.transport.connections import is_public_address

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "100.100.100.200", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255",
    "::1", "::", "::127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1",
    "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::8.8.8.8", "64:ff9b:1:7f00:1::",
    "2002:7f00:1::", "2002:a00:1::1", "2001:0:a00:1::", "2001:db8::1", "127.1", "2130706433", "example.com", "",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "180.76.76.76", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2400:da00::6666"]


def fetch(url):
    return event_loop.run(file_transfer.download_image(url, config.settings(), trusted_host=""))


@pytest.mark.fault("F93")
@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_and_tunnels_to_them_are_not_public(address):
    assert not is_public_address(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address):
    assert is_public_address(address)


@pytest.mark.fault("F93")
@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.1", "[64:ff9b::127.0.0.1]", "[::ffff:10.0.0.1]", "0"]
)
def test_no_spelling_of_a_private_address_is_fetched_from(host):
    with pytest.raises(errors.UnexpectedContent, match="private network"):
        fetch(f"https://{host}/a.png")


@pytest.fixture
def names(monkeypatch):
    """Answers of the name server by turn, and the addresses that connections were tried to."""
    answers = []
    lookups = []
    tried = []

    def look_up(host, port, *args, **kwargs):
        lookups.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in answers.pop(0)
        ]

    async def refuse(addr_infos, **_):
        tried.extend(row[4][0] for row in addr_infos)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", refuse)
    return answers, lookups, tried


@pytest.mark.fault("F93")
def test_the_connection_goes_to_the_address_that_was_checked(names):
    answers, lookups, tried = names
    answers += [["8.8.8.8"], ["127.0.0.1"]]
    with pytest.raises(errors.ConnectionFailed):
        fetch("https://rebinding.example/a.png")
    assert (lookups, tried) == (["rebinding.example"], ["8.8.8.8"])


@pytest.mark.fault("F93")
def test_a_name_with_one_private_address_is_not_connected_to(names):
    answers, _, tried = names
    answers += [["8.8.8.8", "10.0.0.1"]]
    with pytest.raises(errors.UnexpectedContent, match="private network"):
        fetch("https://mixed.example/a.png")
    assert tried == []


@pytest.mark.parametrize(
    ("address", "outcome"), [("10.0.0.1", "private network"), ("8.8.8.8", "cannot be fetched")]
)
def test_behind_a_proxy_the_name_is_checked_before_the_proxy_is_asked(
    names, monkeypatch, address, outcome
):
    answers, _, tried = names
    monkeypatch.setenv("QIANFAN_PROXY", "http://127.0.0.1:9")
    answers += [[address]]
    with pytest.raises(errors.QianfanError, match=outcome):
        fetch("https://behind.example/a.png")
    assert tried == (["127.0.0.1"] if address == "8.8.8.8" else [])
