"""Callers and their roles; app/auth identifies the caller of each request.

Daybook's services take a caller's name for their records. app/auth/permissions.py says which role
each route needs.
"""

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


@dataclass(frozen=True)
class Identity:
    """A caller: their role, and the name under which their changes are recorded."""

    name: str
    role: str

    def may(self, role: str) -> bool:
        """Whether this caller has the rights of `role`."""
        if METRICS in (self.role, role):
            return self.role in (role, OPERATOR)
        return ROLES.index(self.role) >= ROLES.index(role)


PUBLIC = Identity(CUSTOMER, CUSTOMER)
"""An anonymous caller: no key and no session."""

LOCAL = Identity("local", OPERATOR)
"""A caller on the machine itself, of a shop that has no keys."""

CARRIER, COMMAND = "carrier", "command"
"""The names recorded for a carrier's signed call-back and for a command line command."""

RESERVED_NAMES = frozenset({PUBLIC.name, LOCAL.name, CARRIER, COMMAND, "public", "daybook"})
"""Names that no user and no key can have."""
