# Exercise 1: an event fails and is replayed. Give `. docs/course/solutions/1.sh` in the terminal of the course.
#
# No. A replay makes one delivery pending again: that of this event to billing. The delivery to inventory is done, and
# stays so; its `attempts` is 1 before and after. The state of each delivery is in the event's record in the outbox.

curl -s -X PUT localhost:8100/fault/billing -H 'Content-Type: application/json' -d '{"mode": "fail"}'
N=$(curl -s localhost:8100/order -H 'Content-Type: application/json' -d '{"customer_name": "Ada Lovelace", "items": [{"product": "pencil-hb", "quantity": 10}]}' | grep -oP '"number":\K\d+'); echo $N
until curl -s "localhost:8100/failure?order=$N" | grep -q :billing; do sleep 1; done  # five attempts

cat $DAYBOOK_DATA/failure.json
flask failures
deliveries $N
curl -s localhost:8100/order/$N | python3 -m json.tool

# confirmed, because inventory has reserved the stock; the payment is pending. The replay fails after five attempts more.
flask replay --all
flask failures

curl -s -X DELETE localhost:8100/fault/billing
flask replay --all --dry-run
flask replay --all
deliveries $N
