//! The names of the kernel's functions, for its backtraces.

use std::fmt::Write;

use object::{Object, ObjectSymbol, SymbolKind};

/// One line for each function of an ELF image, sorted by address: `hex-address<space>demangled-name`.
/// The address has no prefix; of several names at one address the first in the alphabet is kept, so that
/// equal images give equal tables.
///
/// # Errors
/// Whatever is wrong with the image.
pub fn table(image: &[u8]) -> Result<String, object::Error> {
    let file = object::File::parse(image)?;
    let mut functions: Vec<(u64, String)> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
        .filter_map(|symbol| Some((symbol.address(), readable(symbol.name().ok()?))))
        .collect();
    functions.sort();
    functions.dedup_by_key(|(address, _)| *address);
    let mut text = String::new();
    for (address, name) in functions {
        let _ = writeln!(text, "{address:x} {name}");
    }
    Ok(text)
}

/// The demangled name without its hash, on one line.
fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name)).replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_out_of_order_or_with_hashes() {
        let image = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let table = table(&image).unwrap();
        let rows: Vec<(u64, &str)> = table
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(address, name)| (u64::from_str_radix(address, 16).unwrap(), name))
            .collect();
        assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(
            rows.iter()
                .any(|(_, name)| *name == "grader::symbols::table"),
            "this very function is listed"
        );
    }

    #[test]
    fn a_file_that_is_no_elf_taken_for_an_empty_table() {
        assert!(table(b"#!/bin/sh\n").is_err());
    }
}
