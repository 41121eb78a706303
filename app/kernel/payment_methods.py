"""The values of an order's `payment_method`.

All but `invoice` are test methods of the simulated gateway (app/billing/simulator.py), like the
test cards of payment providers: each produces one outcome that real gateways have.
"""

APPROVE, DECLINE, TIMEOUT, DOWN, INVOICE = "approve", "decline", "timeout", "down", "invoice"

METHODS = {
    APPROVE: "the gateway approves",
    DECLINE: "the gateway declines, for good",
    TIMEOUT: "the gateway takes the money, but its first response gets lost",
    DOWN: "the gateway cannot be reached for the first five calls, then approves",
    INVOICE: "nobody is charged; the customer pays the invoice some day",
}
