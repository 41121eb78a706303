"""The simulated payment gateway is as reliable as a real one."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest

from app import create_app
from app.billing.gateway import Charge, Refund
from app.billing.simulator import OUTAGE_CALLS, Simulator, payment_gateway
from app.config import Config
from app.kernel.errors import Conflict, Unavailable

CHARGE = Charge("order-1-1", "9.00", "EUR", "approve")


@pytest.fixture
def gateway(tmp_path: Path) -> Simulator:
    return Simulator(tmp_path / "gateway")


def test_an_application_makes_one_gateway(config: Config) -> None:
    """Billing and the pages, which name its cards, share it."""
    made: list[str] = []

    def note(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call" and frame.f_code is payment_gateway.__code__:
            made.append("gateway")

    sys.setprofile(note)
    try:
        app = create_app(config)
    finally:
        sys.setprofile(None)
    app.extensions["daybook"].close()
    assert made == ["gateway"]


def test_the_same_key_is_charged_once(gateway: Simulator) -> None:
    """A repeated key is charged once, in any process."""
    first = gateway.submit(CHARGE)
    assert gateway.submit(CHARGE) == first
    again = Simulator(gateway._folder)
    assert again.submit(CHARGE) == first
    [request] = again.requests()
    assert (request["amount"], request["calls"], request["reference"]) == (
        "9.00",
        3,
        first.reference,
    )


def test_only_the_owner_can_read_its_files(gateway: Simulator) -> None:
    """Mode 0600, also of the files of a database that an earlier version made."""
    gateway.submit(CHARGE)
    for path in gateway._folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path.name
    (gateway._folder / "account.sqlite").chmod(0o644)
    Simulator(gateway._folder).submit(CHARGE)
    assert (gateway._folder / "account.sqlite").stat().st_mode & 0o777 == 0o600


def test_threads_are_charged_once(gateway: Simulator) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(lambda _: gateway.submit(CHARGE), range(40)))
    assert len(answers) == 1
    assert gateway.requests()[0]["calls"] == 40


@pytest.mark.parametrize("other", [{"amount": "9.01"}, {"currency": "USD"}, {"method": "decline"}])
def test_a_key_stands_for_one_request(gateway: Simulator, other: dict[str, str]) -> None:
    """Another amount under a known key is a Conflict, which a retry cannot solve."""
    gateway.submit(CHARGE)
    with pytest.raises(Conflict, match="order-1-1 was used for another payment"):
        gateway.submit(replace(CHARGE, **other))


def test_a_decline_is_an_answer(gateway: Simulator) -> None:
    declined = gateway.submit(replace(CHARGE, method="decline"))
    assert declined.declined == "the card was declined"


def test_after_a_timeout_the_answer_is_repeated(gateway: Simulator) -> None:
    """The charge is made once, and the repeated request gets its answer."""
    slow = replace(CHARGE, method="timeout")
    with pytest.raises(Unavailable, match="did not respond in time"):
        gateway.submit(slow)
    assert gateway.requests()[0]["reference"]
    assert not gateway.submit(slow).declined


def test_an_outage_ends_after_so_many_calls(gateway: Simulator) -> None:
    """The calls are counted over restarts of the process."""
    down = replace(CHARGE, method="down")
    for _ in range(OUTAGE_CALLS):
        with pytest.raises(Unavailable, match="cannot be reached"):
            Simulator(gateway._folder).submit(down)
    assert gateway.requests()[0]["reference"] is None
    assert gateway.submit(down).reference


def test_a_refund_is_made_once(gateway: Simulator) -> None:
    charged = gateway.submit(CHARGE)
    refund = Refund("order-1-2", "9.00", "EUR", charged.reference)
    assert gateway.submit(refund) == gateway.submit(refund)
    assert [each["kind"] for each in gateway.requests()] == ["charge", "refund"]


def test_trouble_with_its_own_file_is_an_outage(gateway: Simulator) -> None:
    """An error of its own file is Unavailable, which billing retries."""
    gateway._folder.mkdir()
    (gateway._folder / "account.sqlite").mkdir()
    with pytest.raises(Unavailable, match="out of order"):
        gateway.submit(CHARGE)
