//! `watchdog`: when a wait is too long, and what is done about it.

use crate::watchdog::{self, After};
use hw::clock;
use shell::Failure;
use shell::commands::{Choice, args};
use shell::report::Output;

/// `watchdog`
pub fn watchdog(args: &args::Watchdog, output: &mut Output<'_>) -> Result<(), Failure> {
    match (args.after, args.turns) {
        (Some(_), Some(_)) => {
            return Err(
                Failure::new("a wait is too long after a time or after turns, not both")
                    .expected("`after TIME` or `turns N`"),
            );
        }
        (Some(time), None) if time.ns() < 1000 => {
            return Err(Failure::new(format_args!("{time} is over at once"))
                .expected("a time of a microsecond or more"));
        }
        (Some(time), None) => {
            watchdog::set_after(After::Ticks(clock::from_us(time.ns() / 1000)));
        }
        (None, Some(turns)) => watchdog::set_after(After::Turns(turns)),
        (None, None) => {}
    }
    if let Some(action) = args.action {
        watchdog::set_action(action);
    }
    tell(output);
    Ok(())
}

fn tell(output: &mut Output<'_>) {
    match watchdog::after() {
        After::Turns(turns) => output.field("after_turns", turns),
        After::Ticks(ticks) => output.field("after_us", clock::to_us(ticks)),
    }
    output.field("action", watchdog::action().name());
    let (found, cured) = watchdog::found();
    output.field("waits_too_long", found);
    output.field("of_them_unstuck", cured);
}
