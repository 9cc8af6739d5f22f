// Draws lanes on a surface: what is in sight, and nothing else.

import { LOOKS, SPANS } from './palette.js';
import { lower } from './model.js';
import { ROW } from './view.js';

/** The height of the CPUs' names above the lanes, and the width of the column of times. */
export const HEAD = 34;
const TIMES = 92;
/** Of a lane: where its bar is, where its events' marks are, where their words begin. */
const BAR = 8;
const MARK = 26;
const WORDS = 40;
/** Below so many pixels from row to row there is no room for words. */
const LEGIBLE = 13;
/** So many pixels lie between two times. */
const APART = 16;
/** The most characters of a time that its column has room for. */
const DIGITS = 11;
/** So many events for each pixel are looked at where they lie closer than pixels. */
const SAMPLES = 8;
/** Below so many pixels a span is drawn plainly. */
const SLIM = 4;
/** Below this a lane has no room for words of its own. */
const NARROW = 130;
/** The width of a character of the words, as a part of their size. */
const CHARACTER = 0.61;

export class Painter {
  constructor(view, surface, colours, width, height) {
    Object.assign(this, { view, surface, colours, width, height, model: view.model });
    this.lanes = view.lanes;
    this.lane = (width - TIMES) / Math.max(this.lanes.length, 1);
    this.x = new Map(this.lanes.map((cpu, at) => [cpu, TIMES + at * this.lane]));
  }

  /** The place of an event on the surface. */
  y(event) { return HEAD + this.view.at(event) - this.view.top + ROW / 2; }

  paint(matches = null) {
    const { surface, colours, width, height, view } = this;
    surface.rect(0, 0, width, height, colours.page);
    const [first, last] = view.window;
    // Arrows one by one would be all that is seen.
    this.dense = last - first > 3 * height;
    const events = [view.rows[first] ?? 0, view.rows[last] ?? this.model.count];
    surface.clip(0, HEAD, width, height - HEAD, () => {
      this.ground();
      this.cursor();
      this.spans(events);
      this.arrows(events);
      this.events(first, last, matches);
      if (view.rows.length === 0) this.nothing();
    });
    this.names();
  }

  ground() {
    this.lanes.forEach((cpu, at) => {
      const x = this.x.get(cpu);
      if (at % 2 === 0) this.surface.rect(x, HEAD, this.lane, this.height - HEAD, this.colours.lane);
      this.surface.line(x + MARK, HEAD, x + MARK, this.height, this.colours.edge, 1);
    });
  }

  cursor() {
    const y = this.y(this.view.cursor);
    const size = this.view.axis === 'order' ? Math.max(Math.min(this.view.zoom, ROW), 4) : ROW;
    this.surface.rect(0, y - size / 2, this.width, size, this.colours.cursor);
  }

  names() {
    const { surface, colours } = this;
    surface.line(0, HEAD - 0.5, this.width, HEAD - 0.5, colours.edge, 1);
    const unit = this.view.axis === 'time' ? this.model.chart.clock.unit : this.model.chart.clock.unit === 'step' ? 'step' : 'tick';
    surface.text(TIMES - 10, HEAD / 2, unit, colours.dim, { align: 'end' });
    this.lanes.forEach((cpu) => {
      const x = this.x.get(cpu);
      surface.text(x + MARK - 6, HEAD / 2, `CPU ${cpu}`, colours.ink, { bold: true, size: 15 });
      const role = this.role(cpu);
      if (role && this.lane > 150) surface.text(x + MARK + 52, HEAD / 2 + 1, role, colours.dim, { size: 12 });
    });
  }

  /** What a CPU is in the shootdown at the cursor. */
  role(cpu) {
    const shootdown = this.model.shootdownOf(this.view.cursor);
    if (!shootdown) return '';
    if (shootdown.initiator === cpu) return 'initiator';
    return shootdown.targets.includes(cpu) ? 'target' : '';
  }

  nothing() {
    this.surface.text(TIMES + 20, HEAD + 40, 'Every event is filtered out: Esc clears the filters.', this.colours.ink, { size: 15 });
  }

  spans([first, last]) {
    for (const cpu of this.lanes) {
      for (const of of Object.keys(SPANS)) {
        // Slim ones that touch are drawn as one.
        let run = null;
        const flush = () => { if (run) this.span(of, cpu, ...run); };
        this.model.spans.get(cpu).get(of)?.meeting(first, last, (span, from, to) => {
          const top = this.y(from);
          const bottom = this.y(to);
          if (run && bottom - top < SLIM && top <= run[1] + 1) {
            run[1] = Math.max(run[1], Math.min(bottom, this.height + 20));
            return;
          }
          flush();
          run = [Math.max(top, HEAD - 20), Math.min(bottom, this.height + 20), top >= HEAD - 20];
        });
        flush();
      }
    }
  }

  span(of, cpu, top, bottom, begins) {
    const { surface, colours } = this;
    const [name, how] = SPANS[of];
    const x = this.x.get(cpu);
    const height = Math.max(bottom - top, 1.5);
    if (height < SLIM) {
      const [left, width] = { bar: [BAR + 2, 4], dashes: [BAR + 7, 3], dots: [this.lane - 10, 9], cross: [this.lane - 20, 19], shade: [1, MARK - 8] }[how];
      surface.rect(x + left, top, width, height, colours[name], how === 'dots' || how === 'shade' ? 0.45 : 1);
      return;
    }
    if (of === 'handler' || of === 'masked') {
      surface.rect(x + 1, top, this.lane - 2, height, colours[name], of === 'handler' ? 0.1 : 0.06);
      surface.pattern(x + 1, top, MARK - 8, height, 'shade', colours[name]);
      surface.rect(x + 1, top, 3, height, colours[name]);
    } else if (of === 'old') {
      surface.pattern(x + this.lane - 10, top, 9, height, 'dots', colours[name]);
    } else if (of === 'stale') {
      surface.rect(x + 1, top, this.lane - 2, height, colours[name], 0.2);
      surface.pattern(x + this.lane - 18, top, 17, height, 'cross', colours[name]);
      surface.rect(x + this.lane - 20, top, 3, height, colours[name]);
      if (begins && height > ROW && this.lane > 120) {
        surface.text(x + this.lane - 26, top + ROW / 2 + 2, 'STALE', colours[name], { bold: true, align: 'end', halo: colours.page });
      }
    } else if (how === 'dashes') {
      surface.line(x + BAR + 8, top, x + BAR + 8, bottom, colours[name], 3, [4, 4]);
    } else {
      surface.rect(x + BAR + 2, top, 4, height, colours[name]);
    }
  }

  arrows([first, last]) {
    let painted = -Infinity;
    this.model.arrows.meeting(first, last, (arrow) => {
      const from = this.model.cpu[arrow.from];
      if (!this.x.has(from) || !this.x.has(arrow.target)) return;
      const top = this.y(arrow.from);
      if (this.dense) {
        if (top - painted < 2) return;
        painted = top;
        const [left, right] = [this.x.get(from), this.x.get(arrow.target)].sort((a, b) => a - b);
        this.surface.rect(left + MARK, top, right - left, 1, this.colours.arrow, 0.3);
        return;
      }
      this.arrow(arrow, this.x.get(from) + MARK, top, this.x.get(arrow.target) + MARK);
    });
  }

  /** Along the row of its sending to the target's lane, and down there, pending, to where it is taken. */
  arrow(arrow, x1, y1, x2) {
    const { surface, colours } = this;
    const start = x2 > x1 ? Math.min(this.wordsEnd(arrow.from, x1), x2 - 12) : x1 - 9;
    if (arrow.to === null) {
      const end = x2 - Math.sign(x2 - x1) * 14;
      surface.line(start, y1, end, y1, colours.stale, 2, [3, 4]);
      this.mark('cross', x2, y1, colours.stale);
      surface.text(x2 + 14, y1, 'never taken', colours.stale, { size: 12, bold: true, halo: colours.page });
      return;
    }
    const y2 = this.y(arrow.to);
    surface.line(start, y1, x2, y1, colours.arrow, 2);
    surface.circle(x2, y1, 3, colours.arrow);
    surface.line(x2, y1, x2, y2 - 12, colours.arrow, 2, arrow.coalesced ? [2, 5] : [6, 3]);
    surface.shape([[x2, y2 - 6], [x2 - 5, y2 - 15], [x2 + 5, y2 - 15]], colours.arrow);
  }

  /** Where the words of an event end, if they are written. */
  wordsEnd(event, mark) {
    if (this.view.zoom < LEGIBLE && this.view.axis === 'order') return mark + 9;
    const size = 13 * CHARACTER;
    const length = this.model.nameOf(event).length + 1 + this.model.textOf(event).length;
    return mark - MARK + WORDS + Math.min(length * size, this.lane - WORDS - 22) + 6;
  }

  /** Of events that lie closer than pixels a few for each pixel, and all that matter. */
  ticks(first, last) {
    const { view, model, surface, colours } = this;
    const each = Math.max(1, Math.floor((last - first) / (this.height * SAMPLES)));
    const painted = new Map();
    for (let row = first; row < last; row += each) {
      const event = view.rows[row];
      const cpu = model.cpu[event];
      const y = this.y(event);
      if (y - (painted.get(cpu) ?? -Infinity) < 1) continue;
      painted.set(cpu, y);
      const [name] = LOOKS[model.look[event]] || LOOKS['.'];
      surface.rect(this.x.get(cpu) + MARK - 4, y - 0.5, 8, 1, colours[name]);
    }
    let notable = -Infinity;
    model.notable.forEach((event) => {
      const y = this.y(event);
      if (view.rows[view.before[event]] !== event || y < HEAD || y > this.height || y - notable < 1) return;
      notable = y;
      const [name, shape] = LOOKS[model.look[event]];
      this.mark(shape, this.x.get(model.cpu[event]) + MARK, y, colours[name]);
    });
  }

  events(first, last, matches) {
    if (this.dense) {
      this.ticks(first, last);
      return;
    }
    const painted = new Map();
    const written = new Map();
    const cursor = this.y(this.view.cursor);
    let time = -Infinity;
    for (let row = first; row < last; row++) {
      const event = this.view.rows[row];
      const cpu = this.model.cpu[event];
      const y = this.y(event);
      const attended = event === this.view.cursor;
      if (attended || (y - time >= APART && Math.abs(y - cursor) >= APART)) { this.time(event, y); time = y; }
      const x = this.x.get(cpu);
      const before = painted.get(cpu) ?? -Infinity;
      const [name, shape] = LOOKS[this.model.look[event]] || LOOKS['.'];
      const notable = shape === 'bolt' || shape === 'cross';
      if (y - before < 1 && !notable) continue;
      const crowded = y - before < 8 && !notable;
      painted.set(cpu, y);
      if (crowded) {
        this.surface.rect(x + MARK - 4, y - 0.5, 8, 1, this.colours[name]);
        continue;
      }
      if (matches?.(event)) this.surface.rect(x + MARK - 10, y - 10, this.lane - MARK - 12, 20, this.colours.focus, 0.22);
      this.mark(shape, x + MARK, y, this.colours[name]);
      if (event === this.view.cursor) this.surface.circle(x + MARK, y, 9.5, null, this.colours.focus);
      if (attended || (y - (written.get(cpu) ?? -Infinity) >= LEGIBLE && !this.outranked(event, y, notable))) {
        this.words(event, x, y, this.colours[name]);
        written.set(cpu, y);
      }
    }
  }

  /** Whether the words of the cursor's event, or of one that matters more, need the place of these. */
  outranked(event, y, notable) {
    const { model, view } = this;
    const close = (other) => model.cpu[other] === model.cpu[event] && Math.abs(this.y(other) - y) < LEGIBLE;
    if (close(view.cursor)) return true;
    if (notable) return false;
    let at = Math.max(lower(model.notable, event) - 1, 0);
    for (; at < model.notable.length && this.y(model.notable[at]) - y < LEGIBLE; at++) {
      if (close(model.notable[at])) return true;
    }
    return false;
  }

  time(event, y) {
    const { time, chart } = this.model;
    const whole = chart.clock.unit === 'step' ? String(event) : grouped(time[event] - time[0]);
    // The last digits tell times apart; all of them are in the panel.
    const words = whole.length > DIGITS ? `…${whole.slice(-DIGITS + 1)}` : whole;
    this.surface.text(TIMES - 10, y, words, this.colours.dim, { size: 12, align: 'end', mono: true });
  }

  /** The words of an event, beside its mark; where lanes are narrow, over the lanes beside it. */
  words(event, x, y, colour) {
    const size = 13;
    const width = size * CHARACTER;
    const narrow = this.lane < NARROW;
    const left = narrow && x - TIMES > this.width - x - WORDS;
    const space = !narrow ? this.lane - WORDS - 22 : left ? x + MARK - 12 - TIMES : this.width - x - WORDS;
    const room = Math.max(Math.floor(space / width), 4);
    const look = this.model.look[event];
    const name = this.model.nameOf(event);
    const head = cut('fsb'.includes(look) ? name.toUpperCase() : name, room);
    const rest = room - head.length - 1;
    const tail = rest > 5 ? cut(this.model.textOf(event), rest) : '';
    const halo = this.view.cursor === event ? this.colours.cursor : this.behind(event);
    const style = { size, mono: true, halo };
    const begin = left ? x + MARK - 12 - (head.length + (tail ? tail.length + 1 : 0)) * width : x + WORDS;
    this.surface.text(begin, y, head, look === '.' ? this.colours.dim : colour, { ...style, bold: look !== '.' });
    if (tail) this.surface.text(begin + (head.length + 1) * width, y, tail, this.colours.dim, style);
  }

  /** What stands out of arrows behind words. */
  behind(event) {
    return this.lanes.indexOf(this.model.cpu[event]) % 2 === 0 ? this.colours.lane : this.colours.page;
  }

  mark(shape, x, y, colour) {
    const { surface } = this;
    if (shape === 'circle') surface.circle(x, y, 5, colour);
    else if (shape === 'dot') surface.circle(x, y, 2.5, colour);
    else if (shape === 'ring') surface.circle(x, y, 4, this.colours.page, colour);
    else if (shape === 'square') surface.rect(x - 4.5, y - 4.5, 9, 9, colour);
    else if (shape === 'diamond') surface.shape([[x, y - 7], [x + 7, y], [x, y + 7], [x - 7, y]], colour);
    else if (shape === 'arrow') surface.shape([[x - 5, y - 6], [x + 7, y], [x - 5, y + 6]], colour);
    else if (shape === 'bars') { surface.rect(x - 5, y - 6, 3.5, 12, colour); surface.rect(x + 1.5, y - 6, 3.5, 12, colour); }
    else if (shape === 'bolt') surface.shape([[x + 3, y - 9], [x - 6, y + 2], [x - 1, y + 2], [x - 3, y + 9], [x + 6, y - 2], [x + 1, y - 2]], colour);
    else { surface.line(x - 6, y - 6, x + 6, y + 6, colour, 3.5); surface.line(x - 6, y + 6, x + 6, y - 6, colour, 3.5); }
  }
}

function cut(words, room) {
  return words.length <= room ? words : `${words.slice(0, Math.max(room - 1, 0))}…`;
}

/** A number with its digits in groups of three. */
export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}
