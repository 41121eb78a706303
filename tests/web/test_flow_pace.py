"""Slow motion and fault switches on the flow's page."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from app.events.faults import EVERY_HANDLER, FAULTS
from app.server.runtime import Runtime
from app.store import Document
from tests.auth.people import signed_in
from tests.over_http import place, read
from tests.processes.servers import wait_for
from tests.web.page import Page

Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


def flow(client: FlaskClient) -> Page:
    """Return the page."""
    return Page(client.get("/flow"))


def press(client: FlaskClient, button: str) -> int:
    """Press a button of slow motion; returns the status."""
    token = flow(client).fields["csrf_token"]["value"]
    return client.post("/flow/pace", data={"csrf_token": token, "do": button}).status_code


def pace(runtime: Runtime) -> Document | None:
    """Return what the buttons have set."""
    with runtime.store.read() as view:
        return view.get(FAULTS.name, EVERY_HANDLER)


@pytest.mark.usefixtures("catalogue")
def test_deliveries_are_paused_and_run_one_by_one(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """The page says how many wait; the last button lets all of them run."""
    assert press(client, "pause") == 303
    place(client, tea=1)
    wait_for("they are paused", lambda: "3 wait" in flow(client).text)
    assert "billing: paused" in flow(client).text
    assert press(client, "release") == 303
    wait_for("one was let go", lambda: _done(client) == ["inventory"])
    assert press(client, "end") == 303
    settled()
    assert pace(runtime) is None


def _done(client: FlaskClient) -> list[str]:
    [first, *_] = read(client, "/order/1001/events")["events"]
    return [name for name, each in first["deliveries"].items() if each["state"] == "done"]


def test_the_lease_is_renewed(client: FlaskClient, runtime: Runtime) -> None:
    """By a form that needs no page."""
    press(client, "slow-3")
    before = pace(runtime)
    assert before
    assert "begins 3 s late" in flow(client).text
    assert press(client, "renew") == 204
    assert (pace(runtime) or {})["until"] >= before["until"]
    assert int(flow(client).body["data-refresh-after"]) > 0


def test_an_unknown_button_is_refused(client: FlaskClient, runtime: Runtime) -> None:
    """400, and nothing is paused."""
    assert press(client, "stop") == 400
    assert pace(runtime) is None


def test_the_pace_is_no_fault_switch(client: FlaskClient) -> None:
    """Neither the API nor the events page lists it."""
    press(client, "pause")
    assert read(client, "/fault")["faults"] == []
    assert "Fault switches set 0" in Page(client.get("/events")).text


def test_switches_stand_beside_the_handlers(client: FlaskClient) -> None:
    """They are set and cleared on this page."""
    form = flow(client).forms["/events/faults"]
    typed = form.filled(handler="billing", mode="fail", times="2")
    after = client.post("/events/faults", data=typed)
    assert after.location == "/flow"
    assert "fault switch: fail" in flow(client).by_id["handlers"]
    clear = flow(client).form("/billing/clear")
    assert client.post(clear.action, data=clear.filled()).location == "/flow"
    assert read(client, "/fault")["faults"] == []


def test_clerks_cannot_hold_deliveries(app: Flask) -> None:
    """They have neither the buttons nor the right."""
    page = flow(signed_in(app, "ada", "clerk"))
    assert [action for action in page.forms if "pace" in action or "faults" in action] == []


def test_without_the_setting_nothing_can_be_paused(config: Config) -> None:
    """Neither buttons nor a route."""
    app = create_app(replace(config, faults=False))
    client = app.test_client()
    page = flow(client)
    assert not any("pace" in action for action in page.forms)
    token = Page(client.get("/")).fields["csrf_token"]["value"]
    answer = client.post("/flow/pace", data={"csrf_token": token, "do": "pause"})
    assert answer.status_code in (404, 405)
    app.extensions["daybook"].close()
