//! A solution that is one half of a protocol, and the kit's other half, as a whole.

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
        /// How CPUs enter spaces: the kit's own way.
        pub fn membership<S: $trait, M: Machine>()
        -> Option<alloc::boxed::Box<dyn shootdown::Membership<M>>> {
            None
        }

        whole!($trait, $board, shoot: $shoot, handle: $handle, outstanding: $outstanding,
            protocol only);
    };
    (
        $trait:ident, $board:ident,
        shoot: $shoot:expr, handle: $handle:expr, outstanding: $outstanding:expr,
        protocol only
    ) => {
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
