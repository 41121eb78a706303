"""What is noted of every request, from before anything looks at it until its answer is made."""

from time import perf_counter

from flask import Flask, Response, g, request

from app.watching.instruments import Instruments


def watch(app: Flask, instruments: Instruments) -> None:
    """Watch the requests of `app`. Call it before anything else hooks into them.

    What is asked to look at requests first, looks at answers last.
    """
    app.before_request(_begin)

    @app.after_request
    def end(answer: Response) -> Response:
        took_s = perf_counter() - g.began
        instruments.answered(request, answer.status_code, took_s)
        return answer


def _begin() -> None:
    g.began = perf_counter()
