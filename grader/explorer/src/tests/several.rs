//! Several changes that are shot down at once, as a protocol gathers them.

use super::*;
use shootdown::{
    Abandoned, Acknowledged, CpuId, CpuSet, Machine, PAGE_SIZE, Request, RequestHead, RequestView,
    Slot, Targets,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

type HostWord<V, R> = <Host as Machine>::Word<V, R>;

#[test]
fn a_protocol_that_breaks_where_shootdowns_are_gathered() {
    let scenes = scenes::all().into_iter();
    let mut explored = 0;
    for named in scenes.filter(|named| named.scene.gathers()) {
        assert_holds("scoreboard", &scoreboard, &named.scene);
        assert_holds("global-lock", &global_lock, &named.scene);
        assert_holds("textbook", &textbook(Mutation::None), &named.scene);
        explored += 1;
    }
    assert!(explored >= 4, "{explored} scenes");
}

/// What was asked, by first and last page.
type Asked = Arc<Mutex<BTreeSet<(u64, u64)>>>;

/// A protocol, of which each request that it is to shoot is remembered.
struct Overheard(Box<dyn Protocol<Host>>, Asked);

impl Protocol<Host> for Overheard {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn shoot(&self, m: &Host, request: Request, to: Targets) -> Result<Acknowledged, Abandoned> {
        let page = |at: u64| (at - crate::host::address(0)) / PAGE_SIZE;
        let pages = (page(request.start()), page(request.end() - 1));
        self.1.lock().unwrap().insert(pages);
        self.0.shoot(m, request, to)
    }

    fn handle(&self, m: &Host) -> u32 {
        self.0.handle(m)
    }

    fn gather(&self, first: &Request, second: &Request) -> Option<Request> {
        self.0.gather(first, second)
    }

    fn slot(&self, target: CpuId, initiator: CpuId) -> Option<&HostWord<u32, Slot>> {
        self.0.slot(target, initiator)
    }

    fn head(&self, initiator: CpuId) -> Option<&HostWord<u64, RequestHead>> {
        self.0.head(initiator)
    }

    fn request(&self, initiator: CpuId) -> Option<RequestView> {
        self.0.request(initiator)
    }

    fn outstanding(&self, initiator: CpuId) -> CpuSet {
        self.0.outstanding(initiator)
    }
}

fn asked(subject: impl Fn(&Host, usize) -> Box<dyn Protocol<Host>>) -> Vec<(u64, u64)> {
    let asked = Asked::default();
    let overheard = |machine: &Host, cpus: usize| -> Box<dyn Protocol<Host>> {
        Box::new(Overheard(subject(machine, cpus), asked.clone()))
    };
    let scene = scenes::find("several").unwrap().scene;
    assert_holds("overheard", &overheard, &scene);
    asked.lock().unwrap().iter().copied().collect()
}

#[test]
fn shootdowns_that_are_not_gathered_as_the_protocol_does() {
    assert_eq!(asked(textbook(Mutation::None)), [(0, 1), (3, 3)]);
    assert_eq!(asked(scoreboard), [(0, 0), (1, 1), (3, 3)]);
}
