# Exercise 2: billing is down, mail goes on. Give `. docs/course/solutions/2.sh` in the terminal of the course.
#
# With one flag that is set when all have succeeded, each retry would call notification again too: the customer gets the
# same mail at every attempt of billing. With a flag that the first success sets, billing would never be called again, and
# the order never be paid. With a delivery for each handler, only what has not succeeded is repeated.

curl -s -X PUT localhost:8100/fault/billing -H 'Content-Type: application/json' -d '{"mode": "down"}'
N=$(curl -s localhost:8100/order -H 'Content-Type: application/json' -d '{"customer_name": "Grace Hopper", "customer_email": "grace@example.com", "items": [{"product": "eraser", "quantity": 2}]}' | grep -oP '"number":\K\d+'); echo $N
until curl -s localhost:8100/order/$N/events | grep -q '(down)'; do sleep 1; done
until grep -qs grace@example.com $DAYBOOK_DATA/mail/new/*; do sleep 1; done

# inventory and notification are done, the order is confirmed; the receipt is missing, because nothing is paid
deliveries $N
curl -s localhost:8100/order/$N | python3 -m json.tool
grep -h ^Subject $DAYBOOK_DATA/mail/new/*
curl -s localhost:8100/product/eraser | python3 -m json.tool

curl -s -X DELETE localhost:8100/fault/billing
until curl -s localhost:8100/order/$N | grep -q '"payment_status":"paid"'; do sleep 1; done

# payment.captured, and its mail is the receipt
deliveries $N
