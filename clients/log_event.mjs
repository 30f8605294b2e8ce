// Log two events with JavaScript (Node 18 or newer). BASE is the API of an advertiser, KEY its key;
// see docs/ingest.md. Run it on a server: a key in a web page is everybody's key.

import { createHash } from "node:crypto";

const BASE = process.env.BASE ?? "http://127.0.0.1:8600/api/buyer/advertisers/12345";
const NOW = new Date().toISOString();
// SHA-256 of the email, trimmed and in lower case; `tributary hash email` does the same.
const email = " User@Example.com ".trim().toLowerCase();
const HASHED_EMAIL = createHash("sha256").update(email).digest("hex");

const call = {
  event_source_id: "website_pixel",
  events: [
    {
      event_id: "order_70001",
      event_type: "purchase",
      event_time: NOW,
      action_source: "website",
      event_source_url: "https://shop.example.com/checkout/complete",
      user_match: {
        click_id: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        click_id_type: "sc3clid",
      },
      custom_data: {
        value: 89.99,
        currency: "USD",
        order_id: "order_70001",
        contents: [{ id: "red_shoe_42", quantity: 1, price: 89.99 }],
      },
    },
    {
      event_id: "demo_98765",
      event_type: "custom",
      custom_event_name: "qualified_demo_booked",
      event_time: NOW,
      user_match: { hashed_email: HASHED_EMAIL },
    },
  ],
};

const response = await fetch(`${BASE}/log-event`, {
  method: "POST",
  headers: {
    Authorization: `Bearer ${process.env.KEY}`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify(call),
});
const answer = await response.json();
console.log(JSON.stringify(answer));
process.exitCode = response.ok ? 0 : 1;
