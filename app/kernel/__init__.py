"""The terms that every part shares: money, quantities, versions, errors, identities, order states,
clock, trace, durable files.
"""
