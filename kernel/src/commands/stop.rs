//! `stop` and `resume`: CPUs that take no interrupt, without a debugger (I15).

use super::shows_staleness;
use crate::machine;
use crate::stop::{self, Flush};
use hw::percpu;
use shell::Failure;
use shell::commands::{CpuSelection, args};
use shell::report::{Output, Style};
use shootdown::CpuSet;

/// `stop`
pub fn stop(args: &args::Stop, output: &mut Output<'_>) -> Result<(), Failure> {
    let me = percpu::cpu();
    let cpus = match args.cpus {
        CpuSelection::Only(set) if set.contains(me) => {
            return Err(Failure::new(format_args!(
                "CPU {me} runs the shell: it cannot be stopped"
            ))
            .expected("a set of other CPUs"));
        }
        other => other.resolve(me, machine::started()).without(me),
    };
    if cpus.is_empty() {
        return Err(Failure::new("there is no other CPU to stop"));
    }
    let outcome = stop::bring_to_rest(cpus);
    tell(output);
    outcome.map_err(|awake| {
        Failure::new(format_args!(
            "CPUs {awake} did not come to rest: they go on as before"
        ))
        .hint("backtrace CPU")
    })
}

/// `resume`
pub fn resume(args: &args::Resume, output: &mut Output<'_>) -> Result<(), Failure> {
    let me = percpu::cpu();
    let cpus = args
        .cpus
        .resolve(me, machine::started())
        .and(stop::stopped());
    let missed: CpuSet = cpus
        .into_iter()
        .filter(|&cpu| stop::was_left_out(cpu))
        .collect();
    if cpus.is_empty() {
        return Err(Failure::new("none of these CPUs is stopped").hint("cpus"));
    }
    let flush = if args.noflush {
        shows_staleness()?;
        Flush::Never
    } else {
        Flush::IfLeftOut
    };
    stop::resume(cpus, flush);
    output.field("resumed", cpus);
    output.field("missed_a_shootdown", missed);
    if args.noflush && !missed.is_empty() {
        output.styled_note(
            Style::Warn,
            "they did not flush: they may hold translations that were shot down (I15)",
        );
    }
    tell(output);
    Ok(())
}

fn tell(output: &mut Output<'_>) {
    output.field("stopped", stop::stopped());
}
