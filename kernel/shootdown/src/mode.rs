//! The modes of address translation, which decide what each operation does.

use core::fmt;

/// What a machine's address translation uses.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Features {
    /// Process-context identifiers (CR4.PCIDE): the TLB keeps several spaces' translations apart
    /// by a 12-bit tag.
    pub pcid: bool,
    /// The INVPCID instruction.
    pub invpcid: bool,
    /// Page-table isolation: user mode runs on tables of its own, without the kernel.
    pub pti: bool,
}

/// The mode of address translation: which column of the operation table applies. Chosen once, at
/// start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mode {
    /// No PCIDs: loading CR3 forgets all but global translations. With page-table isolation too,
    /// since every way into user mode then loads CR3.
    Plain,
    /// PCIDs, invalidated by INVLPG and CR3 loads.
    Pcid,
    /// The same with page-table isolation: each space has a second PCID for its user tables.
    PcidPti,
    /// PCIDs and INVPCID.
    Invpcid,
    /// The same with page-table isolation.
    InvpcidPti,
}

/// What the person who starts a machine wants of address translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Just this mode; the rest then counts for nothing.
    pub mode: Option<Mode>,
    /// PCIDs where the CPU has them.
    pub pcid: bool,
    /// INVPCID where there are PCIDs and the CPU has it.
    pub invpcid: bool,
    /// Page-table isolation.
    pub pti: bool,
}

impl Default for Wanted {
    /// All that the CPU has, as FreeBSD. Not page-table isolation, which that turns on for CPUs that Meltdown reads
    /// through: where a machine drops all at every CR3 write, isolation leaves nothing in a TLB that could be stale.
    fn default() -> Self {
        Wanted {
            mode: None,
            pcid: true,
            invpcid: true,
            pti: false,
        }
    }
}

impl Wanted {
    /// What is used on a CPU that has `cpu`, and why not all that was asked for. [`Mode::choose`] never refuses it.
    pub const fn on(self, cpu: Features) -> (Features, Option<Unsupported>) {
        let pcid = self.pcid && cpu.pcid;
        let by_itself = Features {
            pcid,
            invpcid: self.invpcid && pcid && cpu.invpcid,
            pti: self.pti,
        };
        let Some(mode) = self.mode else {
            return (by_itself, None);
        };
        let exact = match mode {
            // With or without it the operations are the same.
            Mode::Plain => Features {
                pti: self.pti,
                ..mode.features()
            },
            _ => mode.features(),
        };
        match exact.on(cpu) {
            Ok(features) => (features, None),
            Err(missing) => (by_itself, Some(missing)),
        }
    }
}

/// Why a mode cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsupported {
    /// The CPU does not have the feature of this name.
    Missing(&'static str),
    /// INVPCID was asked for without PCIDs, and has nothing to work on.
    InvpcidWithoutPcid,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsupported::Missing(name) => write!(f, "this CPU has no {name}"),
            Unsupported::InvpcidWithoutPcid => f.write_str("INVPCID needs PCIDs, which are off"),
        }
    }
}

impl core::error::Error for Unsupported {}

impl Features {
    /// These features, if a CPU that has `cpu` can provide them. Page-table isolation needs
    /// nothing of the CPU.
    ///
    /// # Errors
    /// [`Unsupported::Missing`] names the first that it cannot.
    pub const fn on(self, cpu: Features) -> Result<Features, Unsupported> {
        if self.pcid && !cpu.pcid {
            return Err(Unsupported::Missing("PCIDs"));
        }
        if self.invpcid && !cpu.invpcid {
            return Err(Unsupported::Missing("INVPCID"));
        }
        Ok(self)
    }
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 5] = [
        Mode::Plain,
        Mode::Pcid,
        Mode::PcidPti,
        Mode::Invpcid,
        Mode::InvpcidPti,
    ];

    /// The mode that uses exactly `features`; check them against the CPU with [`Features::on`].
    ///
    /// # Errors
    /// [`Unsupported::InvpcidWithoutPcid`].
    pub const fn choose(features: Features) -> Result<Mode, Unsupported> {
        match features {
            Features {
                pcid: false,
                invpcid: true,
                ..
            } => Err(Unsupported::InvpcidWithoutPcid),
            Features {
                pcid: false,
                invpcid: false,
                ..
            } => Ok(Mode::Plain),
            Features {
                pcid: true,
                invpcid: false,
                pti: false,
            } => Ok(Mode::Pcid),
            Features {
                pcid: true,
                invpcid: false,
                pti: true,
            } => Ok(Mode::PcidPti),
            Features {
                pcid: true,
                invpcid: true,
                pti: false,
            } => Ok(Mode::Invpcid),
            Features {
                pcid: true,
                invpcid: true,
                pti: true,
            } => Ok(Mode::InvpcidPti),
        }
    }

    /// The least that it uses: [`choose`](Mode::choose) gives the mode back for it.
    pub const fn features(self) -> Features {
        Features {
            pcid: self.has_pcid(),
            invpcid: matches!(self, Mode::Invpcid | Mode::InvpcidPti),
            pti: matches!(self, Mode::PcidPti | Mode::InvpcidPti),
        }
    }

    /// The name by which people and files call it.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Plain => "plain",
            Mode::Pcid => "pcid",
            Mode::PcidPti => "pcid+pti",
            Mode::Invpcid => "invpcid",
            Mode::InvpcidPti => "invpcid+pti",
        }
    }

    /// Whether the TLB tags translations with a PCID.
    #[inline(always)]
    pub const fn has_pcid(self) -> bool {
        !matches!(self, Mode::Plain)
    }

    /// Whether a space has user tables, with a PCID of their own.
    #[inline(always)]
    pub const fn has_user_pcid(self) -> bool {
        matches!(self, Mode::PcidPti | Mode::InvpcidPti)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_mode_the_cpu_lacks_is_refused_by_name() {
        let wanted = Features {
            pcid: true,
            invpcid: true,
            pti: true,
        };
        let cpu = Features {
            pcid: true,
            invpcid: false,
            pti: false,
        };
        let refused = wanted.on(cpu).unwrap_err();
        assert_eq!(refused.to_string(), "this CPU has no INVPCID");
        assert_eq!(
            wanted.on(Features::default()),
            Err(Unsupported::Missing("PCIDs"))
        );
        let possible = Features {
            invpcid: false,
            ..wanted
        };
        assert_eq!(possible.on(cpu).and_then(Mode::choose), Ok(Mode::PcidPti));
    }

    const ALL: Features = Features {
        pcid: true,
        invpcid: true,
        pti: false,
    };

    /// The mode that a CPU with `cpu` gets, and whether something asked for was refused.
    fn mode(wanted: Wanted, cpu: Features) -> (Mode, bool) {
        let (features, refused) = wanted.on(cpu);
        (Mode::choose(features).unwrap(), refused.is_some())
    }

    #[test]
    fn a_feature_used_that_the_cpu_lacks_or_that_was_declined() {
        let wanted = Wanted::default();
        let cpu = |pcid, invpcid| Features {
            pcid,
            invpcid,
            pti: false,
        };
        assert_eq!(mode(wanted, ALL), (Mode::Invpcid, false));
        assert_eq!(mode(wanted, cpu(true, false)), (Mode::Pcid, false));
        // INVPCID alone has nothing to work on.
        assert_eq!(mode(wanted, cpu(false, true)), (Mode::Plain, false));
        let pti = Wanted {
            pti: true,
            ..wanted
        };
        assert_eq!(mode(pti, ALL), (Mode::InvpcidPti, false));
        assert_eq!(mode(pti, cpu(false, false)), (Mode::Plain, false));
        assert!(pti.on(cpu(false, false)).0.pti);
        let without = |pcid, invpcid| Wanted {
            pcid,
            invpcid,
            ..wanted
        };
        assert_eq!(mode(without(false, true), ALL), (Mode::Plain, false));
        assert_eq!(mode(without(true, false), ALL), (Mode::Pcid, false));
        let exactly = |mode| Wanted {
            mode: Some(mode),
            ..wanted
        };
        for one in Mode::ALL {
            assert_eq!(mode(exactly(one), ALL), (one, false));
            let none = mode(exactly(one), cpu(false, false));
            assert_eq!(none, (Mode::Plain, one != Mode::Plain));
        }
    }

    #[test]
    fn every_mode_can_be_chosen_and_only_by_its_own_features() {
        let mut chosen = std::vec::Vec::new();
        for bits in 0..8 {
            let features = Features {
                pcid: bits & 1 != 0,
                invpcid: bits & 2 != 0,
                pti: bits & 4 != 0,
            };
            match Mode::choose(features) {
                Ok(mode) => {
                    assert_eq!(Mode::choose(mode.features()), Ok(mode));
                    assert_eq!(mode.has_pcid(), features.pcid);
                    assert_eq!(mode.has_user_pcid(), features.pcid && features.pti);
                    chosen.push(mode);
                }
                Err(why) => assert_eq!(why, Unsupported::InvpcidWithoutPcid),
            }
        }
        assert!(Mode::ALL.iter().all(|mode| chosen.contains(mode)));
    }
}
