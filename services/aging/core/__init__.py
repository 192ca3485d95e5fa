"""The one true backlog, as pure functions of marks and time.

- `mark`: an observation as a timeline keeps it, with its identity and order. `mark_of`, `order_of`.
- `ticket`: the fold of a timeline. `derive(marks, ...)`, `extend(ticket, mark, ...)`, `decode_ticket`.
- `timeline`: `as_of(marks, at_us)`, what a ticket truly was at an instant.
- `stock`: the open tickets, packed. `Stock.look`, `put`, `pack`.
- `age`: edges, and when a ticket crosses them. `facts`, `flows`, `cells`, `timers`, `merges`.
- `lateness`: which tickets of a batch take all their marks. `late_tickets`.
- `backlog`: all of it for one partition, moved batch by batch: `Backlog`.
- `picture`: ticket states, cells and flows as the contracts have them.

Driving a `Backlog` (the worker does, and so does a backtest in virtual time):

    unknown = backlog.unknown(items)                 # load their `Stored`
    loaded = Loaded(tickets=...)
    late = backlog.late(items, loaded)               # load their marks and registers
    outcome = backlog.fold(items, loaded, late, until_us=..., imports=False)
    backlog.timers.next_us()                         # when time next brings something about
    backlog.cells.unpublished                        # which cells changed; picture.cell_of(book, key, stamp)
"""
