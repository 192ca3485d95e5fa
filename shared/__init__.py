"""What the three services share: contracts, codec, clock, bus, SQL, runtime. Imports no service."""
