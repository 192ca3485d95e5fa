"""The stock against a dict of tickets: packed or not, it gives what was put."""

from __future__ import annotations

from copy import copy

from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.stock import Stock, TicketId
from services.aging.core.ticket import Ticket, decode_ticket, encode_ticket

IDS: list[TicketId] = [("acme", f"desk:{number}") for number in range(3)]
STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(IDS), st.sampled_from(["new", "waiting", "solved"])),
    st.tuples(st.just("store"), st.sampled_from(IDS), st.just("new")),
    st.tuples(st.sampled_from(["pack", "look", "disarm"]), st.sampled_from(IDS), st.just("")),
)


@given(st.lists(STEPS, max_size=30))
def test_a_stock_gives_what_was_put_and_tells_what_it_was_when_packed_last(
    steps: list[tuple[str, TicketId, str]],
) -> None:
    stock, model, dues = Stock(), dict[TicketId, Ticket](), dict[TicketId, int | None]()
    packed = dict[TicketId, Ticket]()
    touched = set[TicketId]()
    for number, (step, id_, status) in enumerate(steps):
        ticket = Ticket("desk", number, status=status)
        if step == "put" or (step == "store" and id_ not in touched):
            if step == "put":
                touched.add(id_)
                stock.put(id_, ticket, due_us=number)
            else:
                stock.store(id_, encode_ticket(ticket), due_us=number)
                packed[id_] = ticket
            model[id_], dues[id_] = ticket, number
            if not ticket.open:
                del model[id_], dues[id_]
        elif step == "look":
            assert model.get(id_) == stock.look(id_)
        elif step == "disarm" and id_ in model:
            stock.disarm(id_)
            dues[id_] = None
        elif step == "pack":
            assert {one: (packed.get(one), model.get(one)) for one in touched} == {
                moved.id: (moved.was, moved.now) for moved in stock.pack()
            }
            packed, touched = dict(model), set()
            assert model == {one: decode_ticket(stock.body(one)) for one in stock}
        assert model == dict(stock.items())
        assert (len(model), dues) == (len(stock), {one: stock.due_us(one) for one in stock})
        assert [one in model for one in IDS] == [one in stock for one in IDS]


def test_what_is_put_again_keeps_the_one_id_that_all_share() -> None:
    stock = Stock()
    first = stock.put(("acme", "desk:1"), Ticket("desk", 0), due_us=None)
    again = ("acme", f"desk:{len(stock)}")
    assert first == again
    assert first is stock.put(again, Ticket("desk", 1), due_us=None)
    assert first is next(iter(stock))


def test_a_ticket_looked_at_twice_is_unpacked_once() -> None:
    stock = Stock()
    stock.store(IDS[0], encode_ticket(Ticket("desk", 0)), due_us=None)
    assert stock.look(IDS[0]) is stock.look(IDS[0])
    moved = copy(stock[IDS[0]])
    stock.put(IDS[0], moved, due_us=None)
    assert moved is stock.look(IDS[0])
    assert stock.look(IDS[1]) is None
