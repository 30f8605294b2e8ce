"""Route that tells what a media buy has delivered and earned."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from connectors.api.context import BUYER, Api
from connectors.api.description import described_read
from connectors.api.reads.deliveries import deliveries
from connectors.api.reads.delivery_request import request_of
from connectors.api.reads.delivery_schemas import DELIVERED, DELIVERED_EXAMPLE
from connectors.api.rendering import answered

Model = Literal["last_touch", "first_touch", "linear", "time_decay"]


def delivery_router(api: Api) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["Media buys"])

    async def delivered(  # noqa: PLR0913  its parameters are those of the query
        request: Request,
        advertiser_id: str,
        media_buy_id: str,
        *,
        start_date: Annotated[date | None, Query(description="First day, in UTC")] = None,
        end_date: Annotated[date | None, Query(description="Day after the last one")] = None,
        model: Annotated[Model, Query(description="Under which conversions count")] = "last_touch",
        include_package_daily_breakdown: Annotated[
            bool, Query(description="Days, too; needs both dates")
        ] = False,
    ) -> Response:
        """Tell what a media buy has delivered and earned, by package, creative and event type."""

        async def answer() -> Response:
            key = api.caller(request, "read", advertiser_id)
            given = {
                "media_buy_ids": [media_buy_id],
                "start_date": start_date and start_date.isoformat(),
                "end_date": end_date and end_date.isoformat(),
                "attribution_window": {"model": model},
                "include_package_daily_breakdown": include_package_daily_breakdown,
            }
            asked = request_of(advertiser_id, given)
            content = await deliveries(api.asked, key, asked)
            return api.answer({"status": "completed", **content})

        return await answered("media-buys/delivery", answer)

    shown = described_read(
        DELIVERED,
        DELIVERED_EXAMPLE,
        status_404="No such advertiser for this API key, or no such media buy",
    )
    for prefix in BUYER:
        path = f"{prefix}/media-buys/{{media_buy_id}}/delivery"
        router.get(path, summary="What a media buy has delivered", **shown)(delivered)
    return router
