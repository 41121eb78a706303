"""Privacy: erases customers' personal data, and gives it out to the person (docs/privacy.md).

It calls the services' own functions, as app/audit/repair.py does; `flask forget`,
`flask export-person` and the pages call it.
"""
