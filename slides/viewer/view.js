// What of a model is shown and where: filters, rows, the axis, zoom, the cursor.

/** The height of a row at which everything is legible, in pixels. */
export const ROW = 24;
const LARGEST = 64;

export class View {
  constructor(model) {
    this.model = model;
    this.axis = 'order';
    this.zoom = ROW; // Pixels a row, or in time a tick.
    this.top = 0;
    this.height = 400;
    this.cursor = 0;
    this.clear();
  }

  clear() {
    this.hidden = new Set(); // CPUs
    this.names = null; // A set of the numbers of names, if not all are shown.
    this.generation = '';
    this.filter();
  }

  get lanes() { return this.model.chart.cpus.filter((cpu) => !this.hidden.has(cpu)); }

  get filtered() { return this.hidden.size > 0 || this.names !== null || this.generation !== ''; }

  /** Works out which events have rows. */
  filter() {
    const { model } = this;
    const shown = (event) => !this.hidden.has(model.cpu[event])
      && (this.names === null || this.names.has(model.name[event]))
      && this.ofGeneration(event);
    const rows = [];
    this.before = new Int32Array(model.count + 1);
    for (let event = 0; event < model.count; event++) {
      this.before[event] = rows.length;
      if (shown(event)) rows.push(event);
    }
    this.before[model.count] = rows.length;
    this.rows = Int32Array.from(rows);
    this.settle();
  }

  ofGeneration(event) {
    if (this.generation === '') return true;
    const [a, b] = this.generation.split(':').map(Number);
    const shootdown = this.model.shootdownOf(event);
    if (shootdown === null) return false;
    return b === undefined ? shootdown.generation === a : shootdown.initiator === a && shootdown.generation === b;
  }

  /** Where an event is, in pixels from the beginning of the axis. The end of the chart is one, too. */
  at(event) {
    if (this.axis === 'order') return this.before[event] * this.zoom;
    const { time, count } = this.model;
    return (time[Math.min(event, count - 1)] - time[0]) * this.zoom + (event === count ? ROW : 0);
  }

  /** The row's number at or before a place. */
  rowAt(place) {
    if (this.axis === 'order') return Math.min(Math.floor(place / this.zoom), this.rows.length - 1);
    const { time } = this.model;
    const wanted = place / this.zoom + time[0];
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (time[this.rows[middle]] <= wanted) low = middle + 1; else high = middle;
    }
    return low - 1;
  }

  get length() { return this.at(this.model.count) + ROW; }

  /** The rows that can be seen, as numbers: first, and after the last. */
  get window() {
    const first = Math.max(0, this.rowAt(this.top) - 1);
    return [first, Math.max(first, Math.min(this.rows.length, this.rowAt(this.top + this.height) + 2))];
  }

  settle() {
    this.top = Math.max(0, Math.min(this.top, this.length - this.height));
    this.cursor = Math.max(0, Math.min(this.cursor, this.model.count - 1));
  }

  /** Brings the cursor into sight. */
  follow() {
    const at = this.at(this.cursor);
    const margin = Math.min(4 * ROW, this.height / 4);
    if (at < this.top + margin) this.top = at - margin;
    if (at > this.top + this.height - margin) this.top = at - this.height + margin;
    this.settle();
  }

  go(event) {
    this.cursor = event;
    this.settle();
    this.follow();
  }

  /** Moves the cursor by rows. */
  step(by) {
    if (this.rows.length === 0) return;
    const shown = this.rows[this.before[this.cursor]] === this.cursor;
    let row = this.before[this.cursor];
    row += by > 0 && !shown ? by - 1 : by;
    this.go(this.rows[Math.max(0, Math.min(row, this.rows.length - 1))]);
  }

  /** Moves to the next event, in a direction, of which `wanted` holds; says whether there is one. */
  seek(direction, wanted) {
    for (let row = this.before[this.cursor] + (direction > 0 && this.rows[this.before[this.cursor]] !== this.cursor ? 0 : direction);
      row >= 0 && row < this.rows.length; row += direction) {
      if (wanted(this.rows[row])) {
        this.go(this.rows[row]);
        return true;
      }
    }
    return false;
  }

  /** Makes everything larger by a factor; what is at `place`, in pixels of the pane, stays. */
  enlarge(factor, place = this.at(this.cursor) - this.top) {
    const before = this.top + place;
    const least = this.fitting();
    const most = this.axis === 'order' ? LARGEST : Math.max(LARGEST, least * 1e6);
    const zoom = Math.max(Math.min(this.zoom * factor, most), least);
    this.top = before * (zoom / this.zoom) - place;
    this.zoom = zoom;
    this.settle();
  }

  /** The zoom with which all is in sight. */
  fitting() {
    const { time, count } = this.model;
    const units = this.axis === 'order' ? this.rows.length + 1 : time[count - 1] - time[0] || 1;
    return Math.min(ROW, Math.max((this.height - 3 * ROW) / units, 1e-9));
  }

  setAxis(axis) {
    if (axis === this.axis) return;
    const place = this.at(this.cursor) - this.top;
    this.axis = axis;
    this.zoom = axis === 'order' ? ROW : this.legible();
    this.top = this.at(this.cursor) - place;
    this.settle();
  }

  /** A zoom of the time at which about half of the events around the cursor have room for words. */
  legible() {
    const { time, count } = this.model;
    const gaps = [];
    for (let event = Math.max(1, this.cursor - 20); event < Math.min(count, this.cursor + 20); event++) {
      gaps.push(time[event] - time[event - 1]);
    }
    gaps.sort((a, b) => a - b);
    return Math.max(ROW / (gaps[gaps.length >> 1] || 1), this.fitting());
  }
}
