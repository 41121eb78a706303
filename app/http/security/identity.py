"""Who sends the request, and in which role; app/auth finds it out before any route runs."""

from dataclasses import dataclass

from flask import g

CUSTOMER, CLERK, MANAGER, OPERATOR = "customer", "clerk", "manager", "operator"

ROLES = (CUSTOMER, CLERK, MANAGER, OPERATOR)
"""Each may do what those before it may: customers see their own orders by an unguessable link;
clerks handle orders and shipments; managers also products, stock and reports; operators also
failures, fault switches and settings."""

STAFF_ROLES = tuple(role for role in ROLES if role != CUSTOMER)
"""What a key, a user or a person of a provider can be."""

METRICS = "metrics"
"""Apart from those: what a key of Prometheus is, which reads the figures and nothing else."""

KEY_ROLES = (*STAFF_ROLES, METRICS)
"""What a key can be."""


@dataclass(frozen=True)
class Identity:
    """A caller: the name under which what they do is written down, and their role."""

    name: str
    role: str

    def may(self, role: str) -> bool:
        """Whether this caller may do what `role` may."""
        if METRICS in (self.role, role):
            return self.role in (role, OPERATOR)
        return ROLES.index(self.role) >= ROLES.index(role)


PUBLIC = Identity(CUSTOMER, CUSTOMER)
"""Whoever shows no key and is not signed in."""

LOCAL = Identity("local", OPERATOR)
"""Whoever sits at the machine of a shop that has no keys."""

CARRIER, COMMAND = "carrier", "command"
"""How the books call who signed a call-back, and who gave a command at the machine."""

RESERVED_NAMES = frozenset({PUBLIC.name, LOCAL.name, CARRIER, COMMAND, "public", "daybook"})
"""Nobody else may be called so."""


def identify(identity: Identity) -> None:
    """The request that is being answered comes from `identity`."""
    g.identity = identity


def current() -> Identity:
    """Who sent the request that is being answered."""
    identity: Identity = g.get("identity", PUBLIC)
    return identity
