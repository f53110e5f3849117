"""Page of frequent questions (FAQ), with a search."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from msgspec.structs import replace

from bouquet_portal import search
from bouquet_portal.content.model import Category
from bouquet_portal.site import site


@require_safe
def faq(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "")[:200].strip()
    categories = list(filter(None, (_matching(category, query) for category in site().content.faq)))
    count = sum(len(category.questions) for category in categories)
    return render(request, "faq/faq.html", {"categories": categories, "query": query, "count": count})


def _matching(category: Category, query: str) -> Category | None:
    """Returns a copy of the category with only the questions that contain every word of the search; None if no question
    does."""
    words = search.words(query)
    questions = tuple(
        one
        for one in category.questions
        if search.rank(words, search.simplified(one.title), search.simplified(one.plain)) is not None
    )
    return replace(category, questions=questions) if questions else None
