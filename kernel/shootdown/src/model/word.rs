//! The model's shared words: each access is a step, before which an interrupt may be taken.

use super::{Event, Model};
use crate::{Atomic, Point, Role, Value, Word};
use core::marker::PhantomData;
use core::sync::atomic::Ordering;

pub struct ModelWord<V: Value, R> {
    model: Model,
    atomic: V::Atomic,
    role: PhantomData<fn() -> R>,
}

impl<V: Value, R> ModelWord<V, R> {
    pub(super) fn new(model: Model, initial: V) -> Self {
        ModelWord {
            model,
            atomic: V::Atomic::new(initial),
            role: PhantomData,
        }
    }
}

impl Model {
    pub(super) fn pass(self, point: Option<Point>) {
        if let Some(point) = point {
            self.note(Event::Point(point));
            self.run_hook(point);
        }
    }
}

impl<V: Value, R: Role> Word<V> for ModelWord<V, R> {
    fn load(&self, order: Ordering) -> V {
        self.model.poll();
        let value = self.atomic.load(order);
        self.model.pass(R::loaded(value.bits()));
        value
    }

    fn store(&self, value: V, order: Ordering) {
        self.model.poll();
        self.model.pass(R::stored(value.bits()));
        self.atomic.store(value, order);
    }

    fn peek(&self, order: Ordering) -> V {
        self.atomic.load(order)
    }

    fn swap(&self, value: V, order: Ordering) -> V {
        self.model.poll();
        self.model.pass(R::stored(value.bits()));
        self.atomic.swap(value, order)
    }

    fn fetch_or(&self, bits: V, order: Ordering) -> V {
        self.model.poll();
        self.model.pass(R::stored(bits.bits()));
        self.atomic.fetch_or(bits, order)
    }

    fn fetch_and(&self, bits: V, order: Ordering) -> V {
        self.model.poll();
        self.atomic.fetch_and(bits, order)
    }

    fn compare_exchange(&self, current: V, new: V, order: Ordering) -> Result<V, V> {
        self.model.poll();
        self.model.pass(R::stored(new.bits()));
        self.atomic.compare_exchange(current, new, order)
    }
}
