//! The operation table in every mode, on a TLB that is tagged and forgets nothing by itself.

use crate::model::{Model, View, page};
use crate::{
    Mode, Operation, Point, Protocol, Request, Scoreboard, Settings, SpaceId, Targets, Tlb,
};

const SPACE: SpaceId = SpaceId(1);
const OTHER: SpaceId = SpaceId(2);
const VIEWS: [View; 2] = [View::Kernel, View::User];

fn machine(mode: Mode) -> (Model, &'static Scoreboard<Model>) {
    let model = Model::with_mode(2, mode);
    let board = model.run(Scoreboard::new(&model, 2, Settings::default()));
    for index in 0..2 {
        model.on(index, || model.enter(SPACE));
    }
    (model, board)
}

/// What CPU 1 reads of `va`, in both views.
fn read(model: Model, va: u64) -> [u64; 2] {
    model.on(1, || VIEWS.map(|view| model.read(view, va)))
}

/// A page or range of pages from the second on, or everything, in `space`.
fn request(operation: Operation, space: SpaceId) -> Request {
    let start = page(space, 1);
    match operation {
        Operation::Page => Request::page(space, start).unwrap(),
        Operation::Range => Request::range(space, start, page(space, 4)).unwrap(),
        Operation::Space => Request::space(space),
        Operation::Global => Request::global(),
        Operation::Cache => Request::cache(),
    }
}

/// The pages that are changed and must be seen to be, for each operation.
fn pages(operation: Operation) -> core::ops::Range<usize> {
    match operation {
        Operation::Page => 1..2,
        Operation::Range => 1..4,
        Operation::Space | Operation::Global => 0..5,
        Operation::Cache => 0..0,
    }
}

/// Every mode with every operation that invalidates translations.
fn table() -> impl Iterator<Item = (Mode, Operation)> {
    use Operation::{Global, Page, Range, Space};
    let row = |mode| [Page, Range, Space, Global].map(move |operation| (mode, operation));
    Mode::ALL.into_iter().flat_map(row)
}

#[test]
fn a_stale_page_in_the_current_space() {
    for (mode, operation) in table() {
        let (model, board) = machine(mode);
        for index in 0..5 {
            let old = read(model, page(SPACE, index));
            model.change(SPACE, page(SPACE, index));
            assert_eq!(read(model, page(SPACE, index)), old, "{mode}: the premise");
        }
        let _ = board
            .shoot(&model, request(operation, SPACE), Targets::Active)
            .unwrap();
        for index in pages(operation) {
            let va = page(SPACE, index);
            let truth = model.truth(SPACE, va);
            assert_eq!(
                read(model, va),
                [truth; 2],
                "{mode}: {operation}, page {index}"
            );
        }
    }
}

#[test]
fn a_stale_page_in_a_space_that_is_not_current() {
    for (mode, operation) in table() {
        let (model, board) = machine(mode);
        for index in 0..5 {
            read(model, page(SPACE, index));
        }
        model.on(1, || model.enter(OTHER));
        for index in 0..5 {
            model.change(SPACE, page(SPACE, index));
        }
        let _ = board
            .shoot(&model, request(operation, SPACE), Targets::All)
            .unwrap();
        model.on(1, || model.enter(SPACE));
        for index in pages(operation) {
            let va = page(SPACE, index);
            let truth = model.truth(SPACE, va);
            assert_eq!(
                read(model, va),
                [truth; 2],
                "{mode}: {operation}, page {index}"
            );
        }
    }
}

#[test]
fn a_stale_kernel_page_in_any_space() {
    for (mode, operation) in table() {
        let (model, board) = machine(mode);
        let kernel = SpaceId::KERNEL;
        for space in [OTHER, SPACE] {
            model.on(1, || model.enter(space));
            for index in 0..5 {
                read(model, page(kernel, index));
            }
        }
        for index in 0..5 {
            let old = read(model, page(kernel, index));
            model.change(kernel, page(kernel, index));
            assert_eq!(read(model, page(kernel, index)), old, "{mode}: the premise");
        }
        let _ = board
            .shoot(&model, request(operation, kernel), Targets::Active)
            .unwrap();
        for space in [SPACE, OTHER, SPACE] {
            model.on(1, || model.enter(space));
            for index in pages(operation) {
                let va = page(kernel, index);
                let truth = model.truth(kernel, va);
                assert_eq!(
                    read(model, va),
                    [truth; 2],
                    "{mode}: {operation} from {space}"
                );
            }
        }
    }
}

#[test]
fn an_operation_that_invalidates_more_than_it_was_asked() {
    // Not a fault of safety, but then nothing would show that the others do anything themselves.
    for mode in Mode::ALL {
        for operation in [Operation::Page, Operation::Range, Operation::Cache] {
            let (model, board) = machine(mode);
            for va in [page(SPACE, 0), page(SPACE, 4)] {
                let old = read(model, va);
                model.change(SPACE, va);
                let _ = board
                    .shoot(&model, request(operation, SPACE), Targets::Active)
                    .unwrap();
                assert_eq!(read(model, va), old, "{mode}: {operation}, {va:#x}");
            }
        }
        let (model, board) = machine(mode);
        let va = page(SpaceId::KERNEL, 0);
        let old = read(model, va);
        model.change(SpaceId::KERNEL, va);
        let _ = board
            .shoot(&model, Request::space(SPACE), Targets::Active)
            .unwrap();
        if !mode.has_user_pcid() {
            assert_eq!(
                read(model, va),
                old,
                "{mode}: a global page goes by global only"
            );
        }
    }
}

#[test]
fn a_range_without_its_first_page() {
    // The words could only be so by a broken request; the first page is done all the same (I17).
    for mode in Mode::ALL {
        let (model, _) = machine(mode);
        let va = page(SPACE, 1);
        let request = Request::from_words(Operation::Range, SPACE.0, va, va);
        model.on(1, || {
            let _ = VIEWS.map(|view| model.read(view, va));
            let new = model.change(SPACE, va);
            super::perform(&model, &request);
            assert_eq!(VIEWS.map(|view| model.read(view, va)), [new; 2], "{mode}");
        });
    }
}

#[test]
fn a_global_flush_for_each_page_of_a_kernel_range() {
    for mode in Mode::ALL {
        let (model, board) = machine(mode);
        let _ = board
            .shoot(
                &model,
                request(Operation::Range, SpaceId::KERNEL),
                Targets::Active,
            )
            .unwrap();
        let flushes = model.on(1, || model.tlb().global_flushes);
        assert_eq!(flushes, u32::from(mode.has_user_pcid()), "{mode}");
    }
}

#[test]
fn caches_that_only_some_cpus_write_back() {
    let (model, board) = machine(Mode::Plain);
    model.on(1, || model.enter(OTHER));
    let _ = board
        .shoot(&model, Request::cache(), Targets::Active)
        .unwrap();
    for index in 0..2 {
        assert_eq!(
            model.on(index, || model.tlb().cache_flushes),
            1,
            "CPU {index}"
        );
    }
}

#[test]
#[should_panic(expected = "Tlb::invpcid asked of a machine that defines no PCID modes")]
fn a_pcid_instruction_on_a_machine_without() {
    struct Plain;
    impl super::Tlb for Plain {
        fn mode(&self) -> Mode {
            Mode::Invpcid
        }
        fn invlpg(&self, _va: u64) {}
        fn reload_cr3(&self) {}
        fn flush_global(&self) {}
        fn flush_caches(&self) {}
    }
    super::perform(&Plain, &Request::global());
}

#[test]
fn a_handler_that_needs_a_space_which_is_gone() {
    const GONE: SpaceId = SpaceId(3);
    for (mode, operation) in table() {
        let (model, board) = machine(mode);
        // Acknowledged, and not yet performed: from here on the initiator may give the space up
        // (I20). No CPU is in it, and what CPU 1 knew of it is forgotten.
        model.at(1, Point::Invalidate, move || {
            if mode.has_pcid() {
                model.forget_contexts(GONE);
            }
        });
        let proof = board
            .shoot(&model, request(operation, GONE), Targets::All)
            .unwrap();
        assert!(proof.complete(), "{mode}: {operation}");
        let va = page(SPACE, 0);
        assert_eq!(
            read(model, va),
            [model.truth(SPACE, va); 2],
            "{mode}: {operation}"
        );
    }
}
