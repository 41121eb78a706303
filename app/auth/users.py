"""Users, who sign in with a password; an operator creates them with `flask user`.

A name has lower-case letters, digits and . _ @ + - only, so that two names that look the same are
the same. A user's actions are recorded under it.
"""

import re

from app.auth.keys import KEYS
from app.auth.sessions import Session, end_all
from app.kernel import clock
from app.kernel.errors import Conflict, Invalid, NotFound, Problem
from app.kernel.identity import RESERVED_NAMES, STAFF_ROLES, Identity
from app.store import Collection, Document, Transaction, View

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,59}")
_HASH = re.compile(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")


def check_user(user: Document) -> None:
    """Raise Invalid when a stored document is not a user."""
    is_valid = (
        all(isinstance(user.get(name), str) for name in ("name", "created", "hash"))
        and _NAME.fullmatch(user["name"])
        and user.get("role") in STAFF_ROLES
        and _HASH.fullmatch(user["hash"])
    )
    if not is_valid:
        raise Invalid([Problem("", "is not a user as `flask user create` makes it")])


USERS = Collection(name="users", key="name", listed=True, check=check_user)


def parse_user_name(text: str) -> str:
    """`text` as a user name, in lower case. Raises Invalid when it cannot be one."""
    name = text.strip().lower()
    if _NAME.fullmatch(name) is None:
        rule = "must be 1 to 60 letters a-z, digits and . _ @ + -, beginning with a letter or digit"
        raise Invalid([Problem("/name", rule)])
    if name in RESERVED_NAMES:
        raise Invalid([Problem("/name", f"must not be {name}: that name is reserved")])
    return name


def identity_of(view: View, session: Session, issuer: str) -> Identity | None:
    """The identity of a session; None when its user was removed or has another role.

    Sessions end with either change, but users.json may have been edited by hand. A session by
    another provider than `issuer` has no identity either, nor one that an older Daybook began for a
    provider's person, because it does not have their subject.
    """
    document = session.document
    if document["issuer"]:
        if document["issuer"] != issuer or "name" not in document:
            return None
        return Identity(document["name"], document["role"], document["user"])
    identity = Identity(document["user"], document["role"])
    user = view.get(USERS.name, identity.name)
    return identity if user is not None and user["role"] == identity.role else None


def find_user(view: View, name: str) -> Document:
    """The user of this name. Raises NotFound."""
    user = view.get(USERS.name, name)
    if user is None:
        raise NotFound(f"There is no user {name[:60]}; `flask user list` lists the users.")
    return user


def refuse_taken_name(view: View, name: str) -> None:
    """Raise Conflict when the name is reserved, or a user or a key has it."""
    refuse_key_name(view, name)
    if any(key["name"].lower() == name.lower() for key in view.find(KEYS.name).documents):
        raise Conflict(f"There is already an API key with the name {name}; use another name.")


def refuse_key_name(view: View, name: str) -> None:
    """Raise Conflict when the name is reserved or a user's: records could not tell them apart."""
    if name.lower() in RESERVED_NAMES:
        raise Conflict(f"The name {name} is reserved; use another name.")
    if view.get(USERS.name, name.lower()) is not None:
        raise Conflict(f"There is already a user {name}; use another name.")


def create_user(tx: Transaction, name: str, role: str, password_hash: str) -> None:
    """Add a user; `name` comes from `parse_user_name`. Raises Conflict when it is taken."""
    refuse_taken_name(tx, name)
    user = {"name": name, "role": role, "created": clock.now(), "hash": password_hash}
    tx.put(USERS.name, user)


def change_password(tx: Transaction, name: str, password_hash: str) -> None:
    """Set another password, and end all sessions of the user. Raises NotFound."""
    tx.put(USERS.name, find_user(tx, name) | {"hash": password_hash})
    end_all(tx, name)


def change_role(tx: Transaction, name: str, role: str) -> None:
    """Set another role, and end all sessions of the user. Raises NotFound."""
    tx.put(USERS.name, find_user(tx, name) | {"role": role})
    end_all(tx, name)


def remove_user(tx: Transaction, name: str) -> None:
    """Remove a user, and end all their sessions. Raises NotFound."""
    find_user(tx, name)
    tx.delete(USERS.name, name)
    end_all(tx, name)
