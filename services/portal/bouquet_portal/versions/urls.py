"""URL patterns of the pages on versions."""

from django.urls import path

from bouquet_portal.versions import views

urlpatterns = [
    path("developpeurs/versions", views.versions, name="versions"),
    path("developpeurs/versions/<path:uid>", views.changes, name="version_changes"),
]
