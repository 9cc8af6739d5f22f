//! Mutation score: small mistakes, made mechanically in every lab's reference, and what the lab's checks say of them.
//!
//! Each place of the reference where an operator applies gives a mutant ([`operators`], [`scripts`]). A mutant
//! that does not compile counts apart. Any other has to fail a check of its lab, or be named in
//! `labs/equivalent.toml` with the reason why it is right too ([`equivalent`]). What is left are survivors: mistakes
//! that a student could make and be told nothing of.
//!
//! Verdicts are kept by the digest of all that decides them ([`digest`]), so a run that was ended goes on where it
//! was. `labs/MUTANTS.md` is the result of a whole run ([`page`]).

pub mod command;
pub mod digest;
pub mod edit;
pub mod equivalent;
mod names;
pub mod operators;
pub mod page;
pub mod report;
pub mod run;
pub mod scripts;
