"""URL patterns of the legal pages, the site map and `robots.txt`."""

from django.urls import path

from bouquet_portal.legal import views

urlpatterns = [
    *(path(slug, views.page, {"slug": slug}, name=slug) for slug in views.PAGES),
    path("plan-du-site", views.site_map, name="site_map"),
    path("robots.txt", views.robots, name="robots"),
    path("sitemap.xml", views.site_map_xml, name="site_map_xml"),
]
