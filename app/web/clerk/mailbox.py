"""The mailbox: sent mail as its recipients see it. For clerks."""

from flask import Blueprint, Response, request

from app.notification.mailbox import Mailbox
from app.web.layout.context import PageContext, page

PAGE_SIZE = 30
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; " + (
    "frame-ancestors 'self'"
)
"""The policy of the frame that shows a mail: the mail's own style, and nothing else, is allowed."""


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the list, a mail, and the mail's HTML alone, for the frame that shows it."""
    mailbox = Mailbox(context.config.data / "mail")

    @blueprint.get("/mail")
    def show_mailbox() -> Response:
        mails = mailbox.newest(PAGE_SIZE + 1, request.args.get("before", ""))
        return page(
            "clerk/mailbox.html",
            live=["events"],
            mails=mails[:PAGE_SIZE],
            older=mails[PAGE_SIZE - 1].name if len(mails) > PAGE_SIZE else None,
            sends_by_smtp=context.config.smtp_url is not None,
        )

    @blueprint.get("/mail/<name>")
    def show_mail(name: str) -> Response:
        return page("clerk/mail.html", mail=mailbox.find(name))

    @blueprint.get("/mail/<name>/body")
    def show_mail_body(name: str) -> Response:
        return Response(mailbox.find(name).html, headers={"Content-Security-Policy": _SANDBOX})
