"""Pages for managers: products and their stock (/stock), and the overview (/overview)."""
