"""Pages for people: server-rendered, live where a browser runs the one script, whole without it.

Who may see what is grouped by module: shop.py and order_page.py are for customers, desk.py,
shipping.py and mailbox.py for clerks, stock.py and overview.py for managers, events.py for
operators. site.py is what they share; live.py tells open pages that something has changed.
"""
