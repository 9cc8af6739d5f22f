//! A KVM where the host has none, or one that does not take the hypercall: Linux with KVM in a machine that TCG
//! emulates, AMD's SVM and its nested paging included, and in that Linux QEMU with the kernel.
//!
//! What answers is the KVM of a real Linux. Nothing is installed on the host: the Linux is Debian's, fetched and unpacked
//! beside kit's other files, and gets this host's QEMU in its initramfs. Times are those of an emulated processor: only
//! their ratios within one run say anything, and they are not a processor's.

mod archive;
pub mod cases;
mod linux;
pub mod page;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use evidence::{Evidence, Key, decode};

use crate::child::{BECOME, MachineExit};
use crate::command::{Com1, Medium, Session, arguments, quoted};
use crate::evidence::new_key;
use crate::kvm;
use crate::launch::Prepared;
use crate::options::{Accel, MachineOptions};
use crate::setup::{Log, Policy};
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;
use archive::Archive;
use linux::Linux;

/// For all cases of a run: it guards against hangs and decides nothing else.
const LIMIT: Duration = Duration::from_secs(900);
/// The disk that results are written to, in bytes: it takes no more of the host's than what is written.
const RESULTS: u64 = 512 << 20;
/// Where the kernel is in the Linux.
const KERNEL: &str = "/kit/kernel";

/// One boot of the kernel, under that KVM.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name: letters, digits and hyphens.
    pub name: &'static str,
    /// The machine; by KVM whatever it says.
    pub options: MachineOptions,
    /// The APIC ids of the CPUs, rising from 0, at most 254; empty for those that QEMU gives by itself.
    pub apic_ids: Vec<u32>,
    /// What is taken from the processor, such as `,-kvm-pv-ipi`.
    pub without: &'static str,
    /// What the kernel is to run.
    pub script: String,
}

/// How a [`Case`] ended, and what it left.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How its machine ended.
    pub exit: MachineExit,
    /// All that it wrote to COM1, with plain newlines.
    pub transcript: String,
    /// What QEMU said besides.
    pub messages: String,
    /// The evidence that it left, decoded with its key.
    pub evidence: Evidence,
}

/// Everything that is needed: holding one means it is there.
#[derive(Clone, Debug)]
pub struct Nested {
    prepared: Prepared,
    linux: Linux,
}

impl Nested {
    /// Builds the kernel, and fetches Linux if it is not there. `kit` is the program that starts QEMU.
    ///
    /// # Errors
    /// [`Status::Missing`] where Debian's packages cannot be had; else as [`Prepared::new`].
    pub fn new(kit: &Path) -> Result<Self, Failure> {
        let workspace = Workspace::find()?;
        let linux = Linux::get(&workspace)?;
        let prepared = Prepared::new(workspace, &MachineOptions::default(), None, Policy::Install)?;
        let launcher = kit.to_path_buf();
        Ok(Self {
            prepared: Prepared {
                launcher,
                ..prepared
            },
            linux,
        })
    }

    /// The release of Linux whose KVM it is.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.linux.release
    }

    /// Boots Linux, and in it the kernel for each case, one after another.
    ///
    /// # Errors
    /// [`Status::Host`] where Linux did not come to its end, or has no KVM, with what it said last.
    pub fn run(&self, cases: &[Case]) -> Result<Vec<Ran>, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("nested-")
            .tempdir_in(self.prepared.workspace.own_dir()?)
            .map_err(|error| Failure::host(format!("making a folder for a nested run: {error}")))?;
        let keys = cases
            .iter()
            .map(|_| new_key())
            .collect::<Result<Vec<_>, _>>()?;
        let (initramfs, disk) = (
            folder.path().join("initramfs"),
            folder.path().join("results"),
        );
        fs::write(&initramfs, self.initramfs(cases, &keys)?).doing("writing", &initramfs)?;
        File::create(&disk)
            .and_then(|file| file.set_len(RESULTS))
            .doing("writing", &disk)?;
        let mut qemu = Command::new(&self.prepared.launcher);
        qemu.arg(BECOME)
            .arg(std::process::id().to_string())
            .arg(&self.prepared.emulator)
            .args(self.outer(&initramfs, &disk));
        let name = folder.path().file_name().unwrap_or_default();
        let log = format!("{}.log", name.to_string_lossy());
        Log::new(&self.prepared.workspace, &log)?
            .run(qemu, LIMIT)
            .map_err(|failure| Failure {
                status: Status::Host,
                ..failure
            })?;
        let results = results(&disk).doing("reading", &disk)?;
        let ran = cases
            .iter()
            .zip(&keys)
            .map(|(case, key)| ran(&results, case, key))
            .collect::<Option<Vec<_>>>();
        let log = self.prepared.workspace.own_dir()?.join(log);
        match ran {
            Some(ran) => {
                let _ = fs::remove_file(log);
                Ok(ran)
            }
            None => Err(Failure::host(
                "the Linux that was to run the kernel under its KVM left no results",
            )
            .advise(format!("what it said is in {}", log.display()))),
        }
    }

    /// The emulated machine: one that has SVM and nested paging, and ends when Linux powers off.
    fn outer(&self, initramfs: &Path, disk: &Path) -> Vec<OsString> {
        let words = [
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-machine",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "qemu64,+svm,+npt",
            "-smp",
            "2",
            "-m",
            "2048",
            "-serial",
            "stdio",
            "-append",
            // Without what would only cost time in a machine that is emulated.
            "console=ttyS0 quiet mitigations=off nokaslr tsc=reliable no_timer_check panic=-1",
        ];
        let mut made: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut drive = OsString::from("if=virtio,format=raw,file=");
        drive.push(disk);
        made.extend(["-drive".into(), drive]);
        made.extend(["-kernel".into(), self.linux.kernel.clone().into()]);
        made.extend(["-initrd".into(), initramfs.into()]);
        made
    }

    fn initramfs(&self, cases: &[Case], keys: &[Key]) -> Result<Vec<u8>, Failure> {
        let mut archive = Archive::new();
        for folder in ["proc", "sys", "dev", "out", "tmp"] {
            archive.folder(folder);
        }
        archive.read("bin/busybox", &self.linux.busybox)?;
        for module in &self.linux.modules {
            let name = module.file_name().unwrap_or_default().to_string_lossy();
            archive.read(&format!("modules/{name}"), module)?;
        }
        for file in linux::files_of(&self.prepared.emulator)? {
            let name = file.to_string_lossy();
            archive.read(name.trim_start_matches('/'), &file)?;
        }
        archive.read(KERNEL.trim_start_matches('/'), &self.prepared.kernel.elf)?;
        let mut script = self.linux.start_script();
        for (case, key) in cases.iter().zip(keys) {
            let initrd = self.prepared.initrd(Some(case.script.as_bytes()))?;
            let name = format!("kit/{}.initrd", case.name);
            archive.read(&name, initrd.path())?;
            script += &self.inner(case, key, &name)?;
        }
        script += "/bin/busybox tar -c -C /out . > /dev/vda\n/bin/busybox sync\n/bin/busybox poweroff -f\n";
        archive.file("init", 0o755, script.as_bytes());
        Ok(archive.end())
    }

    /// What Linux is to execute for `case`.
    fn inner(&self, case: &Case, key: &Key, initrd: &str) -> Result<String, Failure> {
        let name = case.name;
        let mut options = MachineOptions {
            accel: Accel::Kvm,
            evidence: Some(format!("/out/{name}.evidence").into()),
            evidence_key: Some(*key),
            ..case.options.clone()
        };
        // A CPU of the emulated machine's takes a while to come to each of the vCPUs.
        options.words.push("patience=60000".to_owned());
        let session = Session {
            script: true,
            ..Session::default()
        };
        let medium = Medium::Kernel {
            elf: Path::new(KERNEL),
            initrd: &Path::new("/").join(initrd),
        };
        let mut words = arguments(&options, session, Com1::Pipes, medium)?;
        for word in &mut words {
            if word == kvm::CPU {
                word.push(case.without);
            }
        }
        if let Some(smp) = words.iter().position(|word| word == "-smp")
            && !case.apic_ids.is_empty()
        {
            // A socket for each APIC id that there could be, and CPUs in a few of them.
            words[smp + 1] = "1,maxcpus=255,sockets=255,cores=1,threads=1".into();
            for id in &case.apic_ids[1..] {
                words.push("-device".into());
                let device = format!("host-x86_64-cpu,socket-id={id},core-id=0,thread-id=0");
                words.push(device.into());
            }
        }
        let line = quoted(&self.prepared.emulator, &words);
        Ok(format!(
            "{line} < /dev/null > /out/{name}.transcript 2> /out/{name}.messages\n\
             echo $? > /out/{name}.status\n"
        ))
    }
}

/// The files of the archive at the start of the disk.
fn results(disk: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(File::open(disk)?).entries()? {
        let mut entry = entry?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        let path = entry.path()?;
        found.push((path.strip_prefix(".").unwrap_or(&path).to_path_buf(), bytes));
    }
    Ok(found)
}

fn ran(results: &[(PathBuf, Vec<u8>)], case: &Case, key: &Key) -> Option<Ran> {
    let of = |end: &str| {
        let name = format!("{}.{end}", case.name);
        let found = results.iter().find(|(path, _)| path == Path::new(&name));
        found.map(|(_, bytes)| bytes.as_slice())
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
    let status = text(of("status")?).trim().parse().ok()?;
    Some(Ran {
        exit: MachineExit::from_status(status),
        transcript: text(of("transcript")?),
        messages: text(of("messages")?),
        evidence: decode(of("evidence").unwrap_or_default(), Some(key)),
    })
}
