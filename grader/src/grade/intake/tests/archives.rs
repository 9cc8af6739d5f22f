//! Archives: honest ones taken, hostile ones named.

use super::*;

/// The places of all `needle`s.
fn places(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(needle.len()).enumerate();
    windows
        .filter(|(_, window)| *window == needle)
        .map(|(place, _)| place)
        .collect()
}

/// Replaces `old` by `new`, of equal length, everywhere or at the last place alone.
fn patched(mut bytes: Vec<u8>, old: &[u8], new: &[u8], everywhere: bool) -> Vec<u8> {
    let places = places(&bytes, old);
    let skip = if everywhere { 0 } else { places.len() - 1 };
    for place in &places[skip..] {
        bytes[*place..place + new.len()].copy_from_slice(new);
    }
    bytes
}

#[track_caller]
fn damaged(intake: &Intake, says: &str) {
    match intake.refusal() {
        Refusal::Damaged(_, said) => assert!(said.contains(says), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_honest_archive_refused() {
    let zip = zipped(&[("work/02-ring.rs", TEXT), ("notes.txt", b"")]);
    let tar = tarred(&[
        Member::file("work/02-ring.rs", TEXT),
        Member::file("notes.txt", b""),
    ]);
    let packed = gzipped(&tar);
    // By what they begin with, whatever they are called.
    for (name, bytes) in [
        ("a.zip", &zip),
        ("a.tar", &tar),
        ("a.tgz", &packed),
        ("a", &zip),
        ("b", &packed),
    ] {
        let intake = archived(name, bytes);
        assert_eq!(intake.ring(), TEXT, "{name}");
        intake.ignores("notes.txt", "no lab's solution");
    }
    // A path of more than 100 bytes is an extension of tar.
    let long = format!("{}/02-ring.rs", "a".repeat(200));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(TEXT.len() as u64);
    builder.append_data(&mut header, &long, TEXT).unwrap();
    assert_eq!(
        archived("a.tar", &builder.into_inner().unwrap()).ring(),
        TEXT
    );
}

#[test]
fn a_zip_that_was_written_to_a_pipe_refused() {
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    writer
        .start_file("02-ring.rs", SimpleFileOptions::default())
        .unwrap();
    writer.write_all(TEXT).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert_eq!(archived("a.zip", &bytes).ring(), TEXT);
}

#[test]
fn a_path_written_on_windows_not_understood() {
    let zip = zipped(&[(r"work\02-ring.rs", TEXT)]);
    assert_eq!(archived("a.zip", &zip).ring(), TEXT);
    let zip = zipped(&[(r"..\02-ring.rs", TEXT)]);
    assert!(
        matches!(archived("a.zip", &zip).refusal(), Refusal::Name(_, why) if why.contains(".."))
    );
}

#[test]
fn a_path_out_of_the_archive_taken() {
    for (name, says) in [
        (&b"../../02-ring.rs"[..], ".."),
        (b"/tmp/02-ring.rs", "absolute"),
        (b"\xff\xfe/02-ring.rs", "UTF-8"),
        (b"a\x01/02-ring.rs", "control"),
    ] {
        let member = Member {
            name,
            ..Member::file("", TEXT)
        };
        let intake = archived("a.tar", &tarred(&[member]));
        assert!(
            matches!(intake.refusal(), Refusal::Name(_, why) if why.contains(says)),
            "{says}"
        );
    }
    // Beside a right one it is another of the name.
    let zip = zipped(&[("02-ring.rs", TEXT), ("../02-ring.rs", b"evil")]);
    assert!(matches!(
        archived("a.zip", &zip).refusal(),
        Refusal::Several(..)
    ));
    // One that is called otherwise is only ignored.
    let zip = zipped(&[("02-ring.rs", TEXT), ("../../evil.rs", b"evil")]);
    let intake = archived("a.zip", &zip);
    assert_eq!(intake.ring(), TEXT);
    intake.ignores("../../evil.rs", "..");
}

#[test]
fn a_link_or_device_in_an_archive_taken_for_a_file() {
    for (kind, says) in [
        (tar::EntryType::Symlink, "a symbolic link"),
        (tar::EntryType::Link, "a hard link"),
        (tar::EntryType::Char, "a device"),
        (tar::EntryType::Block, "a device"),
        (tar::EntryType::Fifo, "a pipe"),
        (tar::EntryType::Directory, "a folder"),
        (tar::EntryType::new(b'V'), "of an unknown kind"),
    ] {
        let member = Member {
            kind,
            ..Member::file(RING, b"")
        };
        let intake = archived("a.tar", &tarred(&[member]));
        assert!(
            matches!(intake.refusal(), Refusal::NotAFile(_, what) if *what == says),
            "{says}"
        );
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .add_symlink(RING, "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    let zip = writer.finish().unwrap().into_inner();
    assert!(matches!(
        archived("a.zip", &zip).refusal(),
        Refusal::NotAFile(_, "a symbolic link")
    ));
}

#[test]
fn a_name_that_comes_twice_or_with_a_twin_taken_once() {
    let twice = tarred(&[Member::file(RING, TEXT), Member::file(RING, b"other")]);
    assert!(matches!(
        archived("a.tar", &twice).refusal(),
        Refusal::Several(..)
    ));
    let zip = zipped(&[("02-ring.rs", TEXT), ("02-ringers", b"other")]);
    let zip = patched(zip, b"02-ringers", b"02-ring.rs", true);
    damaged(&archived("a.zip", &zip), "duplicate");
    let twins = zipped(&[("02-ring.rs", TEXT), ("02-RING.rs", b"other")]);
    assert!(matches!(
        archived("a.zip", &twins).refusal(),
        Refusal::Several(..)
    ));
    let wide = zipped(&[("02-ring.rs", TEXT), ("０２-ring.rs", b"other")]);
    assert!(matches!(
        archived("a.zip", &wide).refusal(),
        Refusal::Several(..)
    ));
}

#[test]
fn an_encrypted_zip_read_as_if_it_were_not() {
    // The flag, in the entry's own header and in the directory's.
    let mut zip = zipped(&[(RING, TEXT)]);
    for (start, at) in [(&b"PK\x03\x04"[..], 6), (b"PK\x01\x02", 8)] {
        let place = places(&zip, start)[0];
        zip[place + at] |= 1;
    }
    assert!(matches!(
        archived("a.zip", &zip).refusal(),
        Refusal::Encrypted(_)
    ));
}

#[test]
fn a_zip_whose_directory_and_headers_disagree_taken() {
    let zip = zipped(&[(RING, TEXT)]);
    damaged(
        &archived(
            "a.zip",
            &patched(zip.clone(), b"02-ring.rs", b"02-evil.rs", false),
        ),
        "header",
    );
    // A file that only programs which read from the front would see.
    let hidden = zipped(&[(RING, b"hidden")]);
    let end = places(&hidden, b"PK\x01\x02")[0];
    let mut both = hidden[..end].to_vec();
    both.extend_from_slice(&zip);
    assert!(archived("a.zip", &both).solutions[0].1.is_err());
    // Sizes that are not so.
    let mut lies = zip.clone();
    let place = places(&lies, b"PK\x01\x02")[0];
    lies[place + 24..place + 28].copy_from_slice(&u32::MAX.to_le_bytes());
    damaged(&archived("a.zip", &lies), "");
    // Text that was changed on the way.
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(RING, stored).unwrap();
    writer.write_all(TEXT).unwrap();
    let zip = writer.finish().unwrap().into_inner();
    damaged(
        &archived("a.zip", &patched(zip, b"Lab 2", b"Lab 3", true)),
        "checksum",
    );
}

#[test]
fn overlapping_entries_each_unpacked() {
    let zip = zipped(&[(RING, TEXT), ("02-ringers", TEXT)]);
    // Both entries of the directory point at the first.
    let mut overlap = zip;
    let second = places(&overlap, b"PK\x01\x02")[1];
    overlap[second + 42..second + 46].copy_from_slice(&0u32.to_le_bytes());
    damaged(&archived("a.zip", &overlap), "");
}

#[test]
fn a_bomb_that_goes_off() {
    let zeros = vec![0; (LIMITS.file + 1) as usize];
    let zip = zipped(&[(RING, &zeros)]);
    assert!(zip.len() < 10_000);
    assert!(matches!(
        archived("a.zip", &zip).refusal(),
        Refusal::File(..)
    ));
    // One that nobody asks for is not touched.
    let zip = zipped(&[(RING, TEXT), ("bomb", &zeros)]);
    assert_eq!(archived("a.zip", &zip).ring(), TEXT);
    let tar = tarred(&[Member::file(RING, &zeros)]);
    assert!(matches!(
        archived("a.tar", &tar).refusal(),
        Refusal::File(..)
    ));
    let packed = gzipped(&tarred(&[
        Member::file(RING, TEXT),
        Member::file("x", &zeros),
    ]));
    assert_eq!(
        archived("a.tgz", &packed).refusal(),
        &Refusal::Ratio(LIMITS.ratio)
    );
    let limits = Limits {
        unpacked: 1 << 16,
        ..LIMITS
    };
    assert_eq!(
        limited("a.tgz", &packed, limits).refusal(),
        &Refusal::Unpacked(1 << 16)
    );
    let limits = Limits {
        archive: 100,
        ..LIMITS
    };
    assert_eq!(
        limited("a.tgz", &packed, limits).refusal(),
        &Refusal::Archive(100)
    );
}

#[test]
fn a_million_entries_listed() {
    let names: Vec<String> = (0..40).map(|index| format!("{index}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let members: Vec<Member<'_>> = names.iter().map(|name| Member::file(name, b"")).collect();
    let limits = Limits {
        entries: 30,
        ..LIMITS
    };
    for bytes in [zipped(&files), tarred(&members)] {
        assert_eq!(
            limited("a", &bytes, limits).refusal(),
            &Refusal::Entries(30)
        );
    }
}

#[test]
fn a_sparse_file_without_end_read() {
    // One hole of eight exabytes.
    let mut header = tar::Header::new_gnu();
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..RING.len()].copy_from_slice(RING.as_bytes());
    gnu.set_real_size(1 << 62);
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(0);
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.resize(512 + 1024, 0);
    let intake = archived("a.tar", &tar);
    assert!(
        matches!(
            intake.refusal(),
            Refusal::NotAFile(..) | Refusal::Damaged(..)
        ),
        "{intake:?}"
    );
}

#[test]
fn a_size_that_the_archive_does_not_have_waited_for() {
    let member = Member {
        size: 1 << 33,
        ..Member::file(RING, TEXT)
    };
    let intake = archived("a.tar", &tarred(&[member]));
    assert!(
        matches!(intake.refusal(), Refusal::Damaged("tar", _)),
        "{intake:?}"
    );
}

#[test]
fn an_archive_in_an_archive_opened() {
    let inner = zipped(&[(RING, TEXT)]);
    let intake = archived("a.zip", &zipped(&[("inner.zip", &inner)]));
    assert!(matches!(intake.refusal(), Refusal::Missing(_)));
    intake.ignores("inner.zip", "no lab's solution");
}

#[test]
fn a_damaged_or_foreign_archive_taken_for_a_solution() {
    let zip = zipped(&[(RING, TEXT)]);
    let tar = tarred(&[Member::file(RING, TEXT)]);
    let packed = gzipped(&tar);
    for (name, bytes, kind) in [
        ("a.zip", &zip[..zip.len() - 9], "zip"),
        ("a.zip", &zip[..20], "zip"),
        ("a.tgz", &packed[..packed.len() - 9], "tar.gz"),
        ("a.tar", &tar[..600 - 80], "tar"),
        (
            "a.tar",
            &patched(tar.clone(), b"02-ring.rs", b"02-rong.rs", true),
            "tar",
        ),
        ("a.zip", b"", "zip"),
        ("a.tar.gz", b"text", "tar.gz"),
        ("a.tgz", &gzipped(TEXT), "tar.gz"),
    ] {
        let intake = archived(name, bytes);
        let refusal = intake.refusal();
        assert!(
            matches!(refusal, Refusal::Damaged(told, _) if *told == kind),
            "{name}: {refusal:?}"
        );
    }
    for (bytes, kind) in [
        (&b"7z\xbc\xaf\x27\x1c"[..], "7z"),
        (b"Rar!\x1a\x07\x00", "rar"),
        (b"\xfd7zXZ\x00", "xz"),
    ] {
        assert_eq!(archived("a", bytes).refusal(), &Refusal::Kind(kind));
    }
}

#[test]
fn bytes_after_the_end_taken_or_not_told_of() {
    let mut packed = gzipped(&tarred(&[Member::file(RING, TEXT)]));
    packed.extend_from_slice(b"garbage");
    let intake = archived("a.tgz", &packed);
    assert_eq!(intake.ring(), TEXT);
    intake.ignores("7 bytes after the archive's end", "do not belong");
    // After a zip archive they are no comment that it announces.
    let mut zip = zipped(&[(RING, TEXT)]);
    zip.extend_from_slice(b"garbage");
    let intake = archived("a.zip", &zip);
    assert_eq!(intake.ring(), TEXT, "{intake:?}");
}
