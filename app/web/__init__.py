"""The web pages: rendered by the server, refreshed by one script, and complete without it.

Each folder holds the pages of one role: customer/, clerk/, manager/, operator/, and sign_in/ for
everybody. layout/ is what they share: context, forms, redirects and the event stream. routes.py
registers them all.
"""
