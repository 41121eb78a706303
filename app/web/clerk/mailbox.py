"""The mailbox: sent mail as its recipients see it. For clerks."""

from flask import Blueprint, Response, request

from app.kernel.text_search import MAX_QUERY_CHARACTERS, words_of
from app.notification.mailbox import MAX_SEARCHED, Mailbox
from app.web.layout.context import PageContext, page
from app.web.layout.html_size import shorten
from app.web.layout.positions import PAGE_SIZE, Position, parse_page

MAX_SHOWN_BYTES = 80_000
"""The size up to which a mail is shown: a longer text is cut, a longer HTML body left out."""

_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; " + (
    "frame-ancestors 'self'"
)
"""The policy of the frame that shows a mail: the mail's own style, and nothing else, is allowed."""

_FRAME_STYLE = """
<style>
:root { color-scheme: light dark; }
@media screen and (prefers-color-scheme: dark) {
  html, body { background: #1d2326 !important; color: #e7e5df !important; }
  body * { background: none !important; border-color: #313a3f !important; }
  body :not(a, a *) { color: inherit !important; }
  a { color: #72c9b9 !important; }
}
</style>
"""
"""Added to each mail that is shown: in the dark, the colours of the pages replace its own."""


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the list, a mail, and the mail's HTML alone, for the frame that shows it."""
    mailbox = Mailbox(context.config.data / "mail")

    @blueprint.get("/mail")
    def show_mailbox() -> Response:
        find = request.args.get("find", "")[:MAX_QUERY_CHARACTERS].strip()
        cursor = request.args.get("cursor", "")
        number = parse_page(request.args.get("page", ""))
        older = None
        if words := words_of(find):
            found = mailbox.search(words, before=cursor)
            position = Position.of_page(number, len(found.mails))
            mails, older = position.cut(found.mails), found.next
        else:
            names = mailbox.names()
            position = Position.of_page(number, len(names))
            mails = mailbox.newest(names, position.first - 1, PAGE_SIZE)
        return page(
            "clerk/mailbox.html",
            live=["events"],
            fields={"find": find, "cursor": cursor},
            mails=mails,
            position=position,
            older=older,
            max_searched=MAX_SEARCHED,
            sends_by_smtp=context.config.smtp_url is not None,
        )

    @blueprint.get("/mail/<name>")
    def show_mail(name: str) -> Response:
        mail = mailbox.find(name)
        text = shorten(mail.text, MAX_SHOWN_BYTES)
        return page(
            "clerk/mail.html",
            mail=mail,
            has_frame=0 < len(mail.html.encode()) <= MAX_SHOWN_BYTES,
            text=text,
            is_cut=text != mail.text,
        )

    @blueprint.get("/mail/<name>/body")
    def show_mail_body(name: str) -> Response:
        html = mailbox.find(name).html + _FRAME_STYLE
        return Response(html, headers={"Content-Security-Policy": _SANDBOX})
