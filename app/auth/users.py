"""People who sign in with a password; an operator makes them with `flask user`.

A name is small letters, digits and . _ @ + -, so that two names that look the same are the same.
What somebody does is written down under it.
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
    """Raise Invalid when a stored user that a person wrote is none."""
    is_sound = (
        isinstance(user.get("name"), str)
        and _NAME.fullmatch(user["name"]) is not None
        and user.get("role") in STAFF_ROLES
        and isinstance(user.get("created"), str)
        and isinstance(user.get("hash"), str)
        and _HASH.fullmatch(user["hash"]) is not None
    )
    if not is_sound:
        raise Invalid([Problem("", "is not a user as `flask user create` makes it")])


USERS = Collection(name="users", key="name", listed=True, check=check_user)


def user_name(text: str) -> str:
    """`text` as a name, in small letters. Raises Invalid when it cannot be one."""
    name = text.strip().lower()
    if _NAME.fullmatch(name) is None:
        told = "must be 1 to 60 letters a-z, digits and . _ @ + -, beginning with a letter or digit"
        raise Invalid([Problem("/name", told)])
    if name in RESERVED_NAMES:
        raise Invalid([Problem("/name", f"must not be {name}: the books use that word themselves")])
    return name


def identity_of(view: View, session: Session, issuer: str) -> Identity | None:
    """Whose session this is; None when its user is gone or has another role.

    Sessions end with either; but users.json may have been edited by hand. Nor does a session count
    that another provider has answered for than `issuer`.
    """
    kept = session.document
    who = Identity(kept["user"], kept["role"])
    if kept["issuer"]:
        return who if kept["issuer"] == issuer else None
    user = view.get(USERS.name, who.name)
    return who if user is not None and user["role"] == who.role else None


def find_user(view: View, name: str) -> Document:
    """The user of this name. Raises NotFound."""
    user = view.get(USERS.name, name)
    if user is None:
        raise NotFound(f"There is no user {name[:60]}; `flask user list` shows them.")
    return user


def refuse_taken(view: View, name: str) -> None:
    """Raise Conflict when a user, a key or a word of the books has this name already."""
    small = name.lower()
    if small in RESERVED_NAMES or view.get(USERS.name, small) is not None:
        raise Conflict(f"There is a user {name} already.")
    if any(key["name"].lower() == small for key in view.find(KEYS.name).documents):
        raise Conflict(f"There is a key of the name {name}; one of the two needs another name.")


def refuse_as_key_name(view: View, name: str) -> None:
    """Raise Conflict when a key may not be called so: the books could not tell who did what."""
    if name.lower() in RESERVED_NAMES or view.get(USERS.name, name.lower()) is not None:
        raise Conflict(f"{name} is a user, or a word of the books; name the key otherwise.")


def create_user(tx: Transaction, name: str, role: str, password_hash: str) -> None:
    """Add a user; `name` is one of `user_name`. Raises Conflict when a user or a key has it."""
    refuse_taken(tx, name)
    user = {"name": name, "role": role, "created": clock.now(), "hash": password_hash}
    tx.put(USERS.name, user)


def change_password(tx: Transaction, name: str, password_hash: str) -> None:
    """Set another password, and sign the user out everywhere. Raises NotFound."""
    tx.put(USERS.name, find_user(tx, name) | {"hash": password_hash})
    end_all(tx, name)


def change_role(tx: Transaction, name: str, role: str) -> None:
    """Set another role, and sign the user out everywhere. Raises NotFound."""
    tx.put(USERS.name, find_user(tx, name) | {"role": role})
    end_all(tx, name)


def remove_user(tx: Transaction, name: str) -> None:
    """Remove a user, and end all their sessions. Raises NotFound."""
    find_user(tx, name)
    tx.delete(USERS.name, name)
    end_all(tx, name)
