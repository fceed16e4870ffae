//! Real clients pull through larder from a real registry, and through every row of the fallback matrix.

mod fallback;
mod pulls;
