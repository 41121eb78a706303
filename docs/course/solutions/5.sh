# Exercise 5: a poison message. Give `. docs/course/solutions/5.sh` in the terminal of the course.
#
# About 600 deliveries that have to be replayed, for an outage that nobody can mend in the shop. With the breaker they wait
# in the outbox, and only the probes call the gateway. An outage says something about the peer, and so about the deliveries
# of all orders; a permanent error says something about one event, and the next one may well succeed.

curl -s -X PUT localhost:8100/fault/billing -H 'Content-Type: application/json' -d '{"mode": "reject", "times": 1}'
N=$(curl -s localhost:8100/order -H 'Content-Type: application/json' -d '{"customer_name": "Emmy Noether", "items": [{"product": "pencil-2b", "quantity": 1}]}' | grep -oP '"number":\K\d+'); echo $N
until curl -s "localhost:8100/failure?order=$N" | grep -q :billing; do sleep 1; done  # one attempt

# billing of order.updated waits for order.placed of its order; the other order is paid
curl -s localhost:8100/order/$N -X PATCH -H 'Content-Type: application/json' -d '{"items": [{"product": "pencil-2b", "quantity": 3}]}'
curl -s localhost:8100/order -H 'Content-Type: application/json' -d '{"customer_name": "Sofia Brahe", "items": [{"product": "pencil-2b", "quantity": 1}]}'
until curl -s localhost:8100/order?limit=1 | grep -q '"payment_status":"paid"'; do sleep 1; done
deliveries $N

# three pencils, charged once: billing brings the invoice to what the order says now, whatever the event says
ID=$(curl -s "localhost:8100/failure?order=$N" | grep -oP '"id":"\K[^"]+:billing'); echo $ID
flask discard $ID --reason "cannot be billed"
until curl -s localhost:8100/order/$N | grep -q '"payment_status":"paid"'; do sleep 1; done
deliveries $N

curl -s -X PUT localhost:8100/fault/billing -H 'Content-Type: application/json' -d '{"mode": "fail", "times": 2}'
curl -s localhost:8100/order -H 'Content-Type: application/json' -d '{"customer_name": "Olena Koval", "items": [{"product": "pencil-2b", "quantity": 1}]}'
until curl -s localhost:8100/order?limit=1 | grep -q '"payment_status":"paid"'; do sleep 1; done  # the third attempt

curl -s -X PUT localhost:8100/fault/billing -H 'Content-Type: application/json' -d '{"mode": "down"}'
for i in 1 2 3 4 5 6; do curl -s localhost:8100/order -H 'Content-Type: application/json' -d '{"customer_name": "Zoë Müller", "items": [{"product": "pencil-2b", "quantity": 1}]}'; done
until curl -s localhost:8100/flow | grep -q 'breaker open'; do sleep 1; done
N=$(curl -s localhost:8100/order -H 'Content-Type: application/json' -d '{"customer_name": "Zoë Müller", "items": [{"product": "pencil-2b", "quantity": 1}]}' | grep -oP '"number":\K\d+'); echo $N
# attempts is 0 although it may have been a probe: while the breaker is open, no attempt counts, and nothing fails for good
deliveries $N
flask failures
curl -s -X DELETE localhost:8100/fault/billing
until curl -s localhost:8100/order/$N | grep -q '"payment_status":"paid"'; do sleep 1; done
