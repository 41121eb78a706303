"""The mailbox: the mails that went out, as their readers see them. For clerks."""

from flask import Blueprint, Response, request

from app.notification.mailbox import Mailbox
from app.web.layout.context import PageContext, page

PAGE = 30
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; " + (
    "frame-ancestors 'self'"
)
"""A mail brings its own style, as mails do. It stands in a frame where nothing else is allowed."""


def add_to(pages: Blueprint, site: PageContext) -> None:
    """The list, a message, and its HTML by itself for the frame in which it is shown."""
    mailbox = Mailbox(site.mail)

    @pages.get("/mail")
    def show_mails() -> Response:
        mails = mailbox.newest(PAGE + 1, request.args.get("before", ""))
        return page(
            "clerk/mailbox.html",
            live=["events"],
            section="Mail",
            mails=mails[:PAGE],
            older=mails[PAGE - 1].name if len(mails) > PAGE else None,
        )

    @pages.get("/mail/<name>")
    def show_mail(name: str) -> Response:
        return page("clerk/mail.html", section="Mail", mail=mailbox.find(name))

    @pages.get("/mail/<name>/body")
    def show_mail_body(name: str) -> Response:
        response = Response(mailbox.find(name).html)
        response.headers["Content-Security-Policy"] = _SANDBOX
        return response
