"""Faults on the real thing: processes, brokers, databases, networks, disks, topics and clocks that fail.

What a fault cost is counted by strangers: what a sender saw acknowledged, rows asked for in SQL, records read from
Kafka by a plain consumer, messages that a receiver wrote down. Nothing of ours is asked how it is.

    python -m tests.faults --rounds 100      kill -9 under load, a hundred times (about a quarter of an hour)
"""
