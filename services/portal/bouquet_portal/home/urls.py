"""URL pattern of the home page."""

from django.urls import path

from bouquet_portal.home import views

urlpatterns = [path("", views.home, name="home")]
