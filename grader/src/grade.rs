//! `kit grade`: a submission in, a verdict out that is right, explained and repeatable.

pub mod report;
