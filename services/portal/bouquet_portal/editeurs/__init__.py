"""Requests of software editors to be listed on the site: the form, the confirmation of the e-mail address by a link,
and the requests stored for operators."""
