"""Addresses of the sandbox explorer."""

from django.urls import path

from bouquet_portal.bac_a_sable import views

ROOT = "developpeurs/bac-a-sable"

urlpatterns = [
    path(ROOT, views.people, name="sandbox"),
    path(f"{ROOT}/personnes/<slug:slug>", views.person, name="sandbox_person"),
    path(f"{ROOT}/situations", views.situations, name="sandbox_situations"),
    path(f"{ROOT}/erreurs", views.errors, name="sandbox_errors"),
    path(f"{ROOT}/cas/<str:operation_id>/<str:name>", views.case, name="sandbox_case"),
    path(f"{ROOT}/essayer/<str:operation_id>", views.console, name="console"),
    path(f"{ROOT}/proposer", views.proposal, name="sandbox_proposal"),
]
