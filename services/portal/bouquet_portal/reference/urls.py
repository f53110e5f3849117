"""Addresses of the API reference and of the OpenAPI files."""

from django.urls import path

from bouquet_portal.reference import views

urlpatterns = [
    path("developpeurs/openapi", views.index, name="reference"),
    path("developpeurs/openapi/<str:operation_id>", views.operation, name="operation"),
    path("open-api.yml", views.file, {"edition": "all"}, name="openapi-all"),
    path("open-api-v2.yml", views.file, {"edition": "v2"}, name="openapi-v2"),
    path("open-api-v3.yml", views.file, {"edition": "v3"}, name="openapi-v3"),
    path("open-api-without-deprecated-paths.yml", views.file, {"edition": "current"}, name="openapi-current"),
]
