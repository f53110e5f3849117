"""URL patterns of the pages on which software editors ask to be listed."""

from django.urls import path

from bouquet_portal.editeurs import views

ROOT = "editeurs/referencement"

urlpatterns = [
    path(ROOT, views.request, name="editor_request"),
    path(f"{ROOT}/envoye", views.stored, {"is_sent": True}, name="editor_request_sent"),
    path(f"{ROOT}/enregistre", views.stored, {"is_sent": False}, name="editor_request_deferred"),
    path(f"{ROOT}/confirme", views.done, {"act": "confirmed"}, name="editor_request_confirmed"),
    path(f"{ROOT}/supprime", views.done, {"act": "removed"}, name="editor_request_removed"),
    path(f"{ROOT}/confirmer/<str:token>", views.confirmation, name="editor_confirmation"),
]
