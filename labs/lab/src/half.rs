//! A solution that is one half of a protocol, and the kit's other half, as a whole.

/// Defines `membership` in a lab's module: CPUs enter spaces in the kit's own way.
macro_rules! kit_membership {
    ($trait:ident) => {
        /// How CPUs enter spaces: the kit's own way.
        pub fn membership<S: $trait, M: Machine>()
        -> Option<alloc::boxed::Box<dyn shootdown::Membership<M>>> {
            None
        }
    };
}

/// Defines `transport` in a lab's module: interrupts are sent in the kit's own way.
macro_rules! kit_transport {
    ($trait:ident) => {
        /// How interrupts are sent: the kit's own way.
        pub fn transport<S: $trait, M: Machine>()
        -> Option<alloc::boxed::Box<dyn shootdown::Transport<M>>> {
            None
        }
    };
}

/// Defines `lines` in a lab's module: where the slots lie is the kit's affair.
macro_rules! kit_lines {
    ($trait:ident) => {
        /// On which line the slot of a pair lies: the kit's affair.
        pub fn lines<S: $trait>() -> Option<fn(usize, CpuId, CpuId) -> usize> {
            None
        }
    };
}

/// Defines `build` in a lab's module: the protocol whose `shoot` or `handle` is the solution's. `$reference` is the
/// field of `$board` that has the rest.
macro_rules! whole {
    ($trait:ident, $board:ident, shoot: $shoot:expr, handle: $handle:expr) => {
        whole!($trait, $board, shoot: $shoot, handle: $handle,
            outstanding: |board: &$board<M>, cpu| board.reference.outstanding(cpu));
    };
    (
        $trait:ident, $board:ident,
        shoot: $shoot:expr, handle: $handle:expr, outstanding: $outstanding:expr
    ) => {
        kit_membership!($trait);
        kit_transport!($trait);
        whole!($trait, $board, shoot: $shoot, handle: $handle, outstanding: $outstanding,
            protocol only);
    };
    (
        $trait:ident, $board:ident,
        shoot: $shoot:expr, handle: $handle:expr, outstanding: $outstanding:expr,
        protocol only
    ) => {
        kit_lines!($trait);

        /// The solution and the kit's other half, as a protocol.
        struct Whole<M: Machine, S> {
            board: $board<M>,
            solution: core::marker::PhantomData<fn() -> S>,
        }

        /// Builds the protocol for CPUs 0 to `cpus - 1`.
        pub fn build<S: $trait, M: Machine>(
            m: &M,
            cpus: usize,
            settings: shootdown::Settings,
        ) -> alloc::boxed::Box<dyn shootdown::Protocol<M>> {
            alloc::boxed::Box::new(Whole::<M, S> {
                board: $board::new(m, cpus, settings),
                solution: core::marker::PhantomData,
            })
        }

        impl<M: Machine, S: $trait> shootdown::Protocol<M> for Whole<M, S> {
            fn name(&self) -> &'static str {
                "student"
            }

            fn shoot(
                &self,
                m: &M,
                request: Request,
                targets: Targets,
            ) -> Result<Acknowledged, Abandoned> {
                $shoot(m, &self.board, request, targets)
            }

            fn handle(&self, m: &M) -> u32 {
                $handle(m, &self.board)
            }

            fn slot(&self, target: CpuId, initiator: CpuId) -> Option<&M::Word<u32, Slot>> {
                self.board.reference.slot(target, initiator)
            }

            fn head(&self, initiator: CpuId) -> Option<&M::Word<u64, shootdown::RequestHead>> {
                self.board.reference.head(initiator)
            }

            fn request(&self, initiator: CpuId) -> Option<shootdown::RequestView> {
                shootdown::Protocol::request(&self.board.reference, initiator)
            }

            fn outstanding(&self, initiator: CpuId) -> CpuSet {
                $outstanding(&self.board, initiator)
            }

        }
    };
}
