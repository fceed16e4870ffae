//! What the mirror promises, at a scripted upstream.

mod abort;
mod auth;
mod dead_family;
mod face;
mod families;
mod integrity;
mod listing;
mod names;
mod offline;
mod protocols;
mod ranges;
mod referrers;
mod resume;
mod service;
mod single_flight;
mod tags;
mod visibility;
