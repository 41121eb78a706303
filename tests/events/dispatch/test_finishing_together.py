"""A side-effect handler that finishes the deliveries of an iteration together."""

from collections.abc import Sequence

from app.events.registry import SideEffectHandler
from app.events.types import Envelope, OrderPlaced
from tests.events.conftest import Shop


def test_the_mails_of_one_iteration_are_finished_together(shop: Shop) -> None:
    """Each is done once, in the order in which the events came."""
    finished: list[Sequence[str]] = []

    def compose(event: Envelope) -> str:
        return event.id

    handler = SideEffectHandler("notification", compose, finish=finished.append)
    shop.registry.connect(handler, OrderPlaced)
    events = [shop.emit(f"order-{n}") for n in range(3)]
    shop.deliver_all()
    assert finished == [events]
    assert {shop.state(event, "notification") for event in events} == {"done"}


def test_a_mail_is_not_done_before_it_is_finished(shop: Shop) -> None:
    """A folder that is full at first gets it at a later attempt."""
    errors = [OSError("full"), OSError("full")]

    def finish(_mails: Sequence[object]) -> None:
        if errors:
            raise errors.pop()

    handler = SideEffectHandler("notification", lambda event: event.id, finish=finish)
    shop.registry.connect(handler, OrderPlaced)
    event_id = shop.emit()
    shop.deliver_all()
    delivery = shop.delivery(event_id, "notification")
    assert (delivery["state"], delivery["attempts"]) == ("done", 2)
