#!/bin/sh
# Log two events with cURL. BASE is the API of an advertiser, KEY its key; see docs/ingest.md.
set -eu
BASE=${BASE:-http://127.0.0.1:8600/api/buyer/advertisers/12345}
NOW=$(date -u +%Y-%m-%dT%H:%M:%SZ)
# SHA-256 of the email, trimmed and in lower case; `tributary hash email` does the same.
HASHED_EMAIL=$(printf %s "user@example.com" | sha256sum | cut -d " " -f 1)

curl --fail-with-body --silent --show-error "$BASE/log-event" \
  -H "Authorization: Bearer $KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "event_source_id": "website_pixel",
    "events": [
      {
        "event_id": "order_70001",
        "event_type": "purchase",
        "event_time": "'"$NOW"'",
        "action_source": "website",
        "event_source_url": "https://shop.example.com/checkout/complete",
        "user_match": {
          "click_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
          "click_id_type": "sc3clid"
        },
        "custom_data": {
          "value": 89.99,
          "currency": "USD",
          "order_id": "order_70001",
          "contents": [{"id": "red_shoe_42", "quantity": 1, "price": 89.99}]
        }
      },
      {
        "event_id": "demo_98765",
        "event_type": "custom",
        "custom_event_name": "qualified_demo_booked",
        "event_time": "'"$NOW"'",
        "user_match": {"hashed_email": "'"$HASHED_EMAIL"'"}
      }
    ]
  }'
