"""The registry of a synthetic log: what it says of each event source."""

from flows.generate.rows import SOURCES, UNREGISTERED
from flows.generate.spec import GenerateSpec
from flows.generate.text import advertiser_name, currency, domain


def registry_documents(spec: GenerateSpec) -> list[dict[str, object]]:
    """Describe every source but the unregistered one."""
    return [
        {
            "advertiser_id": advertiser_name(advertiser),
            "event_source_id": source,
            "name": f"{source.replace('_', ' ')} of {domain(advertiser)}",
            "allowed_domains": [domain(advertiser)] if source == "website_pixel" else [],
            "value_currencies": [currency(advertiser)],
        }
        for advertiser in range(spec.advertisers)
        for source in SOURCES[:UNREGISTERED]
    ]
