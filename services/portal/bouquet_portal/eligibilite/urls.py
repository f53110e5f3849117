"""URL pattern of the page on eligibility."""

from django.urls import path

from bouquet_portal.eligibilite import views

urlpatterns = [path("eligibilite", views.eligibility, name="eligibility")]
