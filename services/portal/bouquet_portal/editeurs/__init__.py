"""Requests of software editors to be listed on the site. An editor fills in a form and confirms the e-mail address by a
link."""
