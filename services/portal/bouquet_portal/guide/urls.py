"""URL pattern of the developer guide."""

from django.urls import path

from bouquet_portal.guide import views

urlpatterns = [path("developpeurs", views.guide, name="guide")]
