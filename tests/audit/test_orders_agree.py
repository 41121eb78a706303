"""Stock, invoices and orders: a check finds what does not follow, and the repair puts it right."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.billing.documents import INVOICES
from app.inventory.documents import PRODUCTS, RESERVATIONS
from app.kernel.money import Currency
from app.orders.service import OrderPolicy, place_order
from app.server.runtime import Runtime
from tests.audit.conftest import Edit, Settled, audit, differences, repaired
from tests.over_http import place
from tests.transactions import transaction


def test_a_shop_at_work_agrees_with_itself(
    runtime: Runtime, client: FlaskClient, catalogue: dict[str, str], settled: Settled
) -> None:
    """Orders placed, changed, waiting, cancelled, deleted and failed."""
    for _ in range(5):
        place(client, tea=2, mug=1)
    place(client, pot=3)
    client.patch("/order/1001", json={"items": [{"product": "tea", "quantity": 1}]})
    client.post("/order/1002/cancel")
    client.delete("/order/1003")
    settled()
    report = audit(runtime)
    assert report.differences == []
    assert (report.orders, report.products) == (5, 4)
    assert not report.in_progress


def test_orders_in_progress_are_no_difference(
    runtime: Runtime, client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """Nothing is reserved or invoiced yet, and no difference is reported."""
    client.get("/product")
    runtime.close()
    with transaction(runtime.store) as tx:
        order = place_order(
            tx,
            OrderPolicy(Currency("EUR")),
            {"customer_name": "Ada", "items": [{"product": "tea", "quantity": 1}]},
        )
    report = audit(runtime)
    assert report.differences == []
    assert report.in_progress == {order["order_id"]}


class TestStock:
    """Products agree with their reservations."""

    def test_a_wrong_number_reserved(
        self, runtime: Runtime, edit: Edit, order: dict[str, Any]
    ) -> None:
        """Each product is counted from the reservations, and repaired from them."""
        edit(PRODUCTS.name, "tea", reserved=7, available=93)
        assert differences(runtime) == [
            "reserved of product tea: expected 2, found 7",
            "available of product tea: expected 98, found 93",
        ]
        assert repaired(runtime) == []

    def test_a_reservation_of_other_goods(
        self, runtime: Runtime, edit: Edit, order: dict[str, Any], settled: Settled
    ) -> None:
        """It is compared with the order, and made anew."""
        edit(RESERVATIONS.name, order["order_id"], lines=[{"product": "tea", "quantity": 9}])
        assert (
            "reservation of order 1001: expected 1 of mug, 2 of tea, found 9 of tea"
            in differences(runtime)
        )
        repaired(runtime)
        settled()
        assert differences(runtime) == []

    def test_a_reservation_that_is_gone(
        self, runtime: Runtime, order: dict[str, Any], settled: Settled
    ) -> None:
        with transaction(runtime.store) as tx:
            tx.delete(RESERVATIONS.name, order["order_id"])
        assert set(differences(runtime)) == {
            "reservation of order 1001: expected 1 of mug, 2 of tea, found nothing",
            "reserved of product tea: expected 0, found 2",
            "available of product tea: expected 100, found 98",
            "reserved of product mug: expected 0, found 1",
            "available of product mug: expected 10, found 9",
        }
        repaired(runtime)
        settled()
        assert differences(runtime) == []

    def test_a_reservation_of_an_unknown_product(
        self, runtime: Runtime, edit: Edit, order: dict[str, Any], settled: Settled
    ) -> None:
        """A product that does not exist cannot be reserved."""
        edit(
            RESERVATIONS.name,
            order["order_id"],
            lines=[{"product": "tea", "quantity": 2}, {"product": "gong", "quantity": 1}],
        )
        assert differences(runtime)[0] == (
            "reservation of order 1001: expected 1 of mug, 2 of tea, found 1 of gong, 2 of tea"
        )
        repaired(runtime)
        settled()
        assert differences(runtime) == []

    def test_a_reservation_without_its_order(
        self, runtime: Runtime, client: FlaskClient, order: dict[str, Any], settled: Settled
    ) -> None:
        client.delete("/order/1001")
        settled()
        with transaction(runtime.store) as tx:
            tx.put(
                RESERVATIONS.name,
                {
                    "order_id": order["order_id"],
                    "version": 2,
                    "lines": [{"product": "tea", "quantity": 2}],
                },
            )
        assert (
            f"reservation of order {order['order_id']}, which is gone: expected none, "
            in (differences(runtime)[0])
        )
        assert repaired(runtime) == []


class TestInvoices:
    """Invoices agree with their orders."""

    @pytest.mark.parametrize(
        ("fields", "difference"),
        [
            (
                {"total_amount": "1.00"},
                "invoice total_amount of order 1001: expected 21.00, found 1",
            ),
            (
                {"customer_name": "Bo"},
                "invoice customer_name of order 1001: expected Ada, found Bo",
            ),
            ({"status": "void"}, "invoice status of order 1001: expected open, found void"),
        ],
    )
    def test_an_invoice_that_says_otherwise(
        self,
        runtime: Runtime,
        edit: Edit,
        order: dict[str, Any],
        fields: dict[str, Any],
        difference: str,
    ) -> None:
        edit(INVOICES.name, order["order_id"], **fields)
        (found,) = differences(runtime)
        assert found.startswith(difference)
        assert repaired(runtime) == []

    def test_an_invoice_that_is_missing(self, runtime: Runtime, order: dict[str, Any]) -> None:
        with transaction(runtime.store) as tx:
            tx.delete(INVOICES.name, order["order_id"])
        assert differences(runtime) == ["invoice of order 1001: expected one, found none"]
        assert repaired(runtime) == []

    @pytest.mark.parametrize("ending", ["cancel", "delete"])
    def test_an_invoice_of_an_order_that_ended(
        self,
        runtime: Runtime,
        client: FlaskClient,
        edit: Edit,
        order: dict[str, Any],
        settled: Settled,
        ending: str,
    ) -> None:
        """The invoice of an ended order is void."""
        client.post("/order/1001/cancel") if ending == "cancel" else client.delete("/order/1001")
        settled()
        edit(INVOICES.name, order["order_id"], status="open")
        (found,) = differences(runtime)
        assert found.startswith("invoice status of order 1001")
        assert found.endswith("expected void, found open")
        assert repaired(runtime) == []

    @pytest.mark.parametrize(
        ("damage", "difference"),
        [
            (
                None,
                "invoice of order 1001, shipped and gone: expected one, found none",
            ),
            ("void", "invoice status of order 1001, which is gone: expected open, found void"),
        ],
    )
    def test_goods_that_left_without_an_invoice(
        self,
        runtime: Runtime,
        client: FlaskClient,
        edit: Edit,
        order: dict[str, Any],
        settled: Settled,
        take_out: Callable[[str], None],
        damage: str | None,
        difference: str,
    ) -> None:
        """The order is gone, the goods are sold: it is made anew, and is paid as it was."""
        parcel = {"carrier": "DHL", "tracking_number": "JD0146"}
        assert client.post("/shipment/1001/ship", json=parcel).status_code == 200
        take_out(order["order_id"])
        settled()
        before = edit(INVOICES.name, order["order_id"])
        if damage:
            edit(INVOICES.name, order["order_id"], status=damage)
        else:
            with transaction(runtime.store) as tx:
                tx.delete(INVOICES.name, order["order_id"])
        assert differences(runtime) == [difference]
        assert repaired(runtime) == []
        settled()
        after = edit(INVOICES.name, order["order_id"])
        assert [after[name] for name in ("status", "paid", "items")] == (
            ["open", "21.00", before["items"]]
        )

    def test_a_number_that_stands_twice(
        self,
        runtime: Runtime,
        client: FlaskClient,
        edit: Edit,
        order: dict[str, Any],
        settled: Settled,
    ) -> None:
        """Only a person can repair that."""
        other = place(client, tea=1)
        settled()
        edit(INVOICES.name, other["order_id"], invoice_number=1)
        assert repaired(runtime) == ["number of invoice 1: expected one invoice, found 2 invoices"]
