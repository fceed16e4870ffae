//! Every fault on every kind of request, at a scripted upstream.

mod campaign;
mod matrix;
mod once;
mod plays;
