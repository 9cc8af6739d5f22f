// A chart as it is read: columns as typed arrays, spans to be looked up by event, the state by event.

/** Intervals of events, sorted by their beginnings, to be asked which meet a range. */
export class Intervals {
  constructor(items, from, to) {
    this.items = items;
    this.from = Int32Array.from(items, from);
    this.to = Int32Array.from(items, to);
    this.latest = new Int32Array(items.length);
    let latest = -1;
    this.to.forEach((end, at) => { latest = Math.max(latest, end); this.latest[at] = latest; });
  }

  /** Calls `each(item, from, to)` for those that meet `first` to `last`. */
  meeting(first, last, each) {
    for (let at = lower(this.latest, first); at < this.items.length && this.from[at] <= last; at++) {
      if (this.to[at] >= first) each(this.items[at], this.from[at], this.to[at]);
    }
  }
}

/** The first index of the rising `values` whose value is not below `value`. */
export function lower(values, value, count = values.length) {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

/** After so many changes of the state one is kept whole. */
const KEEP = 1024;

export class Model {
  constructor(chart) {
    this.chart = chart;
    const { events } = chart;
    this.count = events.cpu.length;
    this.cpu = Uint8Array.from(events.cpu);
    this.name = Uint16Array.from(events.name);
    this.text = Uint32Array.from(events.text);
    this.source = Uint32Array.from(events.source);
    this.shootdown = Int32Array.from(events.shootdown);
    this.look = events.look;
    // Faults, and what must not be.
    this.notable = [...this.cpu.keys()].filter((event) => 'fsb'.includes(this.look[event]));
    this.time = new Float64Array(this.count);
    let now = 0;
    events.time.forEach((ahead, at) => { now += ahead; this.time[at] = now; });
    const end = (to) => (to === null ? this.count : to);
    this.spans = new Map(chart.cpus.map((cpu) => [cpu, new Map()]));
    const grouped = new Map();
    for (const span of chart.spans) {
      const key = `${span.cpu} ${span.of}`;
      if (!grouped.has(key)) grouped.set(key, []);
      grouped.get(key).push(span);
    }
    for (const group of grouped.values()) {
      const [{ cpu, of }] = group;
      this.spans.get(cpu).set(of, new Intervals(group, (span) => span.from, (span) => end(span.to)));
    }
    // The arrows to each CPU, to be asked which are on their way.
    this.arrowsTo = new Map(chart.cpus.map((cpu) => {
      const to = chart.arrows.filter((arrow) => arrow.target === cpu);
      return [cpu, new Intervals(to, (arrow) => arrow.from, (arrow) => end(arrow.to))];
    }));
    this.arrows = new Intervals(chart.arrows, (arrow) => arrow.from, (arrow) => (arrow.to === null ? arrow.from : arrow.to));
    this.kept = [copy(chart.start)];
    const running = copy(chart.start);
    chart.changes.forEach(([, change], at) => {
      apply(running, change);
      if ((at + 1) % KEEP === 0) this.kept.push(clone(running));
    });
    this.changeAt = Int32Array.from(chart.changes, ([at]) => at);
  }

  nameOf(event) { return this.chart.names[this.name[event]]; }

  textOf(event) { return this.chart.texts[this.text[event]]; }

  sourceOf(event) { return this.chart.texts[this.source[event]]; }

  shootdownOf(event) {
    const number = this.shootdown[event];
    return number < 0 ? null : this.chart.shootdowns[number];
  }

  /** The spans of `of` that `cpu` is in at an event. */
  during(cpu, of, event) {
    const found = [];
    this.spans.get(cpu).get(of)?.meeting(event, event, (span, from, to) => { if (to > event) found.push(span); });
    return found;
  }

  /** Whether an interrupt to a CPU has been sent and not been taken. */
  pending(cpu, event) {
    let pending = false;
    this.arrowsTo.get(cpu).meeting(event, event, (arrow, from, to) => { pending ||= to > event; });
    return pending;
  }

  /** The state after an event: slots by `target.initiator`, versions by page, TLBs by `cpu.page`. */
  stateAt(event) {
    const wanted = lower(this.changeAt, event + 1);
    const from = Math.floor(wanted / KEEP);
    const state = clone(this.kept[from]);
    for (let at = from * KEEP; at < wanted; at++) apply(state, this.chart.changes[at][1]);
    return state;
  }

  /** The keys of what an event changes. */
  changedBy(event) {
    const keys = new Set();
    for (let at = lower(this.changeAt, event); this.changeAt[at] === event; at++) {
      const { slot, page, tlb } = this.chart.changes[at][1];
      keys.add(slot ? `slot ${slot[0]}.${slot[1]}` : page ? `page ${page[0]}` : `tlb ${tlb[0]}.${tlb[1]}`);
    }
    return keys;
  }

  /** Whether an event's words contain `words`, for every event at once: a function of the event. */
  matcher(words) {
    const wanted = words.toLowerCase();
    const texts = this.chart.texts.map((text) => text.toLowerCase().includes(wanted));
    const names = this.chart.names.map((name) => name.toLowerCase().includes(wanted));
    return (event) => names[this.name[event]] || texts[this.text[event]] || texts[this.source[event]];
  }
}

function copy(state) {
  return {
    slots: new Map(state.slots.map(([target, initiator, value]) => [`${target}.${initiator}`, value])),
    pages: new Map(state.pages),
    tlbs: new Map(state.tlbs.map(([cpu, page, held]) => [`${cpu}.${page}`, held])),
  };
}

function clone(state) {
  return { slots: new Map(state.slots), pages: new Map(state.pages), tlbs: new Map(state.tlbs) };
}

function apply(state, { slot, page, tlb }) {
  if (slot) state.slots.set(`${slot[0]}.${slot[1]}`, slot[2]);
  else if (page) state.pages.set(page[0], page[1]);
  else if (tlb[2]) state.tlbs.set(`${tlb[0]}.${tlb[1]}`, tlb[2]);
  else state.tlbs.delete(`${tlb[0]}.${tlb[1]}`);
}
