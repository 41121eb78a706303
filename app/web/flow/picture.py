"""The geometry of the flow's picture: boxes, wires, and tokens for what is on its way.

The server places everything; the browser moves a token to its new place when the page is refreshed.
Lengths are units of the SVG's view box; a token's x and y are its centre.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from app.events.subscriptions import group_of
from app.store import Document
from app.web.flow import standing as places
from app.web.flow.standing import Snapshot, Standing

WIDTH = 960
_MARGIN = 16
_ROW_PITCH = 74
_ROW_HEIGHT = 62
_STATION_HEIGHT = 196
_HANDLER_X, _HANDLER_WIDTH = 548, 236
_DONE_X, _DONE_WIDTH = 836, 108
_QUEUE_X, _QUEUE_WIDTH = 434, 106
_BUS_X = 810
_PADDING = 12
"""Between the edge of a box and its tokens."""

_TOKEN_PITCH_Y, _TOKEN_GAP_X = 26, 4
_CHAR_WIDTH, _TOKEN_PADDING = 6.7, 15
_ROW_TOKENS_Y, _STATION_TOKENS_Y = 43, 96
"""From the top of a box to the centre of its first token."""

_STATION_MAX_TOKENS = 4
LABEL_MAX_CHARS = 8
_STATIONS = (places.API, places.JOURNAL, places.OUTBOX)
_ORDER = ("inventory", "billing", "notification", "orders", "shipping")
"""The order of the handlers, from top to bottom; others follow."""

_NOUNS = {
    places.QUEUE: " wait",
    places.HANDLER: " deliveries",
    places.DONE: " done",
    places.FAILURE: " deliveries",
}
"""The words after the number of a merged token, by place; elsewhere it counts events."""

MANY = "many"
"""The state of a token that stands for deliveries in several states."""


class Box(NamedTuple):
    """A place of the picture."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The y of its centre."""
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        """The x of its right edge."""
        return self.x + self.width


class Token(NamedTuple):
    """A mark in the picture: one delivery, or `number` of them where there are too many to follow.

    `standing` is None for several. Deliveries of one event at one station lie on each other; all
    but the uppermost are `is_covered`.
    """

    key: str
    x: float
    y: float
    width: float
    label: str
    state: str
    number: int = 1
    standing: Standing | None = None
    is_covered: bool = False


class Picture(NamedTuple):
    """Everything to draw: boxes by the name of the place or the handler, wires as SVG paths."""

    height: float
    boxes: dict[str, Box]
    wires: list[str]
    failure_wires: list[str]
    tokens: list[Token]


def in_order(handlers: Iterable[str]) -> list[str]:
    """The handlers as they stand in the picture, from top to bottom; groups of subscribers too."""
    known = [name for name in _ORDER if name in handlers]
    return known + sorted(set(handlers) - set(known))


def draw(handlers: Sequence[str], snapshot: Snapshot) -> Picture:
    """Place boxes, wires and tokens; the handlers are in the order of `in_order`."""
    boxes = _boxes(handlers)
    failure = boxes[places.FAILURE]
    height = failure.y + failure.height + _MARGIN
    tokens = _tokens(handlers, boxes, snapshot)
    return Picture(height, boxes, _wires(handlers, boxes), _failure_wires(handlers, boxes), tokens)


def label_of(event: Document) -> str:
    """The order's number, or the beginning of what else the event is about."""
    order = event["data"].get("order") or event["data"]
    return str(order.get("number") or event["subject"])[:LABEL_MAX_CHARS]


def _boxes(handlers: Sequence[str]) -> dict[str, Box]:
    rows_height = _ROW_PITCH * len(handlers)
    station_y = _MARGIN + (rows_height - _STATION_HEIGHT) / 2
    failure_y = _MARGIN + rows_height + 22
    rows = {
        name: Box(_HANDLER_X, _MARGIN + number * _ROW_PITCH, _HANDLER_WIDTH, _ROW_HEIGHT)
        for number, name in enumerate(handlers)
    }
    return {
        places.API: Box(_MARGIN, station_y, 108, _STATION_HEIGHT),
        places.JOURNAL: Box(156, station_y, 112, _STATION_HEIGHT),
        places.OUTBOX: Box(300, station_y, 112, _STATION_HEIGHT),
        **rows,
        places.DONE: Box(_DONE_X, _MARGIN, _DONE_WIDTH, rows_height + 14),
        places.FAILURE: Box(_HANDLER_X, failure_y, _HANDLER_WIDTH, _ROW_HEIGHT),
    }


def _wires(handlers: Sequence[str], boxes: dict[str, Box]) -> list[str]:
    api, journal, outbox = (boxes[name] for name in _STATIONS)
    middle = outbox.middle
    wires = [f"M{api.right} {middle}H{journal.x}", f"M{journal.right} {middle}H{outbox.x}"]
    for name in handlers:
        row = boxes[name]
        bend = outbox.right + 56
        wires.append(
            f"M{outbox.right} {middle}C{bend} {middle} {outbox.right + 16} {row.middle} "
            f"{row.x} {row.middle}"
        )
        wires.append(f"M{row.right} {row.middle}H{_DONE_X}")
    return wires


def _failure_wires(handlers: Sequence[str], boxes: dict[str, Box]) -> list[str]:
    """From each handler to failure.json, and back to the outbox by a replay."""
    failure, outbox = boxes[places.FAILURE], boxes[places.OUTBOX]
    top = boxes[handlers[0]].middle
    replay_x = outbox.x + outbox.width / 2
    return [
        f"M{_BUS_X} {top}V{failure.middle}H{failure.right}",
        f"M{failure.x} {failure.middle}H{replay_x}V{outbox.y + outbox.height}",
    ]


def _tokens(handlers: Sequence[str], boxes: dict[str, Box], snapshot: Snapshot) -> list[Token]:
    """The tokens; those of single deliveries stay in one order, so that none jumps."""
    by_area: dict[tuple[str, str], list[Standing]] = defaultdict(list)
    for each in snapshot.standings:
        has_row = each.place in (places.QUEUE, places.HANDLER, places.DONE)
        row = group_of(each.handler) if has_row else ""
        if not row or row in handlers:
            by_area[each.place, row].append(each)
    tokens = [
        token
        for (place, handler), group in by_area.items()
        for token in (
            _in_station(place, boxes[place], group, snapshot)
            if place in _STATIONS
            else _in_row(place, handler, boxes, group, snapshot)
        )
    ]
    return sorted(tokens, key=lambda token: (token.standing is None, token.key))


def _in_station(
    place: str, box: Box, group: Sequence[Standing], snapshot: Snapshot
) -> Iterator[Token]:
    """One below the other: a mark for each event, which its deliveries leave together."""
    x, y = box.x + box.width / 2, box.y + _STATION_TOKENS_Y
    by_event: dict[str, list[Standing]] = defaultdict(list)
    for each in group:
        by_event[each.event["id"]].append(each)
    if len(by_event) > _STATION_MAX_TOKENS:
        yield _merged(place, "", x, y, len(by_event), group, snapshot)
        return
    for number, deliveries in enumerate(by_event.values()):
        uppermost = max(deliveries, key=_key)
        for each in deliveries:
            covered = each is not uppermost
            yield _single(each, x, y + number * _TOKEN_PITCH_Y, is_covered=covered)


def _in_row(
    place: str,
    handler: str,
    boxes: dict[str, Box],
    group: Sequence[Standing],
    snapshot: Snapshot,
) -> Iterator[Token]:
    """One beside the other, as far as there is room."""
    row = boxes[handler or place]
    left, width = {
        places.QUEUE: (_QUEUE_X, _QUEUE_WIDTH),
        places.DONE: (_DONE_X + 5, _DONE_WIDTH - 10),
    }.get(place, (row.x + _PADDING, row.width - 2 * _PADDING))
    y = row.middle if place == places.QUEUE else row.y + _ROW_TOKENS_Y
    widths = [_width(_label(each)) for each in group]
    if sum(widths) + _TOKEN_GAP_X * (len(group) - 1) > width:
        yield _merged(place, handler, left, y, len(group), group, snapshot)
        return
    x = left
    for each, its_width in zip(group, widths, strict=True):
        yield _single(each, x + its_width / 2, y)
        x += its_width + _TOKEN_GAP_X


def _single(each: Standing, x: float, y: float, *, is_covered: bool = False) -> Token:
    label = _label(each)
    return Token(
        _key(each), x, y, _width(label), label, each.state, standing=each, is_covered=is_covered
    )


def _merged(
    place: str,
    handler: str,
    x: float,
    y: float,
    count: int,
    group: Sequence[Standing],
    snapshot: Snapshot,
) -> Token:
    """One token for a whole group; in a row, `x` is its left edge."""
    states = {each.state for each in group}
    label = f"{count}+" if snapshot.is_cut else f"{count}"
    label += _NOUNS.get(place, " events")
    width = _width(label)
    return Token(
        f"{place}-{handler}",
        x if place in _STATIONS else x + width / 2,
        y,
        width,
        label,
        states.pop() if len(states) == 1 else MANY,
        count,
    )


def _label(each: Standing) -> str:
    label = label_of(each.event)
    return label if each.next_in_s is None else f"{label}·{each.next_in_s}s"


def _width(label: str) -> float:
    return round(len(label) * _CHAR_WIDTH + _TOKEN_PADDING, 1)


def _key(each: Standing) -> str:
    return f"{each.event['id']}-{each.handler}"
