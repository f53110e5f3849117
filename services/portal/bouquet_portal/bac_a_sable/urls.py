"""URL patterns of the sandbox explorer's pages."""

from django.urls import path

from bouquet_portal.bac_a_sable.views import case_form, console, dossier, explorer, proposal

ROOT = "developpeurs/bac-a-sable"

urlpatterns = [
    path(ROOT, explorer.people, name="sandbox"),
    path(f"{ROOT}/personnes/<slug:slug>", explorer.person, name="sandbox_person"),
    path(f"{ROOT}/situations", explorer.situations, name="sandbox_situations"),
    path(f"{ROOT}/erreurs", explorer.errors, name="sandbox_errors"),
    path(f"{ROOT}/cas/<str:operation_id>/<str:name>", explorer.case, name="sandbox_case"),
    path(f"{ROOT}/essayer/<str:operation_id>", console.console, name="console"),
    path(f"{ROOT}/dossiers", dossier.dossier, name="sandbox_dossier"),
    path(f"{ROOT}/proposer", case_form.case_form_page, name="sandbox_case_form"),
    path(f"{ROOT}/proposer/yaml", proposal.proposal, name="sandbox_proposal"),
]
