"""URL pattern of the page that shows whether each API works now."""

from django.urls import path

from bouquet_portal.etat import views

urlpatterns = [path("etat", views.index, name="states")]
