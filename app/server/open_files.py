"""The limit of open files (RLIMIT_NOFILE) of the server, which its workers inherit."""

import resource

from app.config import Config
from app.http.requests.limiter import MAX_CONNECTIONS
from app.kernel.errors import Unavailable
from app.system.os_errors import advice_to_raise

OWN_FILES = 192
"""Files, pipes and memory of a worker with all collections open, in two versions at a checkpoint,
with room to spare; measured: 65 in a worker at rest."""


def needed_files(config: Config) -> int:
    """The most files that a worker opens: connections, listening sockets, and files of its own."""
    return MAX_CONNECTIONS + config.workers + config.threads + OWN_FILES


def refuse_low_limit(config: Config) -> None:
    """Raise Unavailable where a worker may open fewer files than it needs.

    It would refuse connections and requests as soon as it has many of them. The soft limit does not
    matter: importing Granian raises it to the hard one.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = needed_files(config)
    if limit < needed:
        raise Unavailable(
            f"A process may have {limit} open files here, and a worker needs up to {needed}. "
            f"{advice_to_raise(needed)}."
        )
