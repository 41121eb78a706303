"""How an order can be paid: the words that `payment_method` knows.

All but `invoice` are test methods of the simulated gateway (app/billing/simulator.py), as payment
providers have test cards: each shows one thing that happens in real life.
"""

APPROVE, DECLINE, TIMEOUT, DOWN, INVOICE = "approve", "decline", "timeout", "down", "invoice"

METHODS = {
    APPROVE: "the gateway approves",
    DECLINE: "the gateway declines, for good",
    TIMEOUT: "the gateway takes the money, but its first answer gets lost",
    DOWN: "the gateway cannot be reached for the first five calls, then approves",
    INVOICE: "nobody is charged; the customer pays the invoice some day",
}
