"""Log two events with Python. BASE is the API of an advertiser, KEY its key; see docs/ingest.md.

For more than a few events, use tributary_client.py: batches, a queue on disk, and second tries.
"""

import hashlib
import json
import os
import urllib.request
from datetime import datetime, timezone

BASE = os.environ.get("BASE", "http://127.0.0.1:8600/api/buyer/advertisers/12345")
NOW = datetime.now(timezone.utc).isoformat(timespec="seconds")
# SHA-256 of the email, trimmed and in lower case; `tributary hash email` does the same.
HASHED_EMAIL = hashlib.sha256(" User@Example.com ".strip().lower().encode()).hexdigest()

call = {
    "event_source_id": "website_pixel",
    "events": [
        {
            "event_id": "order_70001",
            "event_type": "purchase",
            "event_time": NOW,
            "action_source": "website",
            "event_source_url": "https://shop.example.com/checkout/complete",
            "user_match": {
                "click_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                "click_id_type": "sc3clid",
            },
            "custom_data": {
                "value": 89.99,
                "currency": "USD",
                "order_id": "order_70001",
                "contents": [{"id": "red_shoe_42", "quantity": 1, "price": 89.99}],
            },
        },
        {
            "event_id": "demo_98765",
            "event_type": "custom",
            "custom_event_name": "qualified_demo_booked",
            "event_time": NOW,
            "user_match": {"hashed_email": HASHED_EMAIL},
        },
    ],
}

request = urllib.request.Request(
    f"{BASE}/log-event",
    json.dumps(call).encode(),
    {
        "Authorization": f"Bearer {os.environ['KEY']}",
        "Content-Type": "application/json",
    },
)
with urllib.request.urlopen(request) as response:
    answer = json.load(response)
print(json.dumps(answer))
