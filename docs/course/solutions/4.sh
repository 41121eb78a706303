# Exercise 4: two clerks, one order. Give `. docs/course/solutions/4.sh` in the terminal of the course.
#
# A payment changes none of the details that a clerk edits, so a version is accepted as long as nobody has edited the order
# since: its `details_version` is not newer. A request that is refused changes nothing, and its key is stored in the
# transaction of the change or not at all. So the caller can correct the request, and send it with the same key.

curl -si localhost:8100/order -H 'Content-Type: application/json' -H 'Idempotency-Key: course-4' -d '{"customer_name": "Annie Cannon", "items": [{"product": "notebook-a6", "quantity": 1}]}'
# the same order, with the header Idempotency-Replayed
curl -si localhost:8100/order -H 'Content-Type: application/json' -H 'Idempotency-Key: course-4' -d '{"customer_name": "Annie Cannon", "items": [{"product": "notebook-a6", "quantity": 1}]}'
# 422: the key stands for the first request
curl -si localhost:8100/order -H 'Content-Type: application/json' -H 'Idempotency-Key: course-4' -d '{"customer_name": "Annie Cannon", "items": [{"product": "notebook-a6", "quantity": 2}]}'
N=$(curl -s localhost:8100/order -H 'Content-Type: application/json' -H 'Idempotency-Key: course-4' -d '{"customer_name": "Annie Cannon", "items": [{"product": "notebook-a6", "quantity": 1}]}' | grep -oP '"number":\K\d+'); echo $N

ETAG=$(curl -si localhost:8100/order/$N | grep -i ^etag: | cut -d ' ' -f 2 | tr -d '\r'); echo $ETAG
curl -si localhost:8100/order/$N -X PATCH -H "If-Match: $ETAG" -H 'Content-Type: application/json' -d '{"items": [{"product": "notebook-a6", "quantity": 1}, {"product": "eraser", "quantity": 1}]}'
# 412: without If-Match, the eraser would be gone
curl -si localhost:8100/order/$N -X PATCH -H "If-Match: $ETAG" -H 'Content-Type: application/json' -d '{"items": [{"product": "notebook-a6", "quantity": 1}, {"product": "ruler-30", "quantity": 1}]}'

# Bo reads the order again, finds the eraser, and sends the lines of both with the new version
ETAG=$(curl -si localhost:8100/order/$N | grep -i ^etag: | cut -d ' ' -f 2 | tr -d '\r'); echo $ETAG
curl -si localhost:8100/order/$N -X PATCH -H "If-Match: $ETAG" -H 'Content-Type: application/json' -d '{"items": [{"product": "notebook-a6", "quantity": 1}, {"product": "eraser", "quantity": 1}, {"product": "ruler-30", "quantity": 1}]}'
