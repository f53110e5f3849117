"""URL pattern of the FAQ (frequent questions)."""

from django.urls import path

from bouquet_portal.faq import views

urlpatterns = [path("faq", views.faq, name="faq")]
