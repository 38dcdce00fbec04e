"""GET /metrics: the service's numbers for Prometheus. Behind the gate like everything: it sends the token as Bearer."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from splatcam.metrics import Service, exposition, registry_of

METHODS = ["GET", "HEAD"]


def metrics_router(service: Service) -> APIRouter:
    router = APIRouter()
    registry = registry_of(service)

    async def metrics(request: Request) -> Response:
        """Takes about a millisecond, on the loop: there the numbers do not change meanwhile."""
        text, content_type = exposition(registry, request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    router.add_api_route("/metrics", metrics, methods=METHODS, include_in_schema=False)
    return router
