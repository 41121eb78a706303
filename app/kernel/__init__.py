"""The terms and functions that every package may use.

Of the domain: money, quantities, order states, payment methods, days of the shop. Of the field:
versions, errors, callers and roles, clock, trace, word search, e-mail addresses, release, a bounded
cache, a repeated warning, durable files. Nothing here imports another package of app/.
"""
