"""Callers and their roles; app/auth identifies the caller of each request.

Daybook's services take a caller's name for their records. app/auth/permissions.py says which role
each route needs.
"""

import hashlib
from dataclasses import dataclass

CUSTOMER, CLERK, MANAGER, OPERATOR = "customer", "clerk", "manager", "operator"

ROLES = (CUSTOMER, CLERK, MANAGER, OPERATOR)
"""In rising order: each role includes the ones before it. A customer reads their own order through
an unguessable link; a clerk handles orders and shipments; a manager also products, stock and
reports; an operator also failures, fault switches and settings."""

STAFF_ROLES = tuple(role for role in ROLES if role != CUSTOMER)
"""The roles of users and of people signed in by an OpenID provider."""

METRICS = "metrics"
"""The role of a Prometheus key: it reads /metrics and nothing else."""

KEY_ROLES = (*STAFF_ROLES, METRICS)
"""The roles of API keys."""


_PERSON_SUFFIX_LENGTH = 8
"""Characters of a person's id in their recorded name: enough to tell people of one name apart."""


@dataclass(frozen=True)
class Identity:
    """A caller: their role, and the name under which their changes are recorded."""

    name: str
    role: str
    person: str = ""
    """The id of a person of an identity provider; "" for keys and users, whose names are unique."""

    @property
    def id(self) -> str:
        """The unique identifier of this caller, for sessions, limits and idempotency keys."""
        return self.person or self.name

    @property
    def label(self) -> str:
        """The name to greet the caller with, which may change and which others may have."""
        return self.name.removesuffix(_suffix(self.person))

    def may(self, role: str) -> bool:
        """Whether this caller has the rights of `role`."""
        if METRICS in (self.role, role):
            return self.role in (role, OPERATOR)
        return ROLES.index(self.role) >= ROLES.index(role)


def person_identity(issuer: str, subject: str, label: str, role: str) -> Identity:
    """A person of an identity provider, known by issuer and subject (OpenID Connect Core 1.0, 2).

    The recorded name is the label and the beginning of the person's id, such as grace#3f9a2c1b.
    """
    person = hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()
    return Identity(label + _suffix(person), role, person)


def _suffix(person: str) -> str:
    return f"#{person[:_PERSON_SUFFIX_LENGTH]}" if person else ""


PUBLIC = Identity(CUSTOMER, CUSTOMER)
"""An anonymous caller: no key and no session."""

LOCAL = Identity("local", OPERATOR)
"""A caller on the machine itself, of a shop that has no keys."""

CARRIER, COMMAND = "carrier", "command"
"""The names recorded for a carrier's signed call-back and for a command line command."""

RESERVED_NAMES = frozenset({PUBLIC.name, LOCAL.name, CARRIER, COMMAND, "public", "daybook"})
"""Names that no user and no key can have."""
