"""URL patterns of the API reference and of the OpenAPI files."""

from django.urls import path

from bouquet_portal.reference import views
from bouquet_portal.reference.editions import EDITIONS

urlpatterns = [
    path("developpeurs/openapi", views.index, name="reference"),
    path("developpeurs/openapi/swagger-ui/<str:edition>", views.swagger, name="swagger"),
    path("developpeurs/openapi/<str:operation_id>", views.operation, name="operation"),
    *(
        path(edition.path, views.file, {"edition": edition.name}, name=f"openapi-{edition.name}")
        for edition in EDITIONS
    ),
]
