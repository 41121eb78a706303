# Exercise 3: kill -9 before the mail. Give `. docs/course/solutions/3.sh` in the terminal of the course.
#
# The customer gets the mail twice: the shop finds the delivery pending, and repeats it. If "done" were written first, a kill
# between the two would lose the mail; so one of the two remains, and the shop chooses at least once. (A mail in the folder
# has the name of its event, so there the second one replaces the first.) Billing writes its request with a key into the
# invoice before the gateway gets it. After a kill it repeats the request with the same key, and the gateway answers as
# before without charging again: a peer that recognises a repeated request is what a mail server is not.

curl -s -X PUT localhost:8100/fault/notification -H 'Content-Type: application/json' -d '{"mode": "slow", "delay_s": 20}'
N=$(curl -s localhost:8100/order -H 'Content-Type: application/json' -d '{"customer_name": "Mary Somerville", "customer_email": "mary@example.com", "items": [{"product": "notebook-a5", "quantity": 1}]}' | grep -oP '"number":\K\d+'); echo $N
until curl -s localhost:8100/order/$N | grep -q '"payment_status":"paid"'; do sleep 1; done
curl -s localhost:8100/order/$N | grep -o '"payment_status":"[a-z]*"'
kill -9 %flask
wait %flask

# inventory and billing are done; the delivery to notification is pending, as if it had not begun
rm -rf $DAYBOOK_DATA-killed; cp -r $DAYBOOK_DATA $DAYBOOK_DATA-killed
grep -o '"deliveries":.*' $DAYBOOK_DATA-killed/outbox.json
cat $DAYBOOK_DATA-killed/journal/*.ndjson | cut -c 1-200
grep -l mary@example.com $DAYBOOK_DATA-killed/mail/new/*

flask serve > ~/daybook-course.log 2>&1 &
until curl -s localhost:8100/livez; do sleep 1; done
curl -s -X DELETE localhost:8100/fault/notification
until [ "$(grep -ls mary@example.com $DAYBOOK_DATA/mail/new/* | wc -l)" = 2 ]; do sleep 1; done

# one order, one payment, two mails (thanks, and the receipt), each once: what was done is not repeated
deliveries $N
grep "Mary Somerville" $DAYBOOK_DATA/orders.json
tail -n 2 $DAYBOOK_DATA/invoices.json
grep -l mary@example.com $DAYBOOK_DATA/mail/new/*
