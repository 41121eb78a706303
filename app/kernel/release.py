"""The version of this package, as `daybook --version`, /livez, metrics and traces report it."""

VERSION = "0.1.0"
