"""A log warning that is written once for as long as its text stays the same."""

import logging


class RepeatedWarning:
    """Suppresses repeats of the last warning. `clear` it once the trouble has passed."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._last = ""

    def warn(self, text: str) -> None:
        """Log `text` as a warning, unless it is the last one logged."""
        if text != self._last:
            self._last = text
            self._log.warning("%s", text)

    def clear(self) -> None:
        """Log the next warning whatever its text."""
        self._last = ""
