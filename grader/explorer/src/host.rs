//! The machine as the explored code sees it: each operation is answered from a list, and the first
//! that has no answer yet ends the call.
//!
//! So a CPU's local state is the list of answers that its call has received: the code is run again
//! from the start to find out what it asks next. It must be a function of those answers alone; that
//! it asks the same again is checked by whoever asks.

use crate::code::{Reached, Source};
use crate::op::{Change, Fence, GIVEN_UP, Op, WordId};
use crate::orders::{Orders, Use};
use crate::ringing::Apic;
use core::any::Any;
use core::marker::PhantomData;
use core::panic::Location;
use core::sync::atomic::Ordering;
use shootdown::{
    Abandoned, Activation, CpuId, CpuSet, Destination, Invpcid, Machine, Membership, Mode,
    PAGE_SIZE, Pcid, Plain, Point, Request, Role, SpaceId, Spaces, Tlb, Transport, Value, Word,
    perform,
};
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

/// The space that the pages are in.
pub const SPACE: SpaceId = SpaceId(1);

/// The address of page `index`.
pub fn address(index: u8) -> u64 {
    0x40_0000 + u64::from(index) * PAGE_SIZE
}

/// Ends a call that has come to an operation without an answer.
struct Unanswered;

/// Ends a call whose command is stuck, as it said.
struct SaidStuck;

/// What one thread of the host is exploring.
struct Context {
    /// While a protocol is being built: the words' first values, and what each is for.
    words: Vec<(u64, &'static str)>,
    cpus: usize,
    mode: Mode,
    /// What the call that is run has written to the command register.
    commands: Vec<(u32, u32)>,
    high: u32,
    answers: Vec<u64>,
    asked: Vec<Op>,
    /// The orderings of what the call that is run has asked, where they are judged.
    orders: Option<Orders>,
    /// Where the last was asked.
    at: Option<&'static Location<'static>>,
    running: bool,
}

impl Default for Context {
    fn default() -> Self {
        Context {
            words: Vec::new(),
            cpus: 0,
            mode: Mode::Plain,
            commands: Vec::new(),
            high: 0,
            answers: Vec::new(),
            asked: Vec::new(),
            orders: None,
            at: None,
            running: false,
        }
    }
}

/// Which CPUs are in which space, where that changes.
pub struct Addressing {
    /// The words.
    pub spaces: Spaces<Host>,
    /// The code that is explored.
    pub membership: Box<dyn Membership<Host>>,
    /// PCIDs are below this.
    pub pcids: u16,
    /// Whether nothing ever changes, so that every activation keeps what the TLB holds.
    pub keeps: bool,
}

/// How interrupts are sent, where that is explored.
pub struct Ringing {
    /// The code.
    pub transport: Box<dyn Transport<Host>>,
    /// By CPU: bits 0 to 31 of its command register.
    pub low: Vec<HostWord<u32, Plain>>,
    /// How the local APICs are, and what happens to them.
    pub apic: Apic,
}

thread_local! {
    static RINGING: RefCell<Option<Rc<Ringing>>> = const { RefCell::new(None) };
    static CONTEXT: RefCell<Context> = RefCell::default();
    static ADDRESSING: RefCell<Option<Rc<Addressing>>> = const { RefCell::new(None) };
}

fn addressing() -> Option<Rc<Addressing>> {
    ADDRESSING.with_borrow(Clone::clone)
}

/// The machine. All its state is the explorer's.
#[derive(Clone, Copy, Debug)]
pub struct Host;

/// Builds something out of words, for CPUs 0 to `cpus - 1` in `mode`; they are numbered from 0.
pub fn build<T>(cpus: usize, mode: Mode, build: impl FnOnce(&Host) -> T) -> T {
    CONTEXT.with_borrow_mut(|context| {
        *context = Context {
            cpus,
            mode,
            ..Context::default()
        };
    });
    build(&Host)
}

/// From here on the orderings that calls ask for are judged as well; or they are not.
pub fn judge_orders(judged: bool) {
    CONTEXT.with_borrow_mut(|context| context.orders = judged.then(Orders::default));
}

/// The handler ends, and says how many requests it has served.
///
/// # Panics
/// If it has acknowledged more or fewer.
pub(crate) fn served(says: u32) {
    let acknowledges = |op: &&Op| {
        let Op::Store { point, .. } = op else {
            return false;
        };
        // A request of generation 0, which is wrong in itself, is answered by a zero.
        matches!(point, Some(Point::Acknowledge | Point::Zero))
    };
    let count = CONTEXT.with_borrow(|context| context.asked.iter().filter(acknowledges).count());
    assert!(
        says as usize == count,
        "handle: says that it has served {says} requests, and has acknowledged {count}"
    );
}

/// A shootdown ends; if it was not given up, it says that every target has acknowledged.
///
/// # Panics
/// If it leaves its thread pinned, or in a critical section.
pub(crate) fn shot(outcome: Result<(), Abandoned>) -> Result<(), Abandoned> {
    if outcome.is_ok() {
        with_orders(|orders| orders.acknowledged());
    }
    let count = |op| {
        CONTEXT.with_borrow(|context| context.asked.iter().filter(|asked| **asked == op).count())
    };
    assert!(
        count(Op::Pin) <= count(Op::Unpin),
        "shoot: the thread is still pinned afterwards"
    );
    assert!(
        count(Op::EnterCritical) <= count(Op::LeaveCritical),
        "shoot: the thread is still in a critical section afterwards"
    );
    outcome
}

/// Where orderings are judged, and the call goes on.
fn with_orders(judge: impl FnOnce(&mut Orders)) {
    if std::thread::panicking() {
        return;
    }
    let orders = CONTEXT.with_borrow_mut(|context| context.orders.take());
    // Put back before anything is said against them: a panic leaves nothing borrowed.
    if let Some(mut orders) = orders {
        let judged = panic::catch_unwind(AssertUnwindSafe(|| judge(&mut orders)));
        CONTEXT.with_borrow_mut(|context| context.orders = Some(orders));
        if let Err(said) = judged {
            panic::resume_unwind(said);
        }
    }
}

/// From here on CPUs switch between spaces; with `None` all stay where they are.
pub fn inhabit(addressing: Option<Addressing>) {
    ADDRESSING.set(addressing.map(Rc::new));
}

/// From here on interrupts are sent by explored code; with `None` they are just sent.
pub fn send_through(ringing: Option<Ringing>) {
    RINGING.set(ringing.map(Rc::new));
}

pub(crate) fn ringing() -> Option<Rc<Ringing>> {
    RINGING.with_borrow(Clone::clone)
}

/// The words of what was built last: what each holds at first, and what it is for, by the name of its [`Role`].
pub fn words() -> Vec<(u64, &'static str)> {
    CONTEXT.with_borrow(|context| context.words.clone())
}

/// How many there are.
pub fn words_made() -> u16 {
    let made = CONTEXT.with_borrow(|context| context.words.len());
    u16::try_from(made).expect("fewer than 65536 words")
}

/// Makes a word; its number.
pub fn make_word(initial: u64, role: &'static str) -> WordId {
    let number = words_made();
    CONTEXT.with_borrow_mut(|context| {
        assert!(!context.running, "a word is made while a protocol is built");
        context.words.push((initial, role));
    });
    WordId(number)
}

/// Runs `call` on `answers`. The operations that it asks, and how far it gets.
pub fn replay(answers: &[u64], call: impl FnOnce() -> Result<(), Abandoned>) -> (Vec<Op>, Reached) {
    CONTEXT.with_borrow_mut(|context| {
        context.answers = answers.to_vec();
        context.asked.clear();
        context.commands.clear();
        context.high = 0;
        if let Some(orders) = &mut context.orders {
            *orders = Orders::default();
        }
        context.running = true;
    });
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    let (asked, at) = CONTEXT.with_borrow_mut(|context| {
        context.running = false;
        (core::mem::take(&mut context.asked), context.at.take())
    });
    let reached = match outcome {
        Ok(outcome) => Reached::Over(outcome),
        Err(payload) if payload.is::<SaidStuck>() => Reached::Over(Err(Abandoned)),
        Err(payload) if payload.is::<Unanswered>() => {
            let asked = asked.last().copied().zip(at);
            let (op, at) = asked.expect("something that was not answered");
            Reached::Asks(op, Source::new(at.file(), at.line()))
        }
        Err(payload) => Reached::Panicked(message(&*payload)),
    };
    (asked, reached)
}

/// What a panic said.
pub fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "a panic without a message".into())
}

impl Host {
    /// Asks the machine; ends the call if it has not answered that yet.
    #[track_caller]
    pub(crate) fn ask(&self, op: Op) -> u64 {
        // Values that are dropped as a call ends ask no more.
        if std::thread::panicking() {
            return 0;
        }
        let at = Location::caller();
        let answer = CONTEXT.with_borrow_mut(|context| {
            assert!(context.running, "{op:?} asked outside a call");
            let answer = context.answers.get(context.asked.len()).copied();
            context.asked.push(op);
            context.at = Some(at);
            answer
        });
        match answer {
            Some(answer) => answer,
            None => panic::resume_unwind(Box::new(Unanswered)),
        }
    }

    #[track_caller]
    fn spin<S: FnMut()>(
        &self,
        mut condition: impl FnMut() -> bool,
        resend: Option<S>,
    ) -> Result<(), Abandoned> {
        self.ask(Op::Point(Point::Wait));
        self.ask(Op::SpinStart);
        if condition() {
            self.ask(Op::Point(Point::Done));
            return Ok(());
        }
        only_looked();
        let resends = resend.is_some();
        if self.ask(Op::SpinAgain { resends }) == GIVEN_UP {
            return Err(Abandoned);
        }
        if let Some(mut resend) = resend {
            resend();
        }
        self.ask(Op::SpinResume);
        unreachable!("a wait is taken up at its start")
    }

    /// Switches this CPU to the tables of `space`, as a kernel's scheduler does: with interrupts off.
    pub fn activate(&self, space: u8) {
        let addressing = addressing().expect("a scene in which CPUs switch between spaces");
        self.disable_interrupts();
        let from = self.current_space();
        let mut loads = 0;
        let mut load = |activation: Activation| {
            loads += 1;
            self.load_cr3(&addressing, space, activation);
        };
        let to = SpaceId(space.into());
        addressing
            .membership
            .activate(self, &addressing.spaces, from, to, &mut load);
        assert!(
            loads == 1,
            "activate: `load` was called {loads} times; it is to be called once"
        );
        self.judge_generation(&addressing, to);
        self.enable_interrupts();
    }

    /// Leaves the space for the kernel's tables, if this CPU is in it, as a kernel's handler does where the running
    /// thread has no space. Here no thread of a space runs on a CPU that takes the interrupt, where CPUs switch at all.
    fn leave(&self) -> bool {
        let Some(addressing) = addressing() else {
            return false;
        };
        let from = self.current_space();
        if from == SpaceId::KERNEL {
            return false;
        }
        let mut load = |activation: Activation| self.load_cr3(&addressing, 0, activation);
        addressing
            .membership
            .activate(self, &addressing.spaces, from, SpaceId::KERNEL, &mut load);
        true
    }

    /// Where nothing changes, a space that is entered has its generation recorded.
    fn judge_generation(&self, addressing: &Addressing, space: SpaceId) {
        if !addressing.keeps || space == SpaceId::KERNEL {
            return;
        }
        let (me, contexts) = (self.me(), addressing.spaces.contexts());
        let recorded = contexts.generation(space, me).peek(Ordering::Relaxed);
        assert!(
            recorded == contexts.present(me).peek(Ordering::Relaxed),
            "activate: the generation of space {} is not recorded, so that it is flushed whenever it comes back",
            space.0
        );
    }

    fn load_cr3(&self, addressing: &Addressing, space: u8, activation: Activation) {
        let Activation { pcid, keep } = activation;
        let user = space != 0 && self.mode().has_pcid();
        assert!(
            !user || (1..addressing.pcids).contains(&pcid.0),
            "load: {pcid:?} is no PCID for a space: 1 to {} are",
            addressing.pcids - 1
        );
        assert!(
            SpaceId(space.into()) != SPACE || keep || !addressing.keeps,
            "load: what the TLB holds of space {space} is flushed, though nothing in it has changed"
        );
        self.ask(Op::LoadCr3 {
            space,
            pcid: if user { pcid.0 as u8 } else { 0 },
            keep,
        });
        self.ask(Op::SetCurrent(space));
    }

    /// A send to `to` begins.
    pub(crate) fn note_send(&self, to: CpuSet) {
        CONTEXT.with_borrow_mut(|context| context.commands.clear());
        self.ask(Op::Work(Point::Send, to.bits(), 0));
    }

    /// The call ends, since it said that a command is stuck.
    pub(crate) fn says_stuck(&self) -> ! {
        self.ask(Op::SaysStuck);
        panic::resume_unwind(Box::new(SaidStuck))
    }

    /// What the send has written: destinations, and lower halves.
    pub(crate) fn commands(&self) -> Vec<(u32, u32)> {
        CONTEXT.with_borrow(|context| context.commands.clone())
    }

    pub(crate) fn set_high(&self, high: u32) {
        CONTEXT.with_borrow_mut(|context| context.high = high);
    }

    pub(crate) fn note_command(&self, low: u32) {
        CONTEXT.with_borrow_mut(|context| context.commands.push((context.high, low)));
    }

    /// Stores a page-table entry: in this machine, the version of the page.
    pub fn store_pte(&self, word: WordId, version: u8) {
        self.ask(Op::Store {
            word,
            value: u64::from(version),
            release: false,
            point: Some(Point::PteStore),
        });
    }
}

/// The name of a role.
fn role<R>() -> &'static str {
    let name = core::any::type_name::<R>();
    name.rsplit(':').next().unwrap_or(name)
}

/// A shared word.
pub struct HostWord<V, R> {
    id: WordId,
    kind: PhantomData<fn() -> (V, R)>,
}

impl<V, R> HostWord<V, R> {
    /// Its number.
    pub fn id(&self) -> WordId {
        self.id
    }
}

impl<V: Value, R: Role> HostWord<V, R> {
    #[track_caller]
    fn modify(&self, change: Change, point: Option<Point>, order: Ordering) -> V {
        let word = self.id;
        with_orders(|orders| match change {
            Change::Or(_) => orders.modify(Self::purpose(), true, order),
            Change::And(_) => orders.modify(Self::purpose(), false, order),
            _ => {}
        });
        V::from_bits(Host.ask(Op::Modify {
            word,
            change,
            point,
        }))
    }

    #[track_caller]
    fn read(&self, order: Ordering) -> u64 {
        let (word, point) = (self.id, None);
        let value = Host.ask(Op::Load { word, point });
        with_orders(|orders| orders.load(Self::purpose(), word, value, order));
        value
    }

    fn purpose() -> Use {
        Use::of(role::<R>())
    }
}

impl<V: Value, R: Role> Word<V> for HostWord<V, R> {
    #[track_caller]
    fn load(&self, order: Ordering) -> V {
        let value = self.read(order);
        if let Some(point) = R::loaded(value) {
            Host.ask(Op::Point(point));
        }
        V::from_bits(value)
    }

    #[track_caller]
    fn store(&self, value: V, order: Ordering) {
        let value = value.bits();
        with_orders(|orders| orders.store(Self::purpose(), self.id, value, order));
        Host.ask(Op::Store {
            word: self.id,
            value,
            release: matches!(order, Ordering::Release | Ordering::SeqCst),
            point: R::stored(value),
        });
        if order == Ordering::SeqCst {
            Host.ask(Op::Fence(Fence::Full));
            with_orders(|orders| orders.fence(order));
        }
    }

    #[track_caller]
    fn peek(&self, order: Ordering) -> V {
        V::from_bits(self.read(order))
    }

    #[track_caller]
    fn swap(&self, value: V, order: Ordering) -> V {
        self.modify(Change::Swap(value.bits()), R::stored(value.bits()), order)
    }

    #[track_caller]
    fn fetch_or(&self, bits: V, order: Ordering) -> V {
        self.modify(Change::Or(bits.bits()), R::stored(bits.bits()), order)
    }

    #[track_caller]
    fn fetch_and(&self, bits: V, order: Ordering) -> V {
        self.modify(Change::And(bits.bits()), None, order)
    }

    #[track_caller]
    fn compare_exchange(&self, current: V, new: V, order: Ordering) -> Result<V, V> {
        let change = Change::Replace(current.bits(), new.bits());
        let before = self.modify(change, R::stored(new.bits()), order);
        if before == current {
            with_orders(|orders| orders.replace(self.id, order));
            Ok(before)
        } else {
            Err(before)
        }
    }
}

impl Tlb for Host {
    fn mode(&self) -> Mode {
        CONTEXT.with_borrow(|context| context.mode)
    }

    #[track_caller]
    fn invlpg(&self, va: u64) {
        if let Some(page) = page_at(va) {
            self.ask(Op::Invlpg(page));
        }
    }

    #[track_caller]
    fn reload_cr3(&self) {
        self.ask(Op::ReloadCr3);
    }

    #[track_caller]
    fn flush_global(&self) {
        self.ask(Op::FlushGlobal);
    }

    fn flush_caches(&self) {}

    #[track_caller]
    fn current_space(&self) -> SpaceId {
        SpaceId(self.ask(Op::CurrentSpace) as u32)
    }

    #[track_caller]
    fn pcid(&self, space: SpaceId) -> Pcid {
        let addressing = addressing().expect("PCIDs come with spaces");
        addressing.spaces.contexts().pcid(space, self.me())
    }

    #[track_caller]
    fn forget_contexts(&self, space: SpaceId) {
        if let Some(addressing) = addressing() {
            addressing.spaces.contexts().forget(space);
        }
    }

    #[track_caller]
    fn invpcid(&self, what: Invpcid, _: SpaceId) {
        match what {
            Invpcid::Address(pcid, va) => {
                if let Some(page) = page_at(va) {
                    self.ask(Op::InvpcidPage(pcid.0, page));
                }
            }
            Invpcid::Context(pcid) => {
                self.ask(Op::InvpcidContext(pcid.0));
            }
            Invpcid::AllWithGlobal => {
                self.ask(Op::FlushGlobal);
            }
            Invpcid::AllButGlobal => {
                self.ask(Op::FlushAllButGlobal);
            }
        }
    }

    #[track_caller]
    fn invlpg_user(&self, va: u64) {
        if let Some(page) = page_at(va) {
            self.ask(Op::InvlpgUser(page));
        }
    }

    #[track_caller]
    fn defer_user_flush(&self) {
        self.ask(Op::DeferUserFlush);
    }
}

/// The page at an address; what lies outside the pages that are looked at is none of this machine's business.
fn page_at(va: u64) -> Option<u8> {
    u8::try_from(va.wrapping_sub(address(0)) / PAGE_SIZE).ok()
}

impl Machine for Host {
    type Word<V: Value, R: Role> = HostWord<V, R>;

    fn word<V: Value, R: Role>(&self, initial: V) -> HostWord<V, R> {
        HostWord {
            id: make_word(initial.bits(), role::<R>()),
            kind: PhantomData,
        }
    }

    #[track_caller]
    fn me(&self) -> CpuId {
        CpuId::new(self.ask(Op::Me) as usize).expect("a CPU's number")
    }

    fn online(&self) -> CpuSet {
        CpuSet::first(CONTEXT.with_borrow(|context| context.cpus))
    }

    fn alone(&self) -> bool {
        false
    }

    fn active(&self, space: SpaceId) -> CpuSet {
        match addressing() {
            Some(addressing) => addressing.spaces.holders(self, space),
            None => self.online(),
        }
    }

    #[track_caller]
    fn announce(&self, space: SpaceId) -> CpuSet {
        let Some(addressing) = addressing() else {
            self.fence(Ordering::SeqCst);
            return self.online();
        };
        addressing
            .membership
            .announce(self, &addressing.spaces, space)
    }

    #[track_caller]
    fn pin(&self) {
        self.ask(Op::Pin);
        self.ask(Op::Point(Point::Pin));
    }

    #[track_caller]
    fn unpin(&self) {
        self.ask(Op::Unpin);
    }

    #[track_caller]
    fn enter_critical(&self) {
        self.ask(Op::EnterCritical);
    }

    #[track_caller]
    fn leave_critical(&self) {
        self.ask(Op::LeaveCritical);
    }

    #[track_caller]
    fn interrupts_enabled(&self) -> bool {
        self.ask(Op::InterruptsEnabled) != 0
    }

    #[track_caller]
    fn disable_interrupts(&self) {
        self.ask(Op::InterruptsOff);
    }

    #[track_caller]
    fn enable_interrupts(&self) {
        self.ask(Op::InterruptsOn);
    }

    #[track_caller]
    fn fence(&self, order: Ordering) {
        self.ask(Op::Fence(Fence::of(order)));
        with_orders(|orders| orders.fence(order));
    }

    #[track_caller]
    fn send(&self, to: Destination) {
        let targets = match to {
            Destination::AllButSelf => self.online().without(self.me()),
            Destination::Each(targets) => targets,
        };
        match ringing() {
            None => {
                self.ask(Op::Send(targets));
            }
            Some(ringing) => self.send_by(&ringing, targets),
        }
    }

    #[track_caller]
    fn spin_until<F: FnMut() -> bool>(&self, condition: F) -> Result<(), Abandoned> {
        self.spin(condition, None::<fn()>)
    }

    #[track_caller]
    fn spin_resending<F, S>(&self, condition: F, resend: S) -> Result<(), Abandoned>
    where
        F: FnMut() -> bool,
        S: FnMut(),
    {
        self.spin(condition, Some(resend))
    }

    #[track_caller]
    fn scan<T, F: FnMut() -> Option<T>>(&self, mut find: F) -> Option<T> {
        let found = find();
        let point = match found {
            Some(_) => Point::Notice,
            None => Point::Return,
        };
        self.ask(Op::Point(point));
        found
    }

    #[track_caller]
    fn invalidate(&self, request: &Request) {
        self.ask(work(Point::Invalidate, request));
        perform(self, request);
    }

    #[track_caller]
    fn leave_if_lazy(&self) -> bool {
        self.leave()
    }

    #[track_caller]
    fn invalidate_locally(&self, request: &Request) {
        self.ask(work(Point::LocalInvalidate, request));
        perform(self, request);
    }
}

/// Insists that a wait's condition has only looked.
///
/// # Panics
/// If it has not.
pub(crate) fn only_looked() {
    let did = CONTEXT.with_borrow(|context| {
        let asked = context.asked.iter().rev();
        let mut condition = asked.take_while(|op| **op != Op::SpinStart);
        condition.find(|op| !op.looks()).copied()
    });
    if let Some(op) = did {
        panic!("the condition of a wait may only look, by `peek`: it asks for {op:?}");
    }
}

/// The point, with the operands that the kernel records there.
fn work(point: Point, request: &Request) -> Op {
    let (operation, space) = (request.operation() as u64, request.space_id().0);
    Op::Work(
        point,
        request.start() | operation,
        request.end() | u64::from(space),
    )
}
