"""Table of the requests in which software editors ask to be listed on the site."""

from __future__ import annotations

from django.db import models


class EditorRequest(models.Model):
    """Request of a software editor to be listed on the site. The owner of its e-mail address has to confirm the
    request."""

    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    """Time at which the owner of the e-mail address confirmed the request; null until then."""
    mail_due_at = models.DateTimeField(null=True)
    """Time from which the confirmation mail may be sent; null once it has been sent."""
    mailed_at = models.DateTimeField(null=True)
    name = models.CharField(max_length=120)
    siret = models.CharField(max_length=14)
    solution = models.CharField(max_length=120)
    website = models.CharField(max_length=200)
    description = models.TextField()
    deployment = models.CharField(max_length=20)
    technologies = models.CharField(max_length=200)
    use_cases = models.TextField()
    """Ids of the use cases that the editor's software serves, separated by spaces."""
    email = models.CharField(max_length=254)
    phone = models.CharField(max_length=30)

    class Meta:
        """Database options: an index on `email`."""

        # Requests are looked up and counted by e-mail address.

        indexes = (models.Index(fields=["email"], name="editor_request_email"),)
