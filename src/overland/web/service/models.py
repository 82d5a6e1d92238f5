"""The routes of models: what the server offers."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from overland.web.desk import Desk
from overland.web.service.problems import documented
from overland.web.service.views import model_view, plain

__all__ = ["models_router"]


def models_router(desk: Desk) -> APIRouter:
    """The routes, on a desk."""
    router = APIRouter()

    @router.get("/v1/models", summary="List the models", responses=documented(401))
    async def list_models() -> JSONResponse:
        """Name, classes with colours, bands, pixel type and size of each model."""
        return JSONResponse({"models": [model_view(name, bundle) for name, bundle in sorted(desk.models.items())]})

    @router.get("/v1/models/{name}", summary="Look at a model", responses=documented(401, 404))
    async def look(name: str) -> JSONResponse:
        """The same of one model, with its scores and its card (Markdown)."""
        desk.check_model(name)
        bundle = desk.models[name]
        card = bundle.graph_path.with_name("README.md").read_text(encoding="utf-8")
        return JSONResponse(model_view(name, bundle) | {"metrics": plain(bundle.metrics), "card": card})

    return router
