//! `scoreboard`: the words between initiators and targets, of any protocol, and who waits for whom.

use crate::{machine, protocols};
use alloc::string::ToString;
use alloc::vec::Vec;
use alloc::{format, vec};
use shell::Failure;
use shell::report::{Output, Style, Table, Value};
use shootdown::{CpuId, CpuSet};

/// `scoreboard`
pub fn scoreboard(output: &mut Output<'_>) -> Result<(), Failure> {
    let cpus = machine::started();
    let in_use = protocols::in_use();
    output.field("protocol", in_use.name);
    if in_use.entry.pairs {
        output.table("scoreboard", pairs(cpus));
    } else {
        output.table("done", done(cpus));
    }
    let waits = requests(cpus);
    if waits.is_empty() {
        output.note("no CPU waits for an acknowledgement");
    } else {
        output.table("waits", waits);
    }
    Ok(())
}

/// A row a target, a column an initiator.
fn pairs(cpus: CpuSet) -> Table {
    let mut columns = vec!["target".to_string()];
    columns.extend(cpus.into_iter().map(|cpu| format!("from_{cpu}")));
    let mut table = Table::new(columns);
    for target in cpus {
        let mut row: Vec<Value> = vec![target.into()];
        row.extend(cpus.into_iter().map(|initiator| word(target, initiator)));
        table.row(row);
    }
    table
}

fn word(target: CpuId, initiator: CpuId) -> Value {
    match protocols::slot(target, initiator) {
        Some(0) if protocols::outstanding(initiator).contains(target) => {
            Value::from(0_u64).styled(Style::Bad)
        }
        word => word.into(),
    }
}

/// The one word of each target, where all initiators share it.
fn done(cpus: CpuSet) -> Table {
    let mut table = Table::new(["target", "generation_done", "awaited_by"]);
    for target in cpus {
        let other = cpus.into_iter().find(|&cpu| cpu != target);
        let awaited = |cpu: &CpuId| protocols::outstanding(*cpu).contains(target);
        let awaited = cpus.into_iter().filter(awaited);
        let awaited = awaited.fold(CpuSet::EMPTY, |all, cpu| all.or(CpuSet::only(cpu)));
        let word = other.and_then(|initiator| protocols::slot(target, initiator));
        table.row([target.into(), word.into(), some(awaited)]);
    }
    table
}

fn some(cpus: CpuSet) -> Value {
    if cpus.is_empty() {
        Value::nothing()
    } else {
        Value::from(cpus).styled(Style::Bad)
    }
}

/// The requests that are not over: whose, what, and for whom it waits.
fn requests(cpus: CpuSet) -> Table {
    let columns = [
        "initiator",
        "operation",
        "space",
        "start",
        "end",
        "generation",
        "not_acknowledged",
        "waits_for",
    ];
    let mut table = Table::new(columns);
    for initiator in cpus {
        let (outstanding, waits_for) = (
            protocols::outstanding(initiator),
            protocols::waits_for(initiator),
        );
        if outstanding.is_empty() && waits_for.is_empty() {
            continue;
        }
        let mut row: Vec<Value> = vec![initiator.into()];
        match protocols::request(initiator) {
            Some(request) => row.extend([
                request
                    .operation()
                    .map_or("?", |operation| operation.name())
                    .into(),
                request.space.into(),
                Value::hex(request.addr1),
                Value::hex(request.addr2),
                request.generation.into(),
            ]),
            None => row.extend([(); 5].map(|()| Value::nothing())),
        }
        row.extend([some(outstanding), some(waits_for)]);
        table.row(row);
    }
    table
}
