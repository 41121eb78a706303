"""E-mail addresses: one function decides which ones are accepted, from a client and for a mail."""

from functools import lru_cache

import email_validator

email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()  # a shop's own mail server may be .local or .test


@lru_cache(maxsize=1024)  # an order and each of its mails have the same address
def mail_address(text: str) -> str:
    """Return the address to which a mail is sent.

    It is in ASCII where the part before the @ is: the domain then is in its encoded form (IDNA
    2008). Raises ValueError for text that is not one bare address of RFC 5321 or RFC 6531, for a
    quoted local part, and for a domain without a dot but localhost. No name server is asked.
    """
    try:
        parsed = email_validator.validate_email(
            text, check_deliverability=False, globally_deliverable=False
        )
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"No mail can be sent to this e-mail address. {error}") from None
    domain = parsed.ascii_domain
    if "." not in domain and domain != "localhost":
        raise ValueError("No mail can be sent to this e-mail address: its domain has no dot.")
    return parsed.ascii_email or parsed.normalized
