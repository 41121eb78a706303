-- Creates the shop's user, who may see how far standbys are behind, and its database.
\getenv password SHOP_PASSWORD
CREATE ROLE shop LOGIN PASSWORD :'password' IN ROLE pg_read_all_stats;
CREATE DATABASE shop OWNER shop;
