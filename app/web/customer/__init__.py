"""Pages for customers: the shop with its order form (/), and an order's own page (/orders/LINK)."""
