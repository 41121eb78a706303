"""The version of this package: `daybook --version`, /livez, metrics and traces tell it."""

VERSION = "0.1.0"
