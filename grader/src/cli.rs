//! The command line of `kit`.

use clap::{Args, Parser, Subcommand};

use crate::bench::{self, BenchArgs};
use crate::book::{self, BookArgs};
use crate::doctor;
use crate::explore::{self, ExploreArgs};
use crate::export::{self, ExportArgs};
use crate::gdb::{self, GdbArgs};
use crate::grade::{self, GradeArgs};
use crate::handout::{self, HandoutArgs};
use crate::image::{self, ImageArgs};
use crate::labs::{self, command::LabsArgs};
use crate::model::{self, ModelArgs};
use crate::run::{self, Outcome, RunArgs};
use crate::say;
use crate::setup::{self, Policy};
use crate::slides::{self, SlidesArgs};
use crate::status::{Failure, Status};
use crate::trace::{self, TraceArgs};
use crate::view::{self, ViewArgs};
use crate::workspace::{LABS, Workspace};

/// Boots, examines and measures the TLB-shootdown kernel.
#[derive(Parser, Debug)]
#[command(name = "kit", version, args_conflicts_with_subcommands = true, after_help = Status::help())]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Build the kernel and boot it to its shell (what kit does when nothing else is said); Ctrl-] leaves
    #[command(after_help = Status::help())]
    Run(Box<RunArgs>),
    /// Install what is missing: the Rust target, QEMU, gdb, GRUB, Bochs, OVMF, Chromium, Spin
    Setup,
    /// Say what is here, what is missing, and what that disables
    Doctor(JsonArgs),
    /// Write a disk image that a BIOS and UEFI start: for a CD, a USB stick or another emulator
    #[command(after_help = Status::help())]
    Image(Box<ImageArgs>),
    /// Boot the machine and start gdb on it; without a name the kernel's own stub answers
    #[command(after_help = Status::help())]
    Gdb(Box<GdbArgs>),
    /// Show what a run left as evidence: lanes, a verdict on each invariant, a trace for Perfetto
    #[command(after_help = Status::help())]
    Trace(Box<TraceArgs>),
    /// Write a page that shows a run, or a counterexample, step by step: lanes, interrupts, scoreboard, TLBs
    #[command(after_help = Status::help())]
    View(Box<ViewArgs>),
    /// Try every interleaving of a shootdown protocol, on the host
    #[command(after_help = explore::STATUS)]
    Explore(ExploreArgs),
    /// Check the formal model of the scoreboard protocol with Spin, or hold a run against it
    Model(ModelArgs),
    /// The labs: start one, check your solution, get a hint
    Labs(LabsArgs),
    /// Grade a submission: a verdict from evidence, whoever wrote it
    #[command(after_help = Status::help())]
    Grade(GradeArgs),
    /// Write the decks as pages that need nothing else, and as PDF
    Slides(SlidesArgs),
    /// Write the student's book and the instructor's guide as pages that need nothing else
    Book(BookArgs),
    /// Write the students' tree: all that the labs need, without solutions, hidden checks or history
    Handout(HandoutArgs),
    /// Make what a course's platform needs to grade with this kit, or convert reports for it
    Export(ExportArgs),
    /// Measure, and print ratios within one run
    Bench(BenchArgs),
}

/// Arguments of commands that can answer a program.
#[derive(Args, Clone, Copy, Debug)]
struct JsonArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// Every [`Status`] but success.
    pub fn run(self) -> Result<Outcome, Failure> {
        if matches!(self.command, Some(Command::Grade(_) | Command::Handout(_))) {
            own_labs()?;
        }
        match self.command {
            None => run::run(&self.run),
            Some(Command::Run(args)) => run::run(&args),
            Some(Command::Setup) => set_up(),
            Some(Command::Image(args)) => image::image(&args).map(|()| Outcome::Done),
            Some(Command::Gdb(args)) => gdb::gdb(&args),
            Some(Command::Doctor(args)) => doctor::doctor(args.json).map(|()| Outcome::Done),
            Some(Command::Trace(args)) => trace::trace(&args),
            Some(Command::View(args)) => view::view(&args),
            Some(Command::Explore(args)) => explore::explore(&args),
            Some(Command::Model(args)) => model::model(&args),
            Some(Command::Labs(args)) => labs::command::labs(&args),
            Some(Command::Grade(args)) => grade::grade(&args),
            Some(Command::Slides(args)) => slides::slides(&args),
            Some(Command::Book(args)) => book::book(&args),
            Some(Command::Handout(args)) => handout::handout(&args).map(|()| Outcome::Done),
            Some(Command::Export(args)) => export::export(&args),
            Some(Command::Bench(args)) => bench::bench(&args).map(|()| Outcome::Done),
        }
    }
}

/// What others rely on is made from the tree's own labs.
fn own_labs() -> Result<(), Failure> {
    if std::env::var_os(LABS).is_none_or(|folder| folder.is_empty()) {
        return Ok(());
    }
    let message =
        format!("{LABS} names another folder of labs: that is for `cargo kit labs` alone");
    Err(Failure::new(Status::Usage, message).advise(format!("unset {LABS}")))
}

fn set_up() -> Result<Outcome, Failure> {
    let workspace = Workspace::find()?;
    let qemu = setup::qemu(&workspace, None, Policy::Install)?;
    let info = setup::qemu_info(&workspace, &qemu)?;
    setup::toolchain(&workspace, Policy::Install)?;
    for tool in setup::Tool::ALL {
        tool.ensure(&workspace, Policy::Install)?;
    }
    say::line(format_args!(
        "everything is installed; QEMU is version {}",
        info.version
    ));
    Ok(Outcome::Done)
}
