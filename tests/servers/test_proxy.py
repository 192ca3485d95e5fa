"""The proxy does to a connection what its name says, and nothing else."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from tests.servers.proxy import Held, Proxy

SHORT_S = 0.3
LONG_S = 10.0


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while line := self.rfile.readline():
            self.server.heard.append(line)  # type: ignore[attr-defined]
            self.wfile.write(line)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    heard: list[bytes]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Echo) as server:
        server.heard = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.server_address[1]) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG_S) as client:
        client.sendall(b"hello\n")
        assert b"hello\n" == client.recv(100)
        yield client


def silent(client: socket.socket) -> bool:
    """Tell whether nothing comes for a while, not even an end."""
    client.settimeout(SHORT_S)
    try:
        client.recv(100)
    except TimeoutError:
        return True
    finally:
        client.settimeout(LONG_S)
    return False


def ended(client: socket.socket) -> bool:
    """Tell whether the connection is at its end."""
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True


def test_what_hangs_both_ways_reaches_nobody_until_it_is_healed(
    server: Server, proxy: Proxy, client: socket.socket
) -> None:
    proxy.hold(Held.BOTH)
    client.sendall(b"held\n")
    assert silent(client)
    assert [b"hello\n"] == server.heard
    proxy.heal()
    assert b"held\n" == client.recv(100)


def test_where_answers_are_held_requests_have_their_effect(
    server: Server, proxy: Proxy, client: socket.socket
) -> None:
    proxy.hold(Held.ANSWERS)
    client.sendall(b"effect\n")
    assert silent(client)
    assert [b"hello\n", b"effect\n"] == server.heard
    proxy.heal(reset=True)
    assert ended(client)


def test_a_new_connection_is_accepted_while_it_hangs(proxy: Proxy) -> None:
    proxy.hold(Held.BOTH)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG_S) as late:
        late.sendall(b"late\n")
        assert silent(late)
        proxy.heal()
        assert b"late\n" == late.recv(100)


def test_a_cut_ends_connections_and_refuses_new_ones(proxy: Proxy, client: socket.socket) -> None:
    proxy.cut()
    assert ended(client)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG_S) as late:
        assert ended(late)
    proxy.heal()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG_S) as later:
        later.sendall(b"again\n")
        assert b"again\n" == later.recv(100)
