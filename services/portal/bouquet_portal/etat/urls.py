"""Address of the page of states."""

from django.urls import path

from bouquet_portal.etat import views

urlpatterns = [path("etat", views.index, name="states")]
