//! The end-to-end tests, in one binary: a module a subject.

mod smoke;
mod tour;
