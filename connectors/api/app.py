"""The HTTP API, built from what it is given.

Bodies are read and judged by our own code; the framework routes and describes.
"""

from fastapi import FastAPI

from connectors.api.context import Api
from connectors.api.limits import LimitedApp
from connectors.api.routes.ecapi import ecapi_router
from connectors.api.routes.events import events_router
from connectors.api.routes.operations import operations_router
from connectors.api.routes.sources import sources_router
from connectors.release import release


def build_app(api: Api) -> LimitedApp:
    """Return the application."""
    app = FastAPI(title="Tributary", version=release(), docs_url="/docs", redoc_url=None)
    for router in (events_router, ecapi_router, sources_router, operations_router):
        app.include_router(router(api))
    return LimitedApp(app, api.rates.limits.calls_at_once)
