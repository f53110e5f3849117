"""URL pattern of the page that shows the present state of each API."""

from django.urls import path

from bouquet_portal.etat import views

urlpatterns = [path("etat", views.index, name="states")]
