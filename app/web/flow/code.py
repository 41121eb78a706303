"""The code behind each box of the flow: module, function, and what its docstring says."""

from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial
from inspect import getdoc
from typing import Any, NamedTuple, cast

from app.events import failures
from app.events.dispatch.outcome import record_outcome
from app.events.outbox import emit
from app.events.registry import Handler, HandlerRegistry, RequestReplyHandler
from app.events.types import EVENT_TYPES
from app.orders.service import place_order
from app.store import Store
from app.web.flow.standing import API, DONE, FAILURE, JOURNAL, OUTBOX


class Code(NamedTuple):
    """A function, the first sentence of its docstring, and the event types that it handles."""

    name: str
    summary: str
    event_types: tuple[str, ...] = ()


@cache
def station_code() -> dict[str, Code]:
    """The function that matters most at each place that is no handler."""
    return {
        API: _code_of(place_order),
        JOURNAL: _code_of(Store.run_in_transaction),
        OUTBOX: _code_of(emit),
        DONE: _code_of(record_outcome),
        FAILURE: _code_of(failures.put_entry),
    }


def handler_code(registry: HandlerRegistry) -> dict[str, list[Code]]:
    """The functions of each handler, in the order of the event types."""
    types: defaultdict[str, dict[str, Code]] = defaultdict(dict)
    for event in EVENT_TYPES:
        for name, handler in registry.handlers(event).items():
            code = _code_of(_function(handler))
            before = types[name].get(code.name, code)
            types[name][code.name] = before._replace(event_types=(*before.event_types, event.type))
    for name, handler in registry.groups().items():  # the types are those that each subscribes to
        code = _code_of(_function(handler))
        types[name][code.name] = code
    return {name: list(codes.values()) for name, codes in types.items()}


def _function(handler: Handler) -> Callable[..., Any]:
    """The function that handles an event, without the arguments that it was connected with."""
    has_replies, receiver = isinstance(handler, RequestReplyHandler), cast(Any, handler)
    function = receiver.next_request if has_replies else receiver.run
    while isinstance(function, partial):
        function = function.func
    return cast(Callable[..., Any], function)


def _code_of(function: Callable[..., Any]) -> Code:
    text = " ".join((getdoc(function) or "").split("\n\n")[0].split())
    sentence = text.partition(". ")[0].removesuffix(".")
    name = f"{function.__module__}.{function.__qualname__}"
    return Code(name, f"{sentence}." if sentence else "")
