"""E-mail as a channel: what a mail, byte for byte, shows of a ticket. No parser of Python's is trusted with it."""
