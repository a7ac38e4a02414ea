//! The end-to-end tests, in one binary: a module a subject.

mod cli;
mod main_job;
mod smoke;
mod tour;
