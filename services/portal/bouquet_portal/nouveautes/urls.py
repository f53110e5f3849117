"""URL patterns of the changelog."""

from django.urls import path

from bouquet_portal.nouveautes import views

urlpatterns = [
    path("nouveautes", views.changes, name="changes"),
    path("nouveautes.atom", views.feed, name="changes_feed"),
]
