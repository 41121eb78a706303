"""The services that Daybook is measured against, each one a Flask app in a single file."""
