//! The points of a shootdown: the named moments at which faults, single steps and trace events
//! hang.

/// Declares the points in one table: enum, order, names.
macro_rules! points {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A moment in a shootdown that can be named.
        ///
        /// Points are passed by [`Machine`](crate::Machine) operations, so that any protocol has
        /// them without naming them; each variant says by which.
        ///
        /// A store, a send, a wait or an invalidation passes its point just *before* it takes
        /// effect: whoever stops a CPU there sees the machine without it. A load passes its
        /// point just *after* it has returned.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Point {
            $($(#[$doc])* $variant,)*
        }

        impl Point {
            /// Every point, in the order a shootdown passes them; `ALL[p as usize] == p`.
            pub const ALL: [Point; Point::COUNT] = [$(Point::$variant),*];
            /// How many points there are.
            pub const COUNT: usize = [$($name),*].len();
            const NAMES: [&'static str; Point::COUNT] = [$($name),*];
        }
    };
}

points! {
    /// The initiator is pinned to its CPU. Passed once by every shootdown, also by one that turns
    /// out to need no remote CPU: [`Machine::pin`](crate::Machine::pin).
    Pin = "pin",
    /// The initiator writes its request: the store of a [`RequestHead`](crate::RequestHead).
    Publish = "publish",
    /// The initiator writes its request's generation: the store of a
    /// [`Generation`](crate::Generation).
    Generation = "generation",
    /// The initiator clears a target's slot: a store of 0 in a [`Slot`](crate::Slot).
    Zero = "zero",
    /// The initiator sends the interrupt: [`Machine::send`](crate::Machine::send).
    Send = "send",
    /// The initiator invalidates its own TLB:
    /// [`Machine::invalidate_locally`](crate::Machine::invalidate_locally).
    LocalInvalidate = "local-invalidate",
    /// The initiator waits for one target: [`Machine::spin_until`](crate::Machine::spin_until),
    /// before the condition is first tried. Waiting for a protocol's lock passes it as well.
    Wait = "wait",
    /// A wait is over, its condition held: `spin_until`, just before it returns success.
    Done = "done",
    /// A target's handler found a request that is pending for it:
    /// [`Machine::scan`](crate::Machine::scan).
    Notice = "notice",
    /// The handler reads the request: the load of a [`RequestHead`](crate::RequestHead).
    Copy = "copy",
    /// The handler acknowledges: a store of a generation in a [`Slot`](crate::Slot).
    Acknowledge = "acknowledge",
    /// The handler performs the invalidation:
    /// [`Machine::invalidate`](crate::Machine::invalidate).
    Invalidate = "invalidate",
    /// The handler found nothing more and is about to return:
    /// [`Machine::scan`](crate::Machine::scan).
    Return = "return",
    /// A page-table entry changes: passed by whoever stores it, before the store.
    PteStore = "pte-store",
    /// A CPU enters an address space's active set, before it loads the space's tables: setting
    /// bits of an [`Active`](crate::Active).
    Activate = "activate",
}

impl Point {
    /// The name by which people and files call the point.
    pub const fn name(self) -> &'static str {
        Point::NAMES[self as usize]
    }

    /// The point called `name`.
    pub fn from_name(name: &str) -> Option<Point> {
        Point::ALL.into_iter().find(|point| point.name() == name)
    }
}

impl core::fmt::Display for Point {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_indexes_another_points_counter_is_caught() {
        for (index, point) in Point::ALL.into_iter().enumerate() {
            assert_eq!(point as usize, index);
            assert_eq!(Point::from_name(point.name()), Some(point));
        }
        assert_eq!(Point::from_name("Zero"), None);
        assert_eq!(Point::PteStore.name(), "pte-store");
    }
}
