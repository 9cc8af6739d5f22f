//! Archives with random damage: whatever comes of them, it comes within the limits.

use super::*;

/// xorshift64*: the same damage in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % most.max(1)
    }
}

fn damage(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let (at, length) = (random.below(bytes.len()), random.below(40));
        let end = (at + length).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at..end].fill([0, 0xff][random.below(2)]),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => bytes[at] = random.below(256) as u8,
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

#[test]
fn a_damaged_archive_that_panics_hangs_or_exceeds_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let zip = zipped(&[
        ("work/02-ring.rs", TEXT),
        ("x", b"y"),
        ("08-break-it.tlb", &[b'#'; 900]),
    ]);
    let tar = tarred(&[
        Member::file("work/02-ring.rs", TEXT),
        Member {
            kind: tar::EntryType::Symlink,
            ..Member::file("y", b"")
        },
        Member {
            kind: tar::EntryType::GNULongName,
            ..Member::file("z", &[b'n'; 300])
        },
        Member::file("08-break-it.tlb", &[b'#'; 900]),
    ]);
    let packed = gzipped(&tar);
    let limits = Limits {
        file: 4096,
        unpacked: 1 << 16,
        entries: 100,
        ..LIMITS
    };
    let (mut random, mut taken_whole, mut refused) = (Random(7), 0, 0);
    for (index, honest) in [&zip, &tar, &packed]
        .into_iter()
        .cycle()
        .take(3000)
        .enumerate()
    {
        let path = folder.path().join("submission");
        fs::write(&path, damage(honest, &mut random)).unwrap();
        let intake = taken(&path, limits);
        for (_, solution) in &intake.solutions {
            match solution {
                Ok(solution) => {
                    assert!(solution.bytes.len() <= 4096, "{index}");
                    taken_whole += 1;
                }
                Err(refusal) => {
                    assert!(
                        !refusal.to_string().contains(char::is_control),
                        "{index}: {refusal}"
                    );
                    refused += 1;
                }
            }
        }
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{index}: {left:?}");
    }
    assert!(
        taken_whole > 150 && refused > 300,
        "{taken_whole} {refused}"
    );
}
