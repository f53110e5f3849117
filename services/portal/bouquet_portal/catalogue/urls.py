"""URL patterns of the catalogue's pages."""

from django.urls import path

from bouquet_portal.catalogue import views

urlpatterns = [
    path("catalogue", views.catalogue, name="catalogue"),
    path("catalogue/<path:uid>/exemple", views.example, name="example"),
    path("catalogue/<path:uid>", views.fiche, name="fiche"),
]
