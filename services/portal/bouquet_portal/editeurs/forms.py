"""Form by which a software editor (vendor of software for administrations) asks to be listed on the site."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator, URLValidator
from django.http import QueryDict

from bouquet_portal.site import site

DEPLOYMENTS = (
    ("saas", "En ligne, hébergé par vous (SaaS)"),
    ("on_site", "Installé chez le client"),
    ("both", "L'un ou l'autre, selon le client"),
)
BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Invisible characters that change the direction of text. A line with such characters could look like another line."""
LA_POSTE = "356000000"
"""SIREN of La Poste. Its SIRET numbers have another checksum than usual."""


def check_line(text: str) -> None:
    """Raises `ValidationError` if a text contains a control character, such as a line break, or a character in
    `BIDIRECTIONAL`."""
    if any(unicodedata.category(letter) == "Cc" or letter in BIDIRECTIONAL for letter in text):
        raise ValidationError("Retirez les caractères invisibles ou les retours à la ligne.")


def check_siret(siret: str) -> None:
    """Raises `ValidationError` unless the text is a SIRET: 14 digits with a valid checksum."""
    if not re.fullmatch("[0-9]{14}", siret):
        raise ValidationError("Un SIRET a 14 chiffres.")
    digits = [int(digit) for digit in siret]
    doubled = sum(sum(divmod(digit * (2 - n % 2), 10)) for n, digit in enumerate(digits))
    if doubled % 10 and not (siret.startswith(LA_POSTE) and sum(digits) % 5 == 0):
        raise ValidationError("Ce SIRET n'existe pas : vérifiez ses chiffres.")


class Line(forms.CharField):
    """Form field for a text of one line."""

    default_validators = [check_line]


class Siret(forms.CharField):
    """Form field for a SIRET. Accepts spaces between its digits."""

    default_validators = [check_siret]

    def to_python(self, value: Any) -> str:
        return "".join(str(super().to_python(value) or "").split())


class WebAddress(forms.URLField):
    """Form field for the address of a web page, `http` or `https`."""

    default_validators = [URLValidator(schemes=("http", "https"))]


class EditorForm(forms.Form):
    """Form by which a software editor asks to be listed. Texts are limited to the length of their columns in the
    database."""

    name = Line(
        label="Nom de l'entreprise ou de l'organisme",
        max_length=120,
        widget=forms.TextInput({"autocomplete": "organization"}),
    )
    siret = Siret(
        label="SIRET",
        max_length=20,
        help_text="14 chiffres, avec ou sans espaces.",
        widget=forms.TextInput({"autocomplete": "off", "inputmode": "numeric"}),
    )
    solution = Line(
        label="Nom du logiciel ou du service", max_length=120, widget=forms.TextInput({"autocomplete": "off"})
    )
    website = WebAddress(
        label="Page qui le présente",
        required=False,
        max_length=200,
        assume_scheme="https",
        help_text="Par exemple https://editeur.example/logiciel.",
        widget=forms.TextInput({"autocomplete": "url", "inputmode": "url"}),
    )
    description = forms.CharField(
        label="Ce qu'il fait, et pour qui",
        max_length=1000,
        help_text="En quelques phrases, 1 000 caractères au plus.",
        widget=forms.Textarea({"rows": 6, "class": "prose-input"}),
    )
    deployment = forms.ChoiceField(label="Déploiement", choices=DEPLOYMENTS, widget=forms.RadioSelect)
    use_cases = forms.MultipleChoiceField(
        label="Cas d'usage",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Ceux que le logiciel couvre.",
    )
    technologies = Line(
        label="Langages de programmation",
        required=False,
        max_length=200,
        help_text="Pour savoir quelles bibliothèques d'exemple vous seraient utiles.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    email = forms.EmailField(
        label="Adresse électronique de contact",
        max_length=254,
        help_text="Un message y sera envoyé, avec un lien pour confirmer. Préférez une adresse d'équipe.",
        widget=forms.EmailInput({"autocomplete": "email"}),
    )
    phone = Line(
        label="Téléphone",
        required=False,
        max_length=30,
        validators=[RegexValidator(r"^[0-9+(). -]*\Z", "Un numéro de téléphone, en chiffres.")],
        widget=forms.TextInput({"autocomplete": "tel", "type": "tel"}),
    )
    agreement = forms.BooleanField(
        label="J'accepte que ces informations soient conservées pour étudier la demande et nous contacter.",
        error_messages={"required": "Cochez cette case pour que la demande puisse être conservée."},
    )

    use_required_attribute = False

    def __init__(self, sent: QueryDict | None = None) -> None:
        super().__init__(sent, label_suffix="")
        use_cases = self.fields["use_cases"]
        assert isinstance(use_cases, forms.MultipleChoiceField)
        use_cases.choices = [(case.id, case.title) for case in site().content.use_cases]
        for name in self.errors if self.is_bound else ():
            if name in self.fields:
                self.fields[name].widget.attrs["aria-invalid"] = "true"

    def values(self) -> dict[str, str]:
        """Returns the validated values, keyed by the names of the columns of `EditorRequest`."""
        values = {name: value for name, value in self.cleaned_data.items() if name != "agreement"}
        return values | {"use_cases": " ".join(values["use_cases"]), "email": values["email"].lower()}
