"""Three Kafka nodes that replicate, and ways to them that can be disturbed.

Every node is broker and controller, every topic has three replicas of which two must be in sync, as in
production: one node may be killed at any time, and what was acknowledged is still on two. A client that
bootstraps by `bootstrap` talks to the nodes; one that goes by a named way talks through a proxy for each node,
since a broker tells its clients the addresses of the listener they came by.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Final, Self

from aiokafka.admin import AIOKafkaAdminClient

from tests.servers.child import free_port
from tests.servers.kafka import KafkaServer
from tests.servers.proxy import Proxy, ProxyGroup

NODES: Final = 3
IN_SYNC_MIN: Final = 2
HEAP: Final = "256m"
_SESSION_MS: Final = 4_000
"""A node that died is given up after this (9 s by default); a machine of two cores stalls for shorter."""
_REPLICATION: Final = {
    "default.replication.factor": str(NODES),
    "min.insync.replicas": str(IN_SYNC_MIN),
    "offsets.topic.replication.factor": str(NODES),
    "transaction.state.log.replication.factor": str(NODES),
    "transaction.state.log.min.isr": str(IN_SYNC_MIN),
    "share.coordinator.state.topic.replication.factor": str(NODES),
    "share.coordinator.state.topic.min.isr": str(IN_SYNC_MIN),
    "broker.session.timeout.ms": str(_SESSION_MS),
    "unclean.leader.election.enable": "false",
    "replica.fetch.wait.max.ms": "100",
    "controller.quorum.bootstrap.servers": "",
}


class KafkaCluster:
    """Three nodes. Data survive the death of any of them; `close` removes all."""

    def __init__(self, *ways: str) -> None:
        """Prepare the nodes, with proxies before them for each of `ways`. Raises Unavailable."""
        self.nodes = {number: KafkaServer(heap=HEAP) for number in range(1, NODES + 1)}
        self._stack = ExitStack()
        for node in self.nodes.values():
            self._stack.callback(node.close)
        self.ways = {name: ProxyGroup() for name in ways}

    @property
    def bootstrap(self) -> str:
        """The nodes' addresses, host:port,host:port,host:port."""
        return ",".join(node.bootstrap for node in self.nodes.values())

    @property
    def bus_url(self) -> str:
        """The nodes as BAROMETER_BUS takes them."""
        return f"kafka://{self.bootstrap}"

    def by_way_of(self, name: str) -> str:
        """Return the nodes as BAROMETER_BUS takes them, by the proxies of way `name`."""
        return f"kafka://{','.join(proxy.address for proxy in self.ways[name].proxies)}"

    def start(self) -> Self:
        """Start all nodes and return once each answers. Raises StartFailed."""
        voters = ",".join(f"{number}@{node.controller}" for number, node in self.nodes.items())
        for number, node in self.nodes.items():
            listeners = {"PLAINTEXT": node.bootstrap}
            advertised = dict(listeners)
            for name, way in self.ways.items():
                target = free_port()
                proxy = self._stack.enter_context(Proxy(target))
                way.proxies.append(proxy)
                listeners[name.upper()] = f"127.0.0.1:{target}"
                advertised[name.upper()] = proxy.address
            listeners["CONTROLLER"] = node.controller
            node.configure(
                {
                    **_REPLICATION,
                    "node.id": str(number),
                    "controller.quorum.voters": voters,
                    "listeners": _listed(listeners),
                    "advertised.listeners": _listed(advertised),
                    "inter.broker.listener.name": "PLAINTEXT",
                    "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
                }
            )
        for node in self.nodes.values():
            node.begin()
        for node in self.nodes.values():
            node.wait_ready()
        return self

    def leader(self, topic: str, partition: int) -> int:
        """Return the number of the node that leads `partition`."""
        return asyncio.run(self._leader(topic, partition))

    def close(self) -> None:
        """End all nodes and remove their data."""
        self._stack.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def _leader(self, topic: str, partition: int) -> int:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            [found] = await admin.describe_topics([topic])
        finally:
            await admin.close()
        leaders = {one["partition"]: one["leader"] for one in found["partitions"]}
        leader: int = leaders[partition]
        return leader


def _listed(addresses: dict[str, str]) -> str:
    return ",".join(f"{name}://{address}" for name, address in addresses.items())
