"""The terms and functions that every package may use.

Of the domain: money, quantities, order states, payment methods, days of the shop. Of the field:
versions, errors, callers and roles, clock, trace, word search, e-mail addresses, release. Nothing
here imports another package of app/.
"""
