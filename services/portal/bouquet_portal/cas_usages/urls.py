"""URL patterns of the pages of use cases, which say what data a public service may ask for, and why."""

from django.urls import path

from bouquet_portal.cas_usages import views

urlpatterns = [
    path("cas_usages", views.use_cases, name="use_cases"),
    path("cas_usages/<str:id>", views.use_case, name="use_case"),
]
