"""URL patterns of the pages of error codes."""

from django.urls import path

from bouquet_portal.erreurs import views

urlpatterns = [
    path("developpeurs/erreurs", views.errors, name="errors"),
    path("developpeurs/erreurs/<str:code>", views.error, name="error"),
]
