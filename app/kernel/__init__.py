"""What every part may use: money, quantities, versions, errors, clock, trace, durable files."""
